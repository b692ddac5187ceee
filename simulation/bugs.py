"""Deliberate bugs, each a small change of the real code while it runs: the simulation must find every one of them.

A bug is what a developer might do: leave out a step, trust an answer, forget a rule. The patches go where the code looks
the thing up, so that the rest of the service runs as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import structlog
from monitor.adapters.argocd.keys import ArgoCDKeys
from monitor.adapters.kubernetes import endpoint_watch, reflector
from monitor.adapters.kubernetes.endpoint_watch import EndpointWatch, Place
from monitor.adapters.kubernetes.reflector import Reflector
from monitor.adapters.kubernetes.secret_object import Present, SecretObject
from monitor.core import policy, replicas, tracking
from monitor.core.budget import LoginBudget, charge
from monitor.core.classify import classify
from monitor.core.effects import Access, Delete, Minted, Refused, Unknown
from monitor.core.endpoint_slices import Behind, Replica
from monitor.core.journal import Journal, State, dump
from monitor.core.model import Expectation, Observation, Verdict
from monitor.core.policy import Why
from monitor.core.rotation import access, machine, rest
from monitor.core.rotation.situation import Act, Situation, Step
from monitor.core.status import Kind, Status
from monitor.services import account_access, checker, rotator
from monitor.services.argocd_changes import ArgoCDChanges
from monitor.services.rotation_facts import RotationFacts
from monitor.services.rotator import Rotator

log = structlog.get_logger(__name__)
Patch = Callable[[ExitStack], None]


@dataclass(frozen=True, slots=True)
class Bug:
    """One bug, and the seeds among which it is found."""

    about: str
    patch: Patch
    seeds: range = range(30)

    @contextmanager
    def let_in(self) -> Iterator[None]:
        """While this lasts, the monitor has the bug."""
        with ExitStack() as stack:
            self.patch(stack)
            yield


def _set(place: object, name: str, value: object) -> Patch:
    def patch(stack: ExitStack) -> None:
        stack.enter_context(mock.patch.object(place, name, value))

    return patch


def _state(state: State, step: Callable[[Situation], Step]) -> Patch:
    def patch(stack: ExitStack) -> None:
        stack.enter_context(mock.patch.dict(machine.STATES, {state: step}))

    return patch


def _all(*patches: Patch) -> Patch:
    def patch(stack: ExitStack) -> None:
        for each in patches:
            each(stack)

    return patch


# --- the journal ---------------------------------------------------------------------------------------------------------

_write = Rotator._write
_act = Rotator._act
_init = RotationFacts.__init__
_over = SecretObject.write
_mint = ArgoCDKeys.mint
_look = EndpointWatch.look


async def _write_late(self: Rotator, journal: Journal, version: str | None) -> tuple[Journal, str] | None:
    if journal.state is State.INTENT:
        self.journal = journal
        return journal, version or ""
    return await _write(self, journal, version)


async def _write_over(self: SecretObject, values: Any, version: str | None, labels: Any = None) -> Any:
    found = await self.read()
    return await _over(self, values, found.version if isinstance(found, Present) else None, labels)


def _forget_logins(journal: Journal) -> str:
    return dump(replace(journal, logins=LoginBudget()))


async def _tell_the_token(self: Rotator, step: Act, version: str | None, gathered: Any) -> Any:
    if step.journal.token is not None:
        log.debug("about to act", token=step.journal.token.reveal())
    return await _act(self, step, version, gathered)


# --- keys ----------------------------------------------------------------------------------------------------------------


def _one_id(self: RotationFacts, *given: Any, **named: Any) -> None:
    _init(self, *given, **named)
    self._nonces = lambda: "the0same0id"


async def _mint_or_fail(self: ArgoCDKeys, *given: Any) -> Minted | Refused | Unknown:
    outcome = await _mint(self, *given)
    return Refused(outcome.why) if isinstance(outcome, Unknown) else outcome


async def _mint_until_it_works(self: ArgoCDKeys, *given: Any) -> Minted | Refused | Unknown:
    outcome = await _mint(self, *given)
    return await _mint(self, *given) if isinstance(outcome, Unknown) else outcome


def _retire_at_once(s: Situation) -> Step:
    return Act(s.journal.entering(State.RETIRED, s.now, retry_at=0.0))


def _grace_alone(s: Situation) -> Step:
    return machine._grace(replace(s, policy=replace(s.policy, watch_consumers=False, grace=1.0)))


def _sweep_everything(s: Situation) -> Step | None:
    for key in s.keys or ():
        if key.id not in (s.token_id, s.journal.current):
            return Act(s.journal, Delete(s.journal.account or "", key.id, Access.LIVE_KEY))
    return None


def _no_doubt(self: Journal, key_id: str, now: float) -> Journal:
    del now
    return self.without(key_id)


def _delete_and_forget(s: Situation) -> Step:
    """After a crash between minting and noting it: take it for not made, without a look at the account's list."""
    return Act(s.journal.without(s.journal.key_id or "").at_rest(s.now))


# --- verdicts ------------------------------------------------------------------------------------------------------------


def _fault_is_refusal(*given: Any) -> Verdict:
    verdict = classify(*given)
    return replace(verdict, status=Status.REVOKED) if verdict.status.kind is Kind.UNKNOWN else verdict


