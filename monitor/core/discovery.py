"""Targets that are found outside of the configuration file: where each comes from, and which of them count.

An origin is one object in Kubernetes or one file, and holds one target. Names are unique over all of them: the
configuration file goes before everything, and who had a name first keeps it, so that nobody can take over another's
target by naming one like it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from monitor.core.secret import Secret

# The label of an object that holds a target: `true`, or the target's name; `false` turns it off.
LABEL = "tokenmonitor.io/target"
SELECTOR = f"{LABEL},{LABEL}!=false"
ON = "true"
# The key below which the target is written; one of both.
KEYS = ("target.yaml", "target")
# A target with every key and 32 permissions has less than 10 KiB.
MAX_BYTES = 16 * 1024
MAX_FOUND = 10_000

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Where a target was found. kind: `ConfigMap`, `Secret` or `file`. namespace: "" for a file. Orders as it is shown."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Found:
    """What an origin holds. text: a target in YAML; None where there is none, then `problem` says why and what to do.

    name: how the target is called where its text does not say; binding: it may not say otherwise. since: when its origin
    was made, as a text that sorts; "" where that is not known.
    """

    origin: Origin
    text: Secret | None = None
    problem: str = ""
    name: str = ""
    binding: bool = False
    since: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """An origin whose target is not used as it stands there. what: why, and what to do.

    target: its name, as far as it is known. kept: whether an earlier version of it goes on.
    """

    origin: Origin
    what: str
    target: str = ""
    kept: bool = False

    def __str__(self) -> str:
        kept = f" (target {self.target} goes on as it was before)" if self.kept else ""
        return f"{self.origin}: {self.what}{kept}"


def trouble_json(trouble: Trouble) -> dict[str, object]:
    """As `/status` shows it."""
    return {
        "origin": str(trouble.origin),
        "target": trouble.target or None,
        "problem": trouble.what,
        "former_version_goes_on": trouble.kept,
    }


@dataclass(frozen=True, slots=True)
class Candidate(Generic[Value]):
    """A target that could be read."""

    name: str
    origin: Origin
    value: Value
    since: str = ""


def chosen(
    candidates: Iterable[Candidate[Value]],
    configured: Collection[str],
    owners: Mapping[str, Origin],
    limit: int = MAX_FOUND,
) -> tuple[list[Candidate[Value]], list[Trouble]]:
    """Those that count, and why the others do not.

    configured: names of the configuration file. owners: whose each name was at the last choice. Who had a name keeps it;
    then the older origin goes first, files before objects.
    """
    kept: dict[str, Candidate[Value]] = {}
    troubles: list[Trouble] = []
    too_many = 0
    for one in by_precedence(candidates, owners):
        other = "the configuration file" if one.name in configured else _holder(kept.get(one.name))
        if other:
            what = f"its name {one.name} is that of a target in {other}; give it another name"
            troubles.append(Trouble(one.origin, what, one.name))
        elif len(kept) >= limit:
            too_many += 1
        else:
            kept[one.name] = one
    if too_many:
        what = f"{too_many} more than {limit} targets were found, and are left out; split them over several monitors"
        troubles.append(Trouble(Origin("discovery", "", "as a whole"), what))
    return sorted(kept.values(), key=lambda one: one.name), troubles


def by_precedence(candidates: Iterable[Candidate[Value]], owners: Mapping[str, Origin]) -> list[Candidate[Value]]:
    """Who goes before whom where not all can be used: who was used before, then the older origin, files before objects."""
    return sorted(candidates, key=lambda one: (owners.get(one.name) != one.origin, one.since, one.origin))


def _holder(one: Candidate[Value] | None) -> str:
    return str(one.origin) if one is not None else ""
