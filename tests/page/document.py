"""Reads a page as a strict reader would: everything balanced, every id once, every reference kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "input", "img", "br", "wbr"})
# Elements of SVG that may be written with a slash at their end.
SELF_CLOSED = frozenset({"use", "path", "circle", "rect"})
INSIDE: dict[str, frozenset[str]] = {
    "tr": frozenset({"thead", "tbody"}),
    "td": frozenset({"tr"}),
    "th": frozenset({"tr"}),
    "thead": frozenset({"table"}),
    "tbody": frozenset({"table"}),
    "caption": frozenset({"table"}),
    "li": frozenset({"ul"}),
    "dt": frozenset({"div"}),
    "dd": frozenset({"div"}),
    "option": frozenset({"select"}),
    "summary": frozenset({"details"}),
    "symbol": frozenset({"svg"}),
}
# What a paragraph, and anything else that holds words only, cannot hold.
BLOCKS = frozenset(
    [
        "p",
        "div",
        "ul",
        "dl",
        "table",
        "form",
        "nav",
        "section",
        "article",
        "header",
        "footer",
        "main",
        "h1",
        "h2",
        "h3",
        "details",
    ]
)
WORDS_ONLY = frozenset(["p", "span", "b", "a", "h1", "h2", "h3", "dt", "th", "bdi", "summary", "label", "caption"])
INTERACTIVE = frozenset(["a", "input", "select", "button", "summary"])


@dataclass
class Element:
    """One element, with the names of those around it."""

    name: str
    attributes: dict[str, str | None]
    around: tuple[str, ...]
    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def get(self, name: str) -> str:
        return self.attributes.get(name) or ""


@dataclass
class Document:
    """A page that was read. faults: what is wrong with its HTML."""

    elements: list[Element] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.one("html").text

    def all(self, name: str) -> list[Element]:
        return [element for element in self.elements if element.name == name]

    def one(self, name: str) -> Element:
        [element] = self.all(name)
        return element

    def id(self, name: str) -> Element:
        [element] = [element for element in self.elements if element.get("id") == name]
        return element


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.document = Document()
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._begin(tag, attrs)
        if tag not in VOID:
            self._open.append(self.document.elements[-1])

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._begin(tag, attrs)
        if tag not in SELF_CLOSED:
            self._fault(f"<{tag}/>")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].name != tag:
            self._fault(f"</{tag}>, open is {self._open[-1].name if self._open else 'nothing'}")
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.words.append(data)

    def close(self) -> None:
        super().close()
        for element in self._open:
            self._fault(f"<{element.name}> is never closed")

    def _begin(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        around = tuple(element.name for element in self._open)
        if len(set(names)) != len(names):
            self._fault(f"<{tag}> has an attribute twice: {names}")
        if tag in INSIDE and (not around or around[-1] not in INSIDE[tag]):
            self._fault(f"<{tag}> in {around[-1:]}")
        if tag in BLOCKS and WORDS_ONLY & set(around):
            self._fault(f"<{tag}> within {around}")
        if tag in INTERACTIVE and "a" in around:
            self._fault(f"<{tag}> within a link")
        self.document.elements.append(Element(tag, dict(attrs), around))

    def _fault(self, words: str) -> None:
        self.document.faults.append(f"line {self.getpos()[0]}: {words}")


@lru_cache(maxsize=64)
def read(html: str) -> Document:
    """The page, and what is wrong with it."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    document = reader.document
    if not html.startswith("<!doctype html>\n"):
        document.faults.append("it does not begin with the doctype")
    ids = Counter(element.get("id") for element in document.elements if "id" in element.attributes)
    document.faults += [f"id {id_} twice" for id_, times in ids.items() if times > 1]
    document.faults += [f"id {id_!r} is empty or has white space" for id_ in ids if not id_ or " " in id_]
    for element in document.elements:
        for name in ("for", "aria-labelledby", "aria-describedby"):
            wanted = element.get(name).split()
            document.faults += [f"{name}={id_} leads nowhere" for id_ in wanted if id_ not in ids]
        if element.get("href").startswith("#") and element.get("href")[1:] not in ids:
            document.faults.append(f"href={element.get('href')} leads nowhere")
    return document
