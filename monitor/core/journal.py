"""The rotation's memory, written before each effect outside: states, keys of ours, logins, and what went wrong.

Kept as JSON in a Secret of its own (or a 0600 file): it holds the pending token between minting and publishing.
The states and what a crash in each means: design.md, "Rotation that strands nobody".
"""

from __future__ import annotations

import enum
import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from monitor.core.budget import LoginBudget, not_after
from monitor.core.secret import Secret

VERSION = 1
MAX_OWNED = 50
# The longest back-off, and what the clocks of two replicas may differ without anybody being wrong.
LONGEST_WAIT = 6 * 3600.0
CLOCKS_DIFFER = 60.0


class State(enum.StrEnum):
    """Where a rotation stands. Written first, then done."""

    IDLE = "idle"
    INTENT = "intent"
    MINTED = "minted"
    VERIFIED = "verified"
    PUBLISHED = "published"
    ADOPTED = "adopted"
    GRACE = "grace"
    RETIRED = "retired"


class Purpose(enum.StrEnum):
    """Why a key is made: to replace the Secret's, or only to prove that it could be (fire drill)."""

    REPLACE = "replace"
    DRILL = "drill"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An id whose creation was lost: it may still appear on the account, and is deleted then."""

    id: str
    since: float


@dataclass(frozen=True, slots=True)
class Journal:
    """One target's rotation. Times are epoch seconds.

    key_id, token: the new key and, once minted, its token. old_id: the key that the Secret held when it began.
    owned: every id of ours that may be alive, so that nothing else is ever deleted.
    published: fingerprint of the token that we wrote last. reverts: how often another writer undid it.
    stood_down: why we leave the Secret to another writer ("" when we do not).
    current: the key that the Secret held when it was last in order. sweep_at: no unused key is deleted before this
    time: somebody may have read it from the Secret, or a late write may still put it there.
    retry_at: no new attempt before this time; failures: attempts in a row that failed.
    """

    state: State = State.IDLE
    purpose: Purpose = Purpose.REPLACE
    reason: str = ""
    key_id: str | None = None
    token: Secret | None = None
    old_id: str | None = None
    began_at: float = 0.0
    entered_at: float = 0.0
    verified_at: float = 0.0
    attempts: int = 0
    owned: tuple[str, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()
    published: str | None = None
    reverts: int = 0
    stood_down: str = ""
    current: str | None = None
    sweep_at: float = 0.0
    failures: int = 0
    retry_at: float = 0.0
    error: str = ""
    rotations: int = 0
    rotated_at: float | None = None
    drilled_at: float | None = None
    left_alone: str | None = None
    epoch: int = 0
    logins: LoginBudget = field(default_factory=LoginBudget)

    def entering(self, state: State, now: float, **changes: Any) -> Journal:
        """The journal on entry into `state`."""
        return replace(self, state=state, entered_at=now, attempts=0, **changes)

    def at_rest(self, now: float, **changes: Any) -> Journal:
        """Back to idle: nothing pending any more."""
        return self.entering(State.IDLE, now, key_id=None, token=None, old_id=None, **changes)

    def owning(self, key_id: str) -> Journal:
        """With `key_id` among the keys of ours."""
        return replace(self, owned=(*(id_ for id_ in self.owned if id_ != key_id), key_id)[-MAX_OWNED:])

    def without(self, key_id: str) -> Journal:
        """After `key_id` was seen to be gone."""
        return replace(
            self,
            owned=tuple(id_ for id_ in self.owned if id_ != key_id),
            tombstones=tuple(stone for stone in self.tombstones if stone.id != key_id),
        )

    def after_a_clock_jump(self, now: float) -> Journal:
        """With no time in the future: the clock was put back, and nothing may wait for a time that was wrong."""
        return replace(
            self,
            began_at=min(self.began_at, now),
            entered_at=min(self.entered_at, now),
            verified_at=self.verified_at if self.verified_at <= now else 0.0,
            sweep_at=min(self.sweep_at, now + LONGEST_WAIT),
            retry_at=min(self.retry_at, now + LONGEST_WAIT),
            rotated_at=_not_after(self.rotated_at, now),
            drilled_at=_not_after(self.drilled_at, now),
            tombstones=tuple(replace(stone, since=min(stone.since, now)) for stone in self.tombstones),
            logins=not_after(self.logins, now),
        )

    def is_ahead_of(self, now: float) -> bool:
        """Whether a time in it is further in the future than clocks of two replicas differ."""
        moments = [self.began_at, self.entered_at, self.verified_at, self.sweep_at - LONGEST_WAIT]
        moments += [self.retry_at - LONGEST_WAIT, self.rotated_at or 0.0, self.drilled_at or 0.0]
        moments += [*(stone.since for stone in self.tombstones), *self.logins.failures, self.logins.refused_at]
        return max(moments) > now + CLOCKS_DIFFER


def _not_after(moment: float | None, now: float) -> float | None:
    return None if moment is None else min(moment, now)


class JournalError(ValueError):
    """The journal cannot be read: written by a newer version, or damaged. Says what to do."""


def dump(journal: Journal) -> str:
    """JSON, with the pending token in clear: goes into a Secret or a 0600 file and nowhere else."""
    values = {f.name: getattr(journal, f.name) for f in fields(journal)}
    values["token"] = journal.token.reveal() if journal.token else None
    values["tombstones"] = [asdict(stone) for stone in journal.tombstones]
    values["logins"] = asdict(journal.logins)
    return json.dumps({"version": VERSION, **values}, sort_keys=True)


def load(text: str) -> Journal:
    """Reads what `dump` wrote; an empty text is a journal at rest. Raises JournalError."""
    if not text.strip():
        return Journal()
    try:
        values: dict[str, Any] = json.loads(text)
        if values.pop("version") != VERSION:
            raise JournalError("the journal was written by another version; use that version, or delete the journal")
        values["state"] = State(values["state"])
        values["purpose"] = Purpose(values["purpose"])
        values["token"] = Secret(values["token"]) if values.get("token") else None
        values["owned"] = tuple(str(id_) for id_ in values["owned"])
        values["tombstones"] = tuple(Tombstone(str(s["id"]), float(s["since"])) for s in values["tombstones"])
        logins = values["logins"]
        values["logins"] = LoginBudget(**{**logins, "failures": tuple(float(f) for f in logins["failures"])})
        journal = Journal(**values)
        if not _is_sound(journal):
            raise ValueError("a value of the wrong type")
        return journal
    except JournalError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # No `from`: the text may hold the pending token.
        raise JournalError(
            "the journal is damaged; look at the account's keys (ids tm-...), then delete the journal"
        ) from None


def _is_sound(journal: Journal) -> bool:
    """Whether every value has the type of its field: arithmetic on a text would end the rotation, not the reading."""
    numbers = [journal.began_at, journal.entered_at, journal.verified_at, journal.sweep_at, journal.retry_at]
    numbers += [journal.attempts, journal.reverts, journal.failures, journal.rotations, journal.epoch]
    numbers += [moment for moment in (journal.rotated_at, journal.drilled_at) if moment is not None]
    numbers += [journal.logins.refused_at, journal.logins.total, *journal.logins.failures]
    numbers += [stone.since for stone in journal.tombstones]
    texts: list[object] = [journal.reason, journal.stood_down, journal.error]
    maybe_texts = [journal.key_id, journal.old_id, journal.published, journal.current, journal.left_alone]
    texts += [text for text in (*maybe_texts, journal.logins.refused) if text is not None]
    return all(type(number) in (int, float) and math.isfinite(number) for number in numbers) and all(
        isinstance(text, str) for text in texts
    )
