"""What a rotation would do, step by step: the machine itself, run on paper with every effect going well.

Used by `token-monitor rotate --dry-run`; nothing is asked or changed. Times are epoch seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitor.core.effects import (
    Access,
    Consumers,
    Delete,
    Done,
    Effect,
    Listed,
    ListKeys,
    LookAtConsumers,
    Mint,
    Minted,
    Outcome,
    Prove,
    Publish,
    RestartConsumers,
)
from monitor.core.journal import State
from monitor.core.model import Key
from monitor.core.moments import span
from monitor.core.rotation.endings import delete_command
from monitor.core.rotation.learning import learn
from monitor.core.rotation.machine import decide
from monitor.core.rotation.situation import Act, Situation, Wait
from monitor.core.secret import Secret
from monitor.core.status import Status

MAX_STEPS = 60
# Stands for the token that would be minted; never shown.
PAPER_TOKEN = Secret("the token of a plan")


@dataclass(frozen=True, slots=True)
class Planned:
    """One line of a plan: when, in which state of the journal, and what in words."""

    at: float
    state: State
    words: str


def plan(situation: Situation) -> tuple[Planned, ...]:
    """The steps from here to rest. Ends with a line that says why, where nothing would be done."""
    planned: list[Planned] = []
    s = situation
    for _ in range(MAX_STEPS):
        step = decide(s)
        if isinstance(step, Act):
            s = _after(s, step, planned)
            continue
        resting = s.journal.state is State.IDLE
        if resting and planned and not step.why:
            break
        _add(planned, s, step.why or (_nothing(s) if resting else _waiting(step)))
        if resting or step.until <= s.now:
            break
        s = replace(s, now=step.until, keys=None)
    if planned and s.journal.left_alone is not None:
        command = delete_command(s.journal.left_account, s.journal.left_alone)
        _add(planned, s, f"the old key {s.journal.left_alone} is not ours and lives on: delete it with {command}")
    return tuple(planned)


def _after(s: Situation, step: Act, planned: list[Planned]) -> Situation:
    journal = step.journal
    if step.effect is None:
        resting = journal.state is State.IDLE
        return replace(
            s, journal=journal, keys=None, leap=0.0, demanded=s.demanded and resting and not s.journal.key_id
        )
    _add(planned, replace(s, journal=journal), _words(step.effect))
    outcome = _ideal(step.effect, s)
    learned = learn(journal, step.effect, outcome, s.now, logged_in=True)
    keys = outcome.keys if isinstance(outcome, Listed) else None
    demanded = s.demanded and learned.state is State.IDLE
    after = replace(s, journal=learned, keys=keys, demanded=demanded)
    if isinstance(step.effect, Publish):
        token, key_id = step.effect.token, learned.key_id
        return replace(after, token=token, token_id=key_id, status=Status.VALID, expires_at=None, version="new")
    return after


def _add(planned: list[Planned], s: Situation, words: str) -> None:
    if not planned or planned[-1].words != words:
        planned.append(Planned(s.now, s.journal.state, words))


def _ideal(effect: Effect, s: Situation) -> Outcome:
    match effect:
        case Mint():
            return Minted(PAPER_TOKEN)
        case ListKeys():
            return Listed(tuple(Key(id_) for id_ in s.journal.owned if id_ != s.journal.key_id))
        case LookAtConsumers():
            return Consumers(())
        case _:
            return Done()


def _words(effect: Effect) -> str:
    match effect:
        case Mint(account, _, expires_in, access):
            ends = f"expiring in {span(expires_in)}" if expires_in else "never expiring"
            return f"make a key of account {account} ({ends}), by {_by(access)}"
        case ListKeys(account, access):
            return f"list the keys of account {account}, by {_by(access)}"
        case Delete(_, key_id, access):
            return f"delete the key {key_id}, by {_by(access)}, and see it gone"
        case Prove():
            return "prove the token: accepted as the right account on fresh connections, the control refused"
        case Publish():
            return "write the new token where the consumers read it (compare-and-swap), and read it back"
        case RestartConsumers():
            return "restart the consumers that read the token only at start"
        case LookAtConsumers(_, _, decides):
            return "see that the consumers' pods run with the new key" if decides else "see who runs with the old key"


def _waiting(step: Wait) -> str:
    del step
    return "wait: the old key lives on for those who still use it"


def _nothing(s: Situation) -> str:
    return f"nothing: the token is {s.status}"


def _by(access: Access) -> str:
    return "the live key" if access is Access.LIVE_KEY else "a login with the password"
