"""metadata.managedFields: which manager last wrote which field, as the real API keeps it.

A writer takes the fields that its write changed from everybody else; a field that goes is nobody's. Maps that people
fill (data, labels, annotations, ...) are told key by key and have a `.` of their own; lists count as one value, which
is coarser than the schemas of the real thing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from monitor.simulator.kubernetes.wire import Object

Path = tuple[str, ...]

MAX_MANAGER = 128
_FREE_MAPS = frozenset(
    {"data", "binaryData", "labels", "annotations", "matchLabels", "nodeSelector", "limits", "requests", "series"}
)
_ATOMIC = frozenset({"selector", "involvedObject", "regarding", "related"})
_SYSTEM = frozenset(
    {"name", "namespace", "uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"}
)


@lru_cache(maxsize=256)
def manager_name(field_manager: str, user_agent: str) -> str:
    """The `fieldManager` of the request; else what stands before the slash in its user agent."""
    name = field_manager or "".join(char for char in user_agent.split("/")[0] if char.isprintable())
    return name[:MAX_MANAGER] or "unknown"


def record(
    old: Object | None, new: Object, *, manager: str, api_version: str, subresource: str, time: str
) -> list[Object]:
    """The managedFields of `new`, which `manager` made of `old`. What began without any stays without."""
    if old is not None and not old["metadata"].get("managedFields"):
        return []
    before, after = _leaves(old) if old is not None else {}, _leaves(new)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = before.keys() - after.keys()
    entries: list[Object] = []
    mine: Object = {"manager": manager, "operation": "Update", "apiVersion": api_version, "time": time}
    own: set[Path] = set()
    touched = bool(changed)
    for entry in (old or {}).get("metadata", {}).get("managedFields", []):
        paths = _paths(entry["fieldsV1"])
        if _key(entry) == (manager, "Update", api_version, subresource):
            own, mine = paths - gone, entry
            touched = touched or bool(paths & gone)
        elif kept := paths - gone - changed:
            entries.append({**entry, "fieldsV1": _tree(kept)})
    if own := own | changed:
        written: Object = {**mine, "time": time if touched else mine["time"]}
        written |= {"fieldsType": "FieldsV1", "fieldsV1": _tree(own)}
        entries.append({**written, "subresource": subresource} if subresource else written)
    return sorted(entries, key=lambda entry: (entry["operation"], entry["time"], entry["manager"]))


def last_writer(object_: Mapping[str, Any], *path: str) -> str | None:
    """The manager that holds that field: `last_writer(secret, "data", "token")`."""
    wanted = tuple(f"f:{part}" for part in path)
    for entry in object_["metadata"].get("managedFields", []):
        if wanted in _paths(entry["fieldsV1"]):
            return str(entry["manager"])
    return None


def _key(entry: Object) -> tuple[str, str, str, str]:
    return entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", "")


def _leaves(object_: Object) -> dict[Path, str]:
    found: dict[Path, str] = {}
    for name, value in object_.items():
        if name == "metadata":
            for inner, below in value.items():
                if inner not in _SYSTEM:
                    _walk((f"f:{name}", f"f:{inner}"), inner, below, found)
        elif name not in ("kind", "apiVersion"):
            _walk((f"f:{name}",), name, value, found)
    return found


def _walk(path: Path, name: str, value: Any, found: dict[Path, str]) -> None:
    if value is None or value == "":
        return
    if not isinstance(value, dict):
        found[path] = json.dumps(value, sort_keys=True)
        return
    if name in _ATOMIC:
        found[path] = json.dumps(value, sort_keys=True)
        return
    if name in _FREE_MAPS:
        found[(*path, ".")] = ""
    for key, below in value.items():
        _walk((*path, f"f:{key}"), "" if name in _FREE_MAPS else key, below, found)


def _tree(paths: Iterable[Path]) -> Object:
    root: Object = {}
    for path in sorted(paths):
        here = root
        for part in path:
            here = here.setdefault(part, {})
    return root


def _paths(tree: Object, above: Path = ()) -> set[Path]:
    if not tree:
        return {above} if above else set()
    return {path for part, below in tree.items() for path in _paths(below, (*above, part))}
