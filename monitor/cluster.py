"""What the Kubernetes adapters need of an API server, as one small protocol over plain HTTP verbs and JSON.

`KubernetesConnection` is the real one; the simulator has one without sockets (`monitor.simulator.kubernetes`), so
that stores, reflector, lease and events run the same on both. No call raises for what the API or the network does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from monitor.core.text import printable
from monitor.ports import Clock

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API: HTTP status and its JSON object (empty where there was none). Never shown: it may hold a Secret."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def message(self) -> str:
        """What the API says, for people; "" for a 422, whose words quote what was sent: a whole Secret, for a patch."""
        return "" if self.status == 422 else printable(str(self.body.get("message", "")), 200)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer, and why. sent: whether the request may have reached the API. too_large: less would have come through."""

    why: str
    sent: bool = True
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, and its object (of ERROR: a Status)."""

    type: str
    object: Mapping[str, Any] = field(repr=False)


class KubernetesApi(Protocol):
    """One API server, as one service account (or user) sees it."""

    @property
    def namespace(self) -> str:
        """The namespace of the pod or the context; right only after `ready`."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock that deadlines go by."""
        ...

    async def ready(self) -> str | None:
        """Finds the configuration. Returns why that failed, None when it did not."""
        ...

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        deadline: float | None = None,
    ) -> Answer | NoAnswer:
        """One call. deadline: seconds, the connection's own by default. content_type: of a body; patches have their own."""
        ...

    def watch(
        self, path: str, *, query: Mapping[str, str], silence: float, accept: str = "application/json"
    ) -> AsyncIterator[Event | Answer | NoAnswer]:
        """The events of a watch (the query gets `watch=true`), until it ends.

        The last item is an `Answer` where the API refused it (HTTP status other than 200), a `NoAnswer` where it broke or
        nothing at all was heard for `silence` seconds; no such item where the server ended it in good order.
        """
        ...
