"""Situations of a rotation for the tests of the core, each made by one short call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from monitor.core.effects import Effect
from monitor.core.journal import Journal, Purpose, State
from monitor.core.policy import Policy
from monitor.core.rotation.machine import decide
from monitor.core.rotation.situation import Act, Situation, Wait
from monitor.core.secret import Secret
from monitor.core.status import Kind, Status

from tests.core.samples import DAY, NOW

NEW, OLD, FOREIGN = "tm-new", "tm-old", "by-hand"
NEW_TOKEN, OLD_TOKEN, FOREIGN_TOKEN = Secret("token of tm-new"), Secret("token of tm-old"), Secret("token by hand")
PASSWORD = "fingerprint-1"
BY_PASSWORD = Policy("ci", by_password=True)
BY_RENEWAL = Policy("ci", by_password=False)
MENDED = [status for status in Status if status.kind is Kind.REFUSED and status.facts.mended_by_minting]
NOT_MENDED = [status for status in Status if status.kind is Kind.REFUSED and not status.facts.mended_by_minting]
UNTOLD = [status for status in Status if status.kind is Kind.UNKNOWN]


def at_rest(**changes: Any) -> Journal:
    """A journal at rest, whose key the Secret holds."""
    values = {"account": "ci", "owned": (OLD,), "current": OLD, "entered_at": NOW - 10 * DAY, **changes}
    return Journal(**values)


def under_way(state: State, since: float = NOW, **changes: Any) -> Journal:
    """A rotation from tm-old to tm-new, in `state` since then."""
    values: dict[str, Any] = {
        "state": state,
        "purpose": Purpose.REPLACE,
        "reason": "a person asked for it",
        "key_id": NEW,
        "token": None if state is State.INTENT else NEW_TOKEN,
        "account": "ci",
        "old_id": OLD,
        "old_live": True,
        "old_account": "ci",
        "began_at": since,
        "entered_at": since,
        "owned": (OLD, NEW),
        "current": OLD,
    }
    if state in (State.PUBLISHED, State.ADOPTED, State.GRACE, State.RETIRED):
        values |= {"current": NEW, "replaced": OLD, "published_at": since}
    if state is not State.INTENT and state is not State.MINTED:
        values["verified_at"] = since
    return Journal(**{**values, **changes})


def situation(journal: Journal | None = None, status: Status | None = Status.VALID, **changes: Any) -> Situation:
    """The Secret holds what the journal would have it hold, and Argo CD says `status` of it."""
    journal = at_rest() if journal is None else journal
    published = journal.state in (State.PUBLISHED, State.ADOPTED, State.GRACE, State.RETIRED)
    values: dict[str, Any] = {
        "now": NOW,
        "journal": journal,
        "policy": BY_PASSWORD,
        "token": NEW_TOKEN if published else OLD_TOKEN,
        "token_id": NEW if published else OLD,
        "version": "7",
        "status": status,
        "nonce": "fresh",
        "account": "ci",
        "password": PASSWORD,
    }
    if status is Status.MISSING:
        values |= {"token": None, "token_id": None}
    return Situation(**{**values, **changes})


def holding_foreign(s: Situation, status: Status | None = Status.VALID, **changes: Any) -> Situation:
    """The same, but somebody else put another token into the Secret."""
    return replace(s, token=FOREIGN_TOKEN, token_id=FOREIGN, status=status, **changes)


def act(s: Situation) -> Act:
    step = decide(s)
    assert isinstance(step, Act), step
    return step


def effect(s: Situation) -> Effect | None:
    return act(s).effect


def wait(s: Situation) -> Wait:
    step = decide(s)
    assert isinstance(step, Wait), step
    return step
