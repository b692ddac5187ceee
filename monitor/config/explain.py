"""pydantic's errors -> problems in our own words, with the path as the file spells it and never the input.

Most errors are already ours (`fields.refuse`, `sections.several`); only the few that pydantic itself makes of a shape
(missing, unknown, not a mapping, not a list, too many) are put into words here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from monitor.config import fields, sections
from monitor.config.model import Document
from monitor.config.problems import Path, dotted, key_name, kind
from monitor.config.sections import known_keys

Finding = tuple[Path, str, str]


def findings(error: ValidationError, document: type[BaseModel] = Document) -> Iterator[Finding]:
    """(path, what is wrong, what to write instead) for each error."""
    for one in error.errors(include_url=False):
        path: Path = one["loc"]
        context: dict[str, Any] = one.get("ctx", {})
        match one["type"]:
            case fields.REFUSED:
                yield path, context["what"], context["instead"]
            case sections.SEVERAL:
                for below, what, instead in context["findings"]:
                    yield ((*path, below) if below else path), what, instead
            case "missing":
                yield path, "is required", f"add {key_name(str(path[-1]))}"
            case "extra_forbidden":
                yield _unknown(path, document)
            case "model_type" | "model_attributes_type" | "dict_type":
                known = _section_at(path, document)
                keys = f" ({', '.join(known_keys(known))})" if known else ""
                yield path, f"must be a mapping, not {kind(one['input'])}", f"write its keys below it{keys}"
            case "tuple_type" | "list_type":
                yield path, f"must be a list, not {kind(one['input'])}", "start each item with a dash"
            case "too_short":
                # pydantic counts only the items that are right: a list of wrong ones is not an empty list.
                if not one["input"]:
                    yield path, "is empty", "add at least one"
            case "too_long":
                yield path, f"has more than {context['max_length']} items", "write fewer"
            case _:
                yield path, "is not valid", f"see the published schema for {dotted(path[-1:])}"


def _unknown(path: Path, document: type[BaseModel]) -> Finding:
    section = _section_at(path[:-1], document)
    known = known_keys(section) if section else ()
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
    return path, "is not a known key", f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known)}"


def _section_at(path: Path, document: type[BaseModel]) -> type[BaseModel] | None:
    """The model that stands at a path of the file."""
    section: type[BaseModel] | None = document
    for part in path:
        if isinstance(part, int) or section is None:
            continue
        found = next((f for n, f in section.model_fields.items() if part == (f.alias or n)), None)
        section = None if found is None else _model_in(found.annotation)
    return section


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
