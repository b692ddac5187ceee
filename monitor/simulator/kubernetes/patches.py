"""The three kinds of patch: merge (RFC 7386), JSON (RFC 6902) and strategic merge. Nothing is changed in place.

Of the strategic one: maps are merged, null deletes, lists of the names below are merged by their key, `$patch:
delete` and `$patch: replace` are obeyed. The schemas of the real thing know more lists.
"""

from __future__ import annotations

import copy
from typing import Any

_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "imagePullSecrets": "name",
    "secrets": "name",
    "ownerReferences": "uid",
    "conditions": "type",
}
_MERGED_SETS = frozenset({"finalizers"})
_DIRECTIVE = "$patch"
_MISSING = object()


class PatchError(ValueError):
    """A JSON patch that does not fit the object."""


class PatchFormError(ValueError):
    """A patch that is none, in the words of the API."""


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


def strategic(target: Any, patch: Any) -> Any:
    """A strategic merge patch of one map."""
    if not isinstance(patch, dict) or not isinstance(target, dict):
        return _without_nulls(patch)
    if patch.get(_DIRECTIVE) == "replace":
        return _without_nulls({name: value for name, value in patch.items() if name != _DIRECTIVE})
    if patch.get(_DIRECTIVE) == "delete":
        return {}
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, list) and name in _MERGE_KEYS and isinstance(merged.get(name), list):
            merged[name] = _merge_list(merged[name], value, _MERGE_KEYS[name])
        elif isinstance(value, list) and name in _MERGED_SETS and isinstance(merged.get(name), list):
            merged[name] = [*merged[name], *(each for each in value if each not in merged[name])]
        else:
            merged[name] = strategic(merged.get(name), value)
    return merged


def apply_json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902. Raises `PatchError` where one operation, a `test` among them, does not hold."""
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        told = "cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        raise PatchFormError(f"error decoding patch: json: {told}")
    result = copy.deepcopy(target)
    for operation in operations:
        result = _operate(result, operation)
    return result


def _operate(target: Any, operation: dict[str, Any]) -> Any:
    path = _pointer(operation.get("path"))
    match operation.get("op"):
        case "test":
            if _value_at(target, path) != operation.get("value", _MISSING):
                raise PatchError(f"testing value {operation.get('path')} failed")
        case "add":
            return _put(target, path, copy.deepcopy(operation.get("value")), insert=True)
        case "replace":
            # Of a key that is not there, the library of the real one makes an addition.
            return _put(target, path, copy.deepcopy(operation.get("value")), insert=False)
        case "remove":
            return _remove(target, path)
        case "move":
            source = _pointer(operation.get("from"))
            moved = _at(target, source)
            return _put(_remove(target, source), path, moved, insert=True)
        case "copy":
            return _put(target, path, copy.deepcopy(_at(target, _pointer(operation.get("from")))), insert=True)
        case other:
            raise PatchError(f"unexpected kind: {other}")
    return target


def _merge_list(target: list[Any], patch: list[Any], key: str) -> list[Any]:
    if not all(isinstance(each, dict) for each in (*target, *patch)):
        raise PatchFormError("error decoding patch: a list that is merged by a key holds what is no map")
    if any(isinstance(each, dict) and each.get(_DIRECTIVE) == "replace" for each in patch):
        return [_without_nulls(each) for each in patch if _DIRECTIVE not in each]
    merged = list(target)
    for each in patch:
        place = next((index for index, known in enumerate(merged) if known.get(key) == each.get(key)), None)
        if each.get(_DIRECTIVE) == "delete":
            merged = [known for known in merged if known.get(key) != each.get(key)]
        elif place is None:
            merged.append(_without_nulls(each))
        else:
            merged[place] = strategic(merged[place], each)
    return merged


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(below) for name, below in value.items() if below is not None}
    return copy.deepcopy(value)


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise PatchError("not a JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _at(target: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(target, dict) and part in target:
            target = target[part]
        elif isinstance(target, list) and part.isdecimal() and int(part) < len(target):
            target = target[int(part)]
        else:
            raise PatchError(f"missing: {part}")
    return target


def _value_at(target: Any, path: list[str]) -> Any:
    try:
        return _at(target, path)
    except PatchError:
        return _MISSING


def _put(target: Any, path: list[str], value: Any, *, insert: bool) -> Any:
    if not path:
        return value
    parent, last = _at(target, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and insert and (last == "-" or (last.isdecimal() and int(last) <= len(parent))):
        parent.insert(len(parent) if last == "-" else int(last), value)
    elif isinstance(parent, list) and last.isdecimal() and int(last) < len(parent):
        parent[int(last)] = value
    else:
        raise PatchError(f"cannot write: {last}")
    return target


def _remove(target: Any, path: list[str]) -> Any:
    if not path:
        raise PatchError("cannot remove the whole object")
    parent, last = _at(target, path[:-1]), path[-1]
    _at(parent, [last])
    if isinstance(parent, dict):
        del parent[last]
    else:
        del parent[int(last)]
    return target
