"""What is told beside the consumers' Secret, as a closed list. Kubernetes Events are made from it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from monitor.core.journal import Journal, State
from monitor.core.model import Verdict
from monitor.core.report import rfc3339
from monitor.core.rotation.endings import delete_command
from monitor.core.status import Kind, Status
from monitor.core.text import printable

# A note of a Kubernetes Event has 1 kB.
MAX_NOTE = 700


class Reason(enum.StrEnum):
    """Why an announcement is made: the `reason` of a Kubernetes Event (a contract: add, never rename)."""

    TOKEN_REFUSED = "TokenRefused"
    TOKEN_ACCEPTED = "TokenAccepted"
    TOKEN_ROTATED = "TokenRotated"
    ROTATION_FAILED = "RotationFailed"
    STOOD_DOWN = "StoodDown"
    OLD_KEY_IN_USE = "OldKeyInUse"

    @property
    def warns(self) -> bool:
        """Whether it is an Event of type Warning (else Normal)."""
        return self not in (Reason.TOKEN_ACCEPTED, Reason.TOKEN_ROTATED)


@dataclass(frozen=True, slots=True)
class Announcement:
    """One thing that happened to a target's token. note: for people, bounded, without any token."""

    target: str
    reason: Reason
    note: str


def of_change(target: str, before: Status, verdict: Verdict) -> Announcement | None:
    """What is announced when a target's status changes: a refusal, and that it is over. "Cannot tell" is for alerts."""
    refused = verdict.status.kind is Kind.REFUSED
    if refused and verdict.status is not before:
        return Announcement(target, Reason.TOKEN_REFUSED, f"{verdict.status}: {verdict.cause}. {verdict.remedy}")
    if before.kind is Kind.REFUSED and verdict.accepted is True:
        return Announcement(target, Reason.TOKEN_ACCEPTED, f"accepted again as account {verdict.account}")
    return None


def announcements(before: Journal, after: Journal, target: str) -> tuple[Announcement, ...]:
    """What a write of the journal is worth telling: published, left alone, failed, stood down, still in use, overtaken."""
    notes = ((reason, rule(before, after)) for reason, rule in _RULES)
    return tuple(Announcement(target, reason, printable(note, MAX_NOTE)) for reason, note in notes if note)


def _published(before: Journal, after: Journal) -> str:
    if after.state is not State.PUBLISHED or before.state is State.PUBLISHED:
        return ""
    replaced = f" in place of {after.old_id}" if after.old_id else ""
    return f"the new key {after.key_id} is published{replaced} ({after.reason}); the old one lives on for a while"


def _left_alone(before: Journal, after: Journal) -> str:
    if after.left_alone is None or after.left_alone == before.left_alone:
        return ""
    command = delete_command(after.left_account, after.left_alone)
    return f"the replaced key {after.left_alone} is not the monitor's to delete and lives on: delete it with {command}"


def _failed(before: Journal, after: Journal) -> str:
    if after.failures <= before.failures or after.stood_down:
        return ""
    times = f" ({after.failures} times in a row)" if after.failures > 1 else ""
    return f"no new key is in use{times}: {after.error}"


def _stood_down(before: Journal, after: Journal) -> str:
    return after.stood_down if after.stood_down and not before.stood_down else ""


def _still_in_use(before: Journal, after: Journal) -> str:
    names = ", ".join(before.old_consumers)
    if after.state is State.RETIRED and before.state is State.GRACE and after.old_consumers:
        return f"the longest wait is over and the old key is deleted now, though these still run with it: {names}"
    if not after.told_at or before.told_at:
        return ""
    names = ", ".join(after.old_consumers)
    return f"restart these before the longest wait is over, or they lose the old key that they still run with: {names}"


def _overtaken(before: Journal, after: Journal) -> str:
    """Another writer's token took the place of a key of ours that consumers may have read."""
    key = before.current
    if key is None or key not in after.owned or after.state is not State.IDLE or after.current == key:
        return ""
    until = rfc3339(after.sweep_at) if after.sweep_at > before.sweep_at else "the next look"
    return f"another token took the place of the key {key}, which is deleted after {until}: restart what still runs with it"


_RULES = (
    (Reason.TOKEN_ROTATED, _published),
    (Reason.TOKEN_ROTATED, _left_alone),
    (Reason.ROTATION_FAILED, _failed),
    (Reason.STOOD_DOWN, _stood_down),
    (Reason.OLD_KEY_IN_USE, _still_in_use),
    (Reason.OLD_KEY_IN_USE, _overtaken),
)
