"""What the monitor writes to standard error: one line an event, bounded, one way for our lines and the libraries'.

structlog and the standard library end in the same handler. There, whatever looks like a credential becomes `***`
before anything else is done with a line: the last net, not the first (credentials travel inside `Secret`). Then
control characters are escaped, so that nobody who is quoted in a line can forge another one.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

import structlog

from monitor.core.secret import Secret
from monitor.core.text import printable

Format = Literal["auto", "json", "console"]
Level = Literal["debug", "info", "warning", "error"]
Event = MutableMapping[str, Any]

MAX_LINE = 8 * 1024
# Characters that are left of each value when the line is too long, tried in order. Cutting comes after redacting:
# of a token that was cut first, a part could remain that no pattern knows.
LIMITS = (4096, 1536, 512, 128, 32)
MAX_ITEMS = 32
MAX_DEPTH = 3
# A number longer than this says nothing; turning thousands of digits into text is refused by Python (and slow).
MAX_BITS = 256
HIDDEN = "***"
TRACEBACK = "exception"
STACK = "stack"

# Libraries that talk much: warnings and errors only, unless somebody asked for everything.
QUIET = ("aiohttp", "kubernetes_asyncio", "apscheduler", "urllib3", "asyncio")
# Writes whole response bodies at DEBUG, Secrets among them (kubernetes_asyncio/client/rest.py): never, at any level.
NEVER_DEBUG = "kubernetes_asyncio.client.rest"

_CREDENTIALS: tuple[tuple[re.Pattern[str], str], ...] = (
    # A JWT, whole or cut off: its first part is the base64 of `{"…`.
    (re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*"), HIDDEN),
    # The same in base64 once more, as Kubernetes shows the data of a Secret.
    (re.compile(r"ZXlK[A-Za-z0-9+/_-]{5,}=*"), HIDDEN),
    (re.compile(r"(?i)\b(bearer)(\s+|%20)[^\s\"']+"), rf"\1 {HIDDEN}"),
)


def configure(format: Format = "auto", level: Level = "info", stream: TextIO | None = None) -> None:  # noqa: A002
    """Sets up logging for the process. May be called again; the last call counts."""
    stream = sys.stderr if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    terminal = stream.isatty()
    as_json = format == "json" or (format == "auto" and not terminal)
    colours = takes_colours(stream)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream)
    handler.setFormatter(_formatter(_as_json if as_json else _console(colours=colours)))
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    _quiet(threshold)


def takes_colours(stream: TextIO) -> bool:
    """Whether it is a terminal on which colours are welcome (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Redact:
    """A processor that leaves plain values only, without anything that looks like a credential."""

    def __call__(self, logger: object, method: str, event: Event) -> Event:
        """Keys as well as values: a credential may stand in either."""
        return {redact(str(key)): _plain(value, MAX_DEPTH) for key, value in event.items()}


def redact(text: str) -> str:
    """`text` with `***` in place of what looks like a credential."""
    for pattern, instead in _CREDENTIALS:
        text = pattern.sub(instead, text)
    return text


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines that any stream can take, and does not tell a failed line's arguments to standard error."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        return line.encode(encoding, "backslashreplace").decode(encoding)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        error = sys.exc_info()[0]
        if error is None or (issubclass(error, OSError | ValueError) and getattr(self.stream, "closed", False)):
            return
        lost = {"level": "error", "event": "a log line could not be written", "logger": printable(record.name, 100)}
        try:
            self.stream.write(json.dumps(lost | {"error": error.__name__}) + self.terminator)
        except (OSError, ValueError):
            return  # nowhere left to say it


class _NeverDebug(logging.Filter):
    """On the logger itself, so that no handler and no later setLevel brings its bodies back."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.INFO


def _quiet(threshold: int) -> None:
    debug = threshold <= logging.DEBUG
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.DEBUG if debug else max(threshold, logging.WARNING))
    bodies = logging.getLogger(NEVER_DEBUG)
    bodies.setLevel(logging.INFO if debug else max(threshold, logging.WARNING))
    if not any(isinstance(f, _NeverDebug) for f in bodies.filters):
        bodies.addFilter(_NeverDebug())


Renderer = Callable[[Event], str]


def _formatter(render: Renderer) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name],
        processors=[
            _with_time,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,  # plain tracebacks: no local variables
            Redact(),
            cast("structlog.typing.Processor", _Bounded(render)),
        ],
    )


def _with_time(logger: object, method: str, event: Event) -> Event:
    record: logging.LogRecord = event["_record"]
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"timestamp": moment, "level": event.pop("level"), "event": event.pop("event", ""), **event}


class _Bounded:
    """Renders an event in at most `MAX_LINE` bytes, by cutting its long values."""

    def __init__(self, render: Renderer) -> None:
        self._render = render

    def __call__(self, logger: object, method: str, event: Event) -> str:
        for limit in LIMITS:
            line = self._render(_cut_all(event, limit))
            if len(line.encode("utf-8", "backslashreplace")) <= MAX_LINE:
                return line
        kept = {name: event[name] for name in ("timestamp", "level", "event", "logger") if name in event}
        return self._render({**_cut_all(kept, LIMITS[-1]), "cut": True})


def _as_json(event: Event) -> str:
    return json.dumps(event)


def _console(*, colours: bool) -> Renderer:
    renderer = structlog.dev.ConsoleRenderer(
        colors=colours, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )

    def render(event: Event) -> str:
        # Indented, no line of a traceback can pass for a line of the log.
        for name in (TRACEBACK, STACK):
            if name in event:
                event[name] = "  " + str(event[name]).replace("\n", "\n  ")
        return str(renderer(None, "", event))

    return render


def _plain(value: object, depth: int) -> object:
    """`value` made of JSON's types only."""
    match value:
        case None | bool():
            return value
        case Secret():
            return HIDDEN
        case int():
            return int(value) if int(value).bit_length() <= MAX_BITS else "(a very large number)"
        case float():
            return value if abs(value) < float("inf") else str(value)
        case str():
            return redact(str.__str__(value))
        case Mapping() if depth:
            pairs = list(value.items())[:MAX_ITEMS]
            return {redact(_text(key)): _plain(item, depth - 1) for key, item in pairs}
        case list() | tuple() | set() | frozenset() if depth:
            return [_plain(item, depth - 1) for item in _first(value)]
        case _:
            return redact(_text(value))


def _first(items: Iterable[object]) -> list[object]:
    return [item for _, item in zip(range(MAX_ITEMS), items, strict=False)]


def _text(value: object) -> str:
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001 - whatever a foreign object's repr does, a log line must not fail for it
        return f"({type(value).__name__} that cannot be shown)"


def _cut_all(event: Mapping[str, object], limit: int) -> Event:
    return {printable(name, 100): _cut(value, limit, name) for name, value in event.items()}


def _cut(value: object, limit: int, name: str = "") -> object:
    match value:
        case str() if name in (TRACEBACK, STACK):
            # The end of a traceback says what happened.
            kept = value if len(value) <= limit else "…" + value[1 - limit :]
            return "\n".join(printable(line, limit) for line in kept.split("\n"))
        case str():
            return printable(value, limit)
        case dict():
            return {printable(key, min(limit, 100)): _cut(item, limit) for key, item in value.items()}
        case list():
            return [_cut(item, limit) for item in value]
        case _:
            return value
