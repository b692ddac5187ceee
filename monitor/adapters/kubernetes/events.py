"""Kubernetes Events about the consumers' Secret, as an `Announcer`: `kubectl events --for secret/argocd-token`.

The same thing told again within ten minutes becomes a series of one Event (its count goes up, seldom enough); each
target has so many new Events an hour, and what exceeds that is only counted. Events are for people: nothing waits for
them, nothing depends on them, and a missing permission is told once.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from monitor.adapters.kubernetes.calls import AS_OURSELVES, denied, is_absent, is_refusal, mapping, namespace_of, odd
from monitor.cluster import MERGE_PATCH, Answer, KubernetesApi, NoAnswer
from monitor.core.announcement import Announcement, Reason
from monitor.core.text import printable
from monitor.ports import Clock

log = structlog.get_logger(__name__)

CONTROLLER = "tokenmonitor.io/token-monitor"
TARGET = "tokenmonitor.io/target"
GROUP = "/apis/events.k8s.io/v1"
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
# Seconds: for one announcement with all its calls.
DEADLINE = 5.0
SERIES_LASTS = 600.0
# A series is written this often at most; what happens in between is in the next count.
SERIES_PAUSE = 60.0
HOUR = 3600.0
EVENTS_AN_HOUR = 20
MAX_SERIES = 200
# The API is left alone for this long after it refused, and after it failed otherwise.
QUIET_REFUSED = 600.0
QUIET_FAILED = 30.0
# Limits of events.k8s.io/v1, in bytes.
MAX_NOTE = 1024
MAX_INSTANCE = 128
MAX_NAME = 200
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")

# What was being done: `action` of the Event.
BY_A_CHECK = (Reason.TOKEN_REFUSED, Reason.TOKEN_ACCEPTED)


@dataclass(slots=True)
class _Series:
    """One Event of ours, and how often it happened. Times are monotonic seconds."""

    name: str
    count: int
    seen_at: float
    written_at: float


@dataclass(slots=True)
class _Rate:
    """When a target's new Events of the last hour were made, and how many were not."""

    made: deque[float] = field(default_factory=deque)
    left_out: int = 0