def _http_200_is_valid(*given: Any) -> Verdict:
    verdict = classify(*given)
    return replace(verdict, status=Status.VALID) if verdict.status.kind is Kind.REFUSED else verdict


def _by_our_clock(seen: Observation, expected: Expectation, now: float) -> Verdict:
    verdict = classify(seen, expected, now)
    ends = seen.claims.expires_at
    return replace(verdict, status=Status.EXPIRED) if ends is not None and ends < now else verdict


def _always_refused(why: Why) -> str | None:
    refused = why.status is not None and why.status.kind is Kind.REFUSED
    return "the token is refused" if refused and why.policy.by_password else None


# --- the replicas of Argo CD ---------------------------------------------------------------------------------------------


def _once_known(self: EndpointWatch, place: Place, scheme: str, port: int) -> Behind:
    known: set[Replica] = self.__dict__.setdefault("once_known", set())
    known.update(_look(self, place, scheme, port).replicas)
    found = sorted(known, key=lambda replica: (replica.name, replica.address))
    return Behind(tuple(found), len(found))


BUGS: dict[str, Bug] = {
    "ask addresses that are gone": Bug(
        "a pod that was once behind the Service is asked for ever", _set(EndpointWatch, "look", _once_known)
    ),
    "trust old addresses": Bug(
        "pods are asked however long nothing was heard of them",
        _set(endpoint_watch, "TRUSTED", 1e9),
    ),
    "sleep through changes": Bug(
        "what changes inside Argo CD leads to no look at the token",
        _set(ArgoCDChanges, "changed", lambda self, namespace, full: None),
        range(40, 70),
    ),
    "wait for a split without end": Bug(
        "replicas that disagree are no refusal, ever", _set(replicas, "STAYS", 1e9), range(90, 120)
    ),
    "a split is a refusal": Bug("one replica that is behind is told at once", _set(replicas, "STAYS", 0.0)),
    "make keys for any cause": Bug(
        "a disabled account gets new keys, too",
        _all(
            _set(
                policy, "REASONS", tuple(_always_refused if each is policy.refused else each for each in policy.REASONS)
            ),
            _set(Situation, "mendable", property(lambda s: s.refused)),
        ),
        range(30, 60),
    ),
    "trust a silent watch": Bug(
        "a watch that hears nothing is never given up",
        _all(
            _set(reflector, "SILENCE", 1e9), _set(Reflector, "in_touch", lambda self, now: self.synced_at is not None)
        ),
        range(50, 80),
    ),
    "look no more after an outage": Bug(
        "a check that cannot tell is the last one", _set(tracking, "backed_off", lambda *given: given[1] + 1e6)
    ),
    "trust our own clock": Bug("a token ends when our clock says so", _set(checker, "classify", _by_our_clock)),
    "skip the journal": Bug("a key is made before the journal has its id", _set(Rotator, "_write", _write_late)),
    "drop the compare-and-swap": Bug(
        "Secrets are written whatever their version is",
        _set(SecretObject, "write", _write_over),
        range(20, 50),
    ),
    "forget failed logins": Bug("the journal does not keep them", _set(rotator, "dump", _forget_logins)),
    "count logins afterwards": Bug("a login is sent before it is counted", _set(access, "charge", lambda b, now: b)),
    "retry a refused login": Bug(
        "a login may be tried at any time",
        _all(
            _set(access, "next_login", lambda budget, password, now, others=(): now),
            _set(account_access, "next_login", lambda budget, password, now, others=(): now),
        ),
    ),
    "log in at every chance": Bug(
        "the password is used where a live key would do",
        _set(
            access,
            "reach",
            lambda s, journal: (replace(journal, logins=charge(journal.logins, s.now)), Access.LOGIN),
        ),
    ),
    "reuse an id": Bug("every key gets the same id", _set(RotationFacts, "__init__", _one_id)),
    "treat a timeout as failure": Bug(
        "a lost answer means that no key was made", _set(ArgoCDKeys, "mint", _mint_or_fail)
    ),
    "repeat a lost create": Bug(
        "a create without an answer is sent again", _set(ArgoCDKeys, "mint", _mint_until_it_works)
    ),
    "forget a lost create": Bug(
        "after a crash nobody looks whether the key was made", _state(State.INTENT, _delete_and_forget)
    ),
    "retire before adoption": Bug(
        "the old key goes as soon as the new one is published", _state(State.GRACE, _retire_at_once)
    ),
    "do not wait for consumers": Bug("the old key goes without a look at the pods", _state(State.GRACE, _grace_alone)),
    "sweep foreign keys": Bug("every key that is not in use is deleted", _set(rest, "_swept", _sweep_everything)),
    "believe one replica": Bug("a key that is not listed is gone", _set(Journal, "doubting", _no_doubt)),
    "a fault is a refusal": Bug("no answer counts as revoked", _set(checker, "classify", _fault_is_refusal)),
    "200 means valid": Bug("an answer with 200 counts as accepted", _set(checker, "classify", _http_200_is_valid)),
    "log the token": Bug("a line for debugging holds the new token", _set(Rotator, "_act", _tell_the_token)),
}
