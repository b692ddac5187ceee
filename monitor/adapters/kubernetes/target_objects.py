"""Targets in labelled ConfigMaps and Secrets: one reflector a namespace and kind, that keeps the one key it needs.

A list by label cannot be limited to names, so it takes the right to list and watch all ConfigMaps (or Secrets) of the
namespace. Objects without the label never come here.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from monitor.adapters.kubernetes.following import Following, spread
from monitor.adapters.kubernetes.reflector import Key, Reflector
from monitor.cluster import Answer, KubernetesApi
from monitor.core.discovery import KEYS, LABEL, MAX_BYTES, MAX_FOUND, ON, SELECTOR, Found, Origin
from monitor.core.secret import Secret
from monitor.core.text import printable
from monitor.core.watching import DENIED

PLURALS = {"ConfigMap": "configmaps", "Secret": "secrets"}
# Out of touch for longer than any usual restart of an API server: then it is told.
PATIENCE = 120.0


class Room:
    """How many objects may be kept, over all places."""

    __slots__ = ("_left",)

    def __init__(self, objects: int = MAX_FOUND) -> None:
        self._left = objects

    def take(self) -> bool:
        """For one more object; whether there was room."""
        if self._left <= 0:
            return False
        self._left -= 1
        return True

    def give_back(self, objects: int) -> None:
        """So many are kept no longer."""
        self._left += objects


class TargetObjects:
    """The labelled objects of one kind in one namespace, between `start` and `close`. chance: 0 to 1, the jitter."""

    def __init__(self, api: KubernetesApi, kind: str, namespace: str, room: Room, chance: Callable[[], float]) -> None:
        self._api = api
        self._kind = kind
        self._namespace = namespace
        self._room = room
        self._chance = chance
        self._reflector: Reflector[Found] | None = None
        self._known: Mapping[Key, Found] = {}
        self._kept: set[str] = set()
        self._following = Following(api, self._begun, self._ended, kind=f"{PLURALS[kind]} in", name=namespace)
        self._well_at = 0.0
        self._refusal = ""
        self._left_out = self._left_out_now = False
        self._problem = ""
        self.version = 0
        # Set once the place was seen as a whole, or cannot be looked at.
        self.looked = asyncio.Event()

    @property
    def origin(self) -> Origin:
        """The place as a whole."""
        return Origin(f"{self._kind}s", self._namespace, "*")

    @property
    def problem(self) -> str:
        """What keeps it from being looked at, or from being seen whole; "" when nothing does."""
        return self._problem

    def found(self) -> Iterable[Found]:
        """The objects, as they were last seen."""
        return self._known.values()

    async def look(self) -> None:
        """Sees whether the watch works; objects come by themselves."""
        problem = self._present_problem()
        if problem != self._problem:
            self._problem = problem
            self.version += 1

    def start(self, together: int = 1) -> None:
        """Begins to look. together: how many places begin at the same time."""
        pause = spread(self._chance(), together)
        self._well_at = self._api.clock.monotonic() + pause
        self._following.begin(pause)

    async def close(self) -> None:
        """Ends; waits for what ran."""
        task = self._following.end()
        if task is not None:
            await asyncio.wait([task])

    def _present_problem(self) -> str:
        if self._refusal:
            return self._refusal
        if self._following.why:
            return f"cannot be looked for: {self._following.why}"
        now = self._api.clock.monotonic()
        if self._reflector is not None and self._reflector.in_touch(now):
            self._well_at = now
        if now - self._well_at > PATIENCE:
            return (
                "cannot be seen at present, and what was found before goes on; look at the way to the Kubernetes API,"
                " and for objects of megabytes with the label"
            )
        if self._left_out or self._left_out_now:
            return "are more, with the label, than are looked at; split them over several monitors"
        return ""

    def _begun(self) -> Reflector[Found]:
        self._reflector = Reflector(
            self._api,
            f"/api/v1/namespaces/{self._namespace}/{PLURALS[self._kind]}",
            self._keep,
            self._chance,
            label_selector=SELECTOR,
            on_change=self._changed,
            on_list=self._listed,
            on_refused=self._refused,
        )
        return self._reflector

    def _ended(self) -> None:
        self._reflector = None
        if self._following.why:
            self.looked.set()

    def _keep(self, found: Mapping[str, Any]) -> Found | None:
        name = str(found["metadata"].get("name", ""))
        if name not in self._kept:
            if not self._room.take():
                self._left_out_now = True
                return None
            self._kept.add(name)
        return _found(found, Origin(self._kind, self._namespace, name))

    def _changed(self, key: Key) -> None:
        if self._reflector is None:
            return
        self._known = self._reflector.known
        if key not in self._known and key.name in self._kept:
            self._kept.remove(key.name)
            self._room.give_back(1)
        self.version += 1

    def _listed(self) -> None:
        if self._reflector is None:
            return
        self._refusal = ""
        self._known = self._reflector.known
        here = {key.name for key in self._known}
        self._room.give_back(len(self._kept - here))
        self._kept = here
        self._left_out, self._left_out_now = self._left_out_now, False
        self.looked.set()

    def _refused(self, answer: Answer) -> None:
        if answer.status not in DENIED:
            return
        plural = PLURALS[self._kind]
        self._refusal = (
            f"may not be looked for ({printable(answer.message or f'HTTP {answer.status}', 200)}); allow list and watch"
            f" on {plural} in namespace {self._namespace}, which cannot be limited to names"
        )
        self.looked.set()


def _found(object_: Mapping[str, Any], origin: Origin) -> Found:
    metadata = object_["metadata"]
    labels, since = metadata.get("labels"), metadata.get("creationTimestamp")
    label = str(labels.get(LABEL, "")) if isinstance(labels, Mapping) else ""
    binding = label not in ("", ON)
    text, problem = _text(object_.get("data"), origin.kind)
    return Found(
        origin,
        text,
        problem,
        name=label if binding else origin.name,
        binding=binding,
        since=since if isinstance(since, str) else "",
    )


def _text(data: object, kind: str) -> tuple[Secret | None, str]:
    given = [key for key in KEYS if isinstance(data, Mapping) and key in data]
    if not isinstance(data, Mapping) or not given:
        return None, f"has no key {KEYS[0]}; write one target below it, or take the label away"
    if len(given) > 1:
        return None, f"has both keys {' and '.join(KEYS)}; keep one"
    raw = str(data[given[0]])
    if len(raw) > MAX_BYTES * (4 / 3 if kind == "Secret" else 1) + 4:
        return None, f"its key {given[0]} has more than {MAX_BYTES} bytes; write one target and nothing else"
    if kind == "Secret":
        try:
            raw = base64.b64decode(raw, validate=True).decode()
        except ValueError:  # of both; its text would quote what is there
            return None, f"its key {given[0]} is not text in UTF-8; write one target in YAML"
    if len(raw.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        return None, f"its key {given[0]} has more than {MAX_BYTES} bytes; write one target and nothing else"
    return Secret(raw), ""
