"""What must hold between keys that are far apart: names are unique, one way to say the address, intervals in order.

These rules read the plain values of the file, not the model, so that they speak even when something else in the file
is wrong: all that is wrong is told at once. They pass over whatever the model refuses anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from monitor.config import durations
from monitor.config.model import Document
from monitor.config.problems import Path, shown

Finding = tuple[Path, str, str]


def between_keys(document: Any) -> Iterator[Finding]:
    """Every broken rule: (path, what is wrong, what to write instead)."""
    if not isinstance(document, Mapping):
        return
    yield from _intervals(document, {}, ())
    targets = document.get("targets")
    if not isinstance(targets, list | tuple):
        return
    first_of: dict[str, int] = {}
    for index, target in enumerate(targets):
        if not isinstance(target, Mapping):
            continue
        path: Path = ("targets", index)
        name = target.get("name")
        if isinstance(name, str) and first_of.setdefault(name, index) != index:
            yield (
                (*path, "name"),
                f"{shown(name)} is also the name of targets[{first_of[name]}]",
                "give each target its own name",
            )
        yield from _address(target, path)
        if target.get("interval") is not None or target.get("accountInterval") is not None:
            yield from _intervals(target, document, path)


def _address(target: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    server = target.get("server")
    if server is not None and not isinstance(server, Mapping):
        return
    given = server or {}
    ways = [
        (where, value)
        for where, value in (
            (("server", "svc"), given.get("svc")),
            (("server", "url"), given.get("url")),
            (("url",), target.get("url")),
        )
        if value not in (None, "")
    ]
    if not ways:
        yield ((*path, "server"), "has no address", "add svc (a Service) or url, like https://argocd.example.com")
    elif len(ways) > 1:
        names = " and ".join(".".join(where) for where, _ in ways)
        yield (path, f"has more than one address: {names}", "keep one")
    elif ways[0][0] != ("server", "svc"):
        for key in ("port", "rootpath"):
            if given.get(key) not in (None, ""):
                yield ((*path, "server", key), f"{key} goes with svc, not with url", "put it into the url")


def _intervals(section: Mapping[str, Any], defaults: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    interval = _effective("interval", section, defaults)
    account_interval = _effective("accountInterval", section, defaults)
    if interval is None or account_interval is None or account_interval >= interval:
        return
    said = f"accountInterval ({durations.written(account_interval)}) is shorter than interval"
    key = "accountInterval" if section.get("accountInterval") is not None else "interval"
    yield ((*path, key), f"{said} ({durations.written(interval)})", "make accountInterval at least as long as interval")


def _effective(key: str, section: Mapping[str, Any], defaults: Mapping[str, Any]) -> float | None:
    for values in (section, defaults):
        if values.get(key) is not None:
            return durations.parse(values[key])
    if key == "accountInterval":
        return None  # nobody wrote one: it follows the interval where that is longer (`settings.resolve`)
    return float(Document.model_fields["interval"].default)