class KubernetesAnnouncer:
    """Events regarding Secret `secret_name`. namespace None: the connection's own."""

    def __init__(
        self,
        api: KubernetesApi,
        namespace: str | None,
        secret_name: str,
        clock: Clock,
        *,
        instance: str | None = None,
        token_hex: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._secret = secret_name
        self._clock = clock
        self._token_hex = token_hex
        self._instance = _in_bytes(printable(instance or socket.gethostname() or "unknown", 100), MAX_INSTANCE)
        self._series: dict[Announcement, _Series] = {}
        self._rates: dict[str, _Rate] = {}
        self._one_at_a_time = asyncio.Lock()
        self._quiet_until = float("-inf")
        self._told: str | None = None

    async def announce(self, announcement: Announcement) -> None:
        """Makes or continues an Event. Never raises for what the API does, never takes longer than 5 s."""
        try:
            async with asyncio.timeout(DEADLINE), self._one_at_a_time:
                await self._announce(announcement, self._clock.monotonic())
        except TimeoutError:
            self._failed(f"the Kubernetes API did not answer within {DEADLINE:g} s", QUIET_FAILED)

    def left_out(self, target: str) -> int:
        """How many announcements of a target made no Event, since it had too many in an hour."""
        rate = self._rates.get(target)
        return rate.left_out if rate is not None else 0

    async def _announce(self, announcement: Announcement, now: float) -> None:
        self._forget(now)
        series = self._series.get(announcement)
        if series is not None:
            series.count += 1
            series.seen_at = now
        if now < self._quiet_until:
            return
        namespace = await namespace_of(self._api, self._namespace)
        if isinstance(namespace, NoAnswer):
            self._failed(namespace.why, QUIET_FAILED)
            return
        if series is not None:
            if now - series.written_at < SERIES_PAUSE or await self._continue(series, namespace, now):
                return
            del self._series[announcement]  # the Event is gone (an hour after its last change): a new one
        if self._may_make(announcement.target, now):
            await self._make(announcement, namespace, now)

    async def _make(self, announcement: Announcement, namespace: str, now: float) -> None:
        event = self._event(announcement, namespace, await self._uid(namespace))
        path = f"{GROUP}/namespaces/{namespace}/events"
        answer = await self._api.request("POST", path, query=AS_OURSELVES, body=event, deadline=DEADLINE)
        if self._worked(answer, "create"):
            self._series[announcement] = _Series(event["metadata"]["name"], 1, now, now)

    async def _continue(self, series: _Series, namespace: str, now: float) -> bool:
        """Writes the count of a series. Returns False when its Event is gone."""
        patch = {"series": {"count": series.count, "lastObservedTime": self._time()}}
        path = f"{GROUP}/namespaces/{namespace}/events/{series.name}"
        answer = await self._api.request(
            "PATCH", path, query=AS_OURSELVES, body=patch, content_type=MERGE_PATCH, deadline=DEADLINE
        )
        if isinstance(answer, Answer) and is_absent(answer):
            return False
        if self._worked(answer, "patch"):
            series.written_at = now
        return True

    async def _uid(self, namespace: str) -> str | None:
        """The Secret's uid, without its content; None where it is not known. A Secret made again has another."""
        path = f"/api/v1/namespaces/{namespace}/secrets/{self._secret}"
        answer = await self._api.request("GET", path, accept=METADATA_ONLY, deadline=DEADLINE)
        uid = mapping(answer.body.get("metadata")).get("uid") if isinstance(answer, Answer) else None
        return str(uid) if uid else None

    def _event(self, announcement: Announcement, namespace: str, uid: str | None) -> dict[str, Any]:
        # The time and randomness: two replicas, or two Events within a microsecond, never take the same name.
        name = f"{self._secret[:MAX_NAME].rstrip('-.')}.{int(self._clock.now() * 1e6):x}{self._token_hex(3)}"
        regarding = {"apiVersion": "v1", "kind": "Secret", "name": self._secret, "namespace": namespace}
        labels = {TARGET: announcement.target} if _LABEL.fullmatch(announcement.target) else {}
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "eventTime": self._time(),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "action": "Check" if announcement.reason in BY_A_CHECK else "Rotate",
            "reason": announcement.reason.value,
            "regarding": {**regarding, "uid": uid} if uid else regarding,
            "note": _in_bytes(printable(f"{announcement.target}: {announcement.note}", MAX_NOTE), MAX_NOTE),
            "type": "Warning" if announcement.reason.warns else "Normal",
        }

    def _may_make(self, target: str, now: float) -> bool:
        if target not in self._rates and len(self._rates) >= MAX_SERIES:
            self._rates.pop(next(iter(self._rates)))
        rate = self._rates.setdefault(target, _Rate())
        while rate.made and now - rate.made[0] >= HOUR:
            rate.made.popleft()
        if len(rate.made) >= EVENTS_AN_HOUR:
            rate.left_out += 1
            return False
        rate.made.append(now)
        return True

    def _forget(self, now: float) -> None:
        """Ends what was not seen for ten minutes, and the oldest where there are too many."""
        self._series = {a: s for a, s in self._series.items() if now - s.seen_at < SERIES_LASTS}
        while len(self._series) >= MAX_SERIES:
            self._series.pop(next(iter(self._series)))

    def _worked(self, answer: Answer | NoAnswer, verb: str) -> bool:
        if isinstance(answer, NoAnswer):
            self._failed(answer.why, QUIET_FAILED)
            return False
        if answer.status in (200, 201):
            self._told = None
            return True
        if answer.status in (401, 403):
            self._failed(denied(answer, verb, "events.events.k8s.io", []), QUIET_REFUSED)
        else:
            self._failed(odd(answer), QUIET_REFUSED if is_refusal(answer) else QUIET_FAILED)
        return False

    def _failed(self, why: str, quiet: float) -> None:
        """Told once; then the API is left alone for `quiet` seconds."""
        self._quiet_until = self._clock.monotonic() + quiet
        if self._told != why:
            self._told = why
            log.warning("no Kubernetes Events are written", secret=self._secret, why=why)

    def _time(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _in_bytes(text: str, limit: int) -> str:
    """`text` cut to `limit` bytes of UTF-8, between characters."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
