"""The rotation's memory, written before each effect outside: states, keys of ours, logins, and what went wrong.

Kept as JSON in a Secret of its own (or a 0600 file): it holds the pending token between minting and publishing.
The states and what a crash in each means: design.md, "Rotation that strands nobody".

An older version may meet a field of a newer one. The default of each field means "nothing", so a field that it does not
know and that says nothing is passed over. With any other it goes no further: a field that is left out may be what spares a
key, and one that is kept would tell of a rotation that is long over.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from monitor.core.budget import LoginBudget, later, not_after
from monitor.core.model import Key
from monitor.core.secret import Secret

VERSION = 1
# How the ids of our keys begin. A key of another name is never among ours, whoever wrote the journal.
OUR_KEYS = "tm-"
MAX_OWNED = 50
MAX_NUMBER = 1e12
# The longest back-off, and what the clocks of two replicas may differ without anybody being wrong.
LONGEST_WAIT = 6 * 3600.0
# The longest pause where no attempt has failed, and between two tries of one step.
LONGEST_STEP = 120.0
# What the configuration allows for `grace` and `longestWait`.
LONGEST_GRACE = 30 * 86_400.0
CLOCKS_DIFFER = 60.0
# A word of a newer version that may be shown; so many of them.
_WORD = re.compile(r"[a-z_]{1,40}")
MAX_WORDS = 3


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
    """An id that may still appear on the account, and is deleted then: its creation was lost, or is only just over."""

    id: str
    since: float


@dataclass(frozen=True, slots=True)
class Journal:
    """One target's rotation. Times are epoch seconds.

    Of the rotation under way
    key_id, token: the new key and, once minted, its token. account: whose key it is.
    old_id: the key that the Secret held when it began, of old_account; old_live: whether Argo CD accepted it then.
    began_at, entered_at, published_at: the rotation, its present state, the last write of the Secret.
    verified_at: when a token was last proven. attempts: within this state. undone: writes of the Secret that were undone.
    not_restarted: why consumers could not be restarted. old_consumers: who still ran with the old key when they were
    last looked at, bounded; told_at: when it was told of them that the old key waits for them.

    Kept between rotations
    owned: every id of ours that may be alive, so that nothing else is ever deleted.
    tombstones: those of them that a list may leave out though they live, or will: see `Tombstone`.
    current: the key that the Secret held when it was last in order. replaced: the one before it, which a writer who
    undoes our write puts back. sweep_at: no unused key is deleted before this time: somebody may have read it from
    the Secret, or a late write may still put it there.
    reverts: how often in a row another writer undid our write, the last time at reverted_at.
    overtaken_at: when another writer last put a token that works in place of ours.
    vanished: how many keys of ours in a row somebody deleted in Argo CD not long after they had come into use.
    stood_down: why the Secret is left to another writer ("" when it is not).
    failures: attempts in a row that failed; retry_at: no new one before this time; error: the last reason.
    left_alone: a replaced key that is not ours, or no longer ours to delete, of account left_account.
    by, epoch: who wrote this last, and how often it was written. No two writes are ever the same.
    """

    state: State = State.IDLE
    purpose: Purpose = Purpose.REPLACE
    reason: str = ""
    key_id: str | None = None
    token: Secret | None = None
    account: str | None = None
    old_id: str | None = None
    old_account: str | None = None
    old_live: bool = False
    began_at: float = 0.0
    entered_at: float = 0.0
    published_at: float = 0.0
    verified_at: float = 0.0
    attempts: int = 0
    undone: int = 0
    not_restarted: str = ""
    old_consumers: tuple[str, ...] = ()
    told_at: float = 0.0
    owned: tuple[str, ...] = ()
    tombstones: tuple[Tombstone, ...] = ()
    current: str | None = None
    replaced: str | None = None
    sweep_at: float = 0.0
    reverts: int = 0
    reverted_at: float = 0.0
    overtaken_at: float = 0.0
    vanished: int = 0
    stood_down: str = ""
    failures: int = 0
    retry_at: float = 0.0
    error: str = ""
    rotations: int = 0
    rotated_at: float | None = None
    drilled_at: float | None = None
    left_alone: str | None = None
    left_account: str | None = None
    by: str = ""
    epoch: int = 0
    logins: LoginBudget = field(default_factory=LoginBudget)

    def entering(self, state: State, now: float, **changes: Any) -> Journal:
        """The journal on entry into `state`."""
        return replace(self, state=state, entered_at=now, attempts=0, **changes)

    def at_rest(self, now: float, **changes: Any) -> Journal:
        """Back to idle: nothing pending any more."""
        pending = {"key_id": None, "token": None, "old_id": None, "old_account": None, "old_live": False}
        consumers = {"not_restarted": "", "old_consumers": (), "told_at": 0.0, "undone": 0}
        return self.entering(State.IDLE, now, **{**pending, **consumers, **changes})

    def cleared(self) -> Journal:
        """Without failures: all is in order."""
        return replace(self, error="", failures=0, retry_at=0.0)

    @property
    def mark(self) -> str | None:
        """What tells pods that were made after the last write of the Secret from older ones, also after a crash.

        Another one for each write that was undone: pods that were made in between have the new key's id, and the old key.
        """
        return f"{self.key_id}.{self.undone}" if self.key_id and self.undone else self.key_id

    def owning(self, key_id: str) -> Journal:
        """With `key_id` among the keys of ours."""
        return replace(self, owned=(*(id_ for id_ in self.owned if id_ != key_id), key_id)[-MAX_OWNED:])

    def doubting(self, key_id: str, now: float) -> Journal:
        """With a tombstone for `key_id`: that it is not listed proves nothing for a while."""
        stones = (*(stone for stone in self.tombstones if stone.id != key_id), Tombstone(key_id, now))
        return replace(self, tombstones=stones)

    def without(self, key_id: str) -> Journal:
        """After `key_id` was seen to be gone."""
        return replace(
            self,
            owned=tuple(id_ for id_ in self.owned if id_ != key_id),
            tombstones=tuple(stone for stone in self.tombstones if stone.id != key_id),
        )

    def knows(self, key_id: str) -> bool:
        """Whether this id was used before, as far as is still known."""
        ids = (*self.owned, self.key_id, self.old_id, self.current, self.replaced, self.left_alone)
        return key_id in ids or any(stone.id == key_id for stone in self.tombstones)

    def after_a_clock_jump(self, now: float, spare: float = LONGEST_GRACE) -> Journal:
        """With no time in the future: the clock was put back, and nothing may wait for a time that was wrong.

        A pause is never longer from now on than it was from the entry into its state, and an unused key is spared for
        `spare` seconds from now on, the longest that the configuration asks for: with all three keys spared for as long
        as the clock was wrong, no new one could be made.
        """
        pause = min(max(0.0, self.retry_at - self.entered_at), self._longest_pause())
        return replace(
            self,
            began_at=min(self.began_at, now),
            entered_at=min(self.entered_at, now),
            published_at=min(self.published_at, now),
            verified_at=self.verified_at if self.verified_at <= now else 0.0,
            told_at=min(self.told_at, now),
            sweep_at=min(self.sweep_at, now + spare),
            retry_at=min(self.retry_at, now + pause),
            reverted_at=min(self.reverted_at, now),
            overtaken_at=min(self.overtaken_at, now),
            rotated_at=_not_after(self.rotated_at, now),
            drilled_at=_not_after(self.drilled_at, now),
            tombstones=tuple(replace(stone, since=min(stone.since, now)) for stone in self.tombstones),
            logins=not_after(self.logins, now),
        )

    def after_a_leap(self, seconds: float, now: float) -> Journal:
        """Moved along with a clock that was put forward by `seconds`: nothing that protects anybody is over by that.

        A new attempt may come early: it asks the budget, and the list, as any other does.
        """
        return replace(
            self,
            # A key is as young as it was: replicas of Argo CD had no more time to learn of it.
            began_at=min(self.began_at + seconds, now),
            entered_at=min(self.entered_at + seconds, now),
            told_at=min(self.told_at + seconds, now) if self.told_at else 0.0,
            sweep_at=min(self.sweep_at + seconds, now + LONGEST_GRACE) if self.sweep_at else 0.0,
            tombstones=tuple(replace(stone, since=min(stone.since + seconds, now)) for stone in self.tombstones),
            logins=later(self.logins, seconds, now),
        )

    def is_ahead_of(self, now: float, spare: float = LONGEST_GRACE) -> bool:
        """Whether a time in it is further in the future than clocks of two replicas differ.

        spare: the longest that an unused key is spared, in seconds.
        """
        moments = [self.began_at, self.entered_at, self.published_at, self.verified_at, self.told_at]
        moments += [self.sweep_at - spare, self.retry_at - self._longest_pause()]
        moments += [self.reverted_at, self.overtaken_at]
        moments += [self.rotated_at or 0.0, self.drilled_at or 0.0]
        moments += [*(stone.since for stone in self.tombstones), *self.logins.failures, self.logins.refused_at]
        return max(moments) > now + CLOCKS_DIFFER

    def _longest_pause(self) -> float:
        """How far ahead `retry_at` may be: hours only between rotations that failed, or while the list is not told."""
        backs_off = self.failures and self.state in (State.IDLE, State.INTENT)
        return LONGEST_WAIT if backs_off else LONGEST_STEP


def is_of_others(key: Key) -> bool:
    """Whether a person or another tool made this key, by its id."""
    return not key.id.startswith(OUR_KEYS)


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
        version = values.pop("version")
        if version != VERSION:
            raise JournalError(_of_another_version(version))
        values = _known(Journal, values)
        values["state"] = _member(State, values["state"])
        values["purpose"] = _member(Purpose, values["purpose"])
        values["token"] = _token(values["token"])
        values["owned"] = _tuple(values["owned"])
        values["old_consumers"] = _tuple(values["old_consumers"])
        values["tombstones"] = tuple(Tombstone(**_known(Tombstone, stone)) for stone in _tuple(values["tombstones"]))
        logins = _known(LoginBudget, values["logins"])
        values["logins"] = LoginBudget(**{**logins, "failures": _tuple(logins["failures"])})
        journal = Journal(**values)
        parts: list[Journal | LoginBudget | Tombstone] = [journal, journal.logins, *journal.tombstones]
        if not all(map(_is_sound, parts)):
            raise ValueError("a value of the wrong type")
        if not all(key_id.startswith(OUR_KEYS) for key_id in journal.owned):
            raise ValueError("a key that we did not make")
        return journal
    except JournalError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # No `from`: the text may hold the pending token.
        raise JournalError(
            "the journal is damaged, so nothing is rotated: look at the account's keys (`argocd account get`, ids"
            " tm-...), delete those that nobody uses, then delete the journal"
        ) from None


def _of_another_version(version: object) -> str:
    if isinstance(version, int) and version > VERSION:
        return _of_a_newer_version("")
    return "the journal was written by another version of the monitor: run that version again, or delete the journal"


def _of_a_newer_version(because: str) -> str:
    return (
        f"the journal was written by a newer version of the monitor{because}, so nothing is rotated: run that version again;"
        " or, to stay with this one, delete the keys that nobody uses (`argocd account get`, ids tm-...), then empty the"
        " journal"
    )


def _known(kind: type[Journal | LoginBudget | Tombstone], values: object) -> dict[str, Any]:
    """The values without those of a newer version that say nothing. Raises JournalError for one that says something."""
    if not isinstance(values, dict):
        raise TypeError("no object")
    names = {f.name for f in fields(kind)}
    newer = sorted(name for name, value in values.items() if name not in names and value)
    if newer:
        shown = [name if _WORD.fullmatch(name) else "another" for name in newer[:MAX_WORDS]]
        raise JournalError(_of_a_newer_version(f" (this one does not know: {', '.join(shown)})"))
    return {name: value for name, value in values.items() if name in names}


_Member = TypeVar("_Member", State, Purpose)


def _member(kind: type[_Member], value: object) -> _Member:
    if not isinstance(value, str):
        raise TypeError("no text")
    if _WORD.fullmatch(value) and value not in list(kind):
        raise JournalError(_of_a_newer_version(f" (this one does not know: {value})"))
    return kind(value)


def _tuple(value: object) -> tuple[Any, ...]:
    # A text would come apart into letters, and each of them would be a key of ours.
    if not isinstance(value, list):
        raise TypeError("no list")
    return tuple(value)


def _token(value: object) -> Secret | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise TypeError("no token")
    return Secret(value)


def _is_number(value: object) -> bool:
    # A bool is an int, and an int can be larger than any float.
    return type(value) in (int, float) and -MAX_NUMBER < value < MAX_NUMBER  # type: ignore[operator]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _anything(value: object) -> bool:
    return True  # made by a constructor that checks


_FITS: dict[str, Callable[[object], bool]] = {
    "float": _is_number,
    "int": lambda value: type(value) is int and _is_number(value),
    "bool": lambda value: isinstance(value, bool),
    "str": _is_text,
    "str | None": lambda value: value is None or _is_text(value),
    "float | None": lambda value: value is None or _is_number(value),
    "tuple[str, ...]": lambda value: isinstance(value, tuple) and all(map(_is_text, value)),
    "tuple[float, ...]": lambda value: isinstance(value, tuple) and all(map(_is_number, value)),
    "State": _anything,
    "Purpose": _anything,
    "Secret | None": _anything,
    "tuple[Tombstone, ...]": _anything,
    "LoginBudget": _anything,
}


def _is_sound(part: Journal | LoginBudget | Tombstone) -> bool:
    """Whether every value has the type of its field: arithmetic on a text would end the rotation, not the reading."""
    return all(_FITS[str(f.type)](getattr(part, f.name)) for f in fields(part))
