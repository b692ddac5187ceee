"""What came of an effect, taken into the journal: unknown is neither done nor failed."""

from __future__ import annotations

from typing import Any

import pytest
from monitor.core.budget import LoginBudget, charge
from monitor.core.effects import (
    Access,
    Conflict,
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
    Refused,
    RestartConsumers,
    Unknown,
)
from monitor.core.journal import CLOCKS_DIFFER, Journal, Purpose, State, Tombstone
from monitor.core.model import Key
from monitor.core.rotation.learning import learn
from monitor.core.rotation.limits import (
    CALL_LASTS,
    FIRST_PAUSE,
    IN_BETWEEN,
    MAX_TEXT,
    REPLICA_LAG,
    RETRY,
    SWEEP_EVERY,
)

from tests.core.rotation_samples import (
    FOREIGN,
    NEW,
    NEW_TOKEN,
    OLD,
    OLD_TOKEN,
    PASSWORD,
    act,
    at_rest,
    situation,
    under_way,
)
from tests.core.samples import NOW

LIST = ListKeys("ci", Access.LIVE_KEY)


def learned(journal: Journal, effect: Effect, outcome: Outcome, **more: Any) -> Journal:
    return learn(journal, effect, outcome, NOW, PASSWORD, **more)


def mint(access: Access = Access.LIVE_KEY) -> Mint:
    return Mint("ci", NEW, None, access)


OUTCOMES: list[tuple[str, Journal, Effect, Outcome, dict[str, Any]]] = [
    (
        "a minted key is kept with its token",
        under_way(State.INTENT),
        mint(),
        Minted(NEW_TOKEN),
        {"state": State.MINTED},
    ),
    (
        "a refused mint made nothing",
        under_way(State.INTENT),
        mint(),
        Refused("no"),
        {"state": State.IDLE, "owned": (OLD,), "failures": 1, "error": "no", "retry_at": NOW + FIRST_PAUSE},
    ),
    (
        "a mint without an answer stays an intent",
        under_way(State.INTENT),
        mint(),
        Unknown("lost"),
        {"state": State.INTENT, "owned": (OLD, NEW), "failures": 0, "error": "lost", "retry_at": NOW + CALL_LASTS},
    ),
    (
        "a proof lets the key be published",
        under_way(State.MINTED),
        Prove(NEW_TOKEN),
        Done(),
        {"state": State.VERIFIED, "verified_at": NOW, "attempts": 0},
    ),
    (
        "a second proof only counts anew",
        under_way(State.VERIFIED, NOW - 90, attempts=2),
        Prove(NEW_TOKEN),
        Done(),
        {"state": State.VERIFIED, "verified_at": NOW, "attempts": 2},
    ),
    (
        "a refused proof is tried again later",
        under_way(State.MINTED, attempts=1),
        Prove(NEW_TOKEN),
        Refused("revoked"),
        {"state": State.MINTED, "error": "revoked", "retry_at": NOW + 2 * RETRY},
    ),
    (
        "a proof without an answer is tried again ever later",
        under_way(State.MINTED, attempts=4),
        Prove(NEW_TOKEN),
        Unknown("timeout"),
        {"state": State.MINTED, "error": "timeout", "retry_at": NOW + 16 * RETRY},
    ),
    (
        "a published key is the present one",
        under_way(State.VERIFIED),
        Publish(NEW_TOKEN, "7"),
        Done(),
        {"state": State.PUBLISHED, "current": NEW, "replaced": OLD, "published_at": NOW},
    ),
    (
        "a write that met another changes nothing",
        under_way(State.VERIFIED),
        Publish(NEW_TOKEN, "7"),
        Conflict(),
        {"state": State.VERIFIED, "current": OLD, "error": IN_BETWEEN, "retry_at": 0.0},
    ),
    (
        "a write without an answer is looked at again",
        under_way(State.VERIFIED, attempts=1),
        Publish(NEW_TOKEN, "7"),
        Unknown("timeout"),
        {"state": State.VERIFIED, "current": OLD, "retry_at": NOW + 2 * RETRY},
    ),
    ("restarts lead on", under_way(State.ADOPTED), RestartConsumers(NEW), Done(), {"state": State.GRACE}),
    (
        "restarts that are refused lead on and are told",
        under_way(State.ADOPTED),
        RestartConsumers(NEW),
        Refused("not permitted"),
        {"state": State.GRACE, "not_restarted": "not permitted"},
    ),
    (
        "restarts without an answer are asked for again",
        under_way(State.ADOPTED),
        RestartConsumers(NEW),
        Unknown("timeout"),
        {"state": State.ADOPTED, "error": "timeout", "retry_at": NOW + RETRY},
    ),
    (
        "consumers that cannot be seen now are looked at again",
        under_way(State.GRACE),
        LookAtConsumers(NEW, NOW, decides=True),
        Unknown("timeout"),
        {"state": State.GRACE, "attempts": 1, "error": "timeout"},
    ),
    (
        "a key deleted after a lost mint means to start anew",
        under_way(State.INTENT, since=NOW - 2 * REPLICA_LAG),
        Delete("ci", NEW, Access.LIVE_KEY),
        Done(),
        {"state": State.IDLE, "owned": (OLD,), "failures": 1},
    ),
    (
        "a key that was only just made may live on where it is deleted: a replica of Argo CD that lags has no such key",
        under_way(State.INTENT),
        Delete("ci", NEW, Access.LIVE_KEY),
        Done(),
        {"state": State.IDLE, "owned": (OLD, NEW), "failures": 1, "tombstones": (Tombstone(NEW, NOW),)},
    ),
    (
        "a drill whose key was lost is a failure, and none that was held",
        under_way(State.INTENT, since=NOW - 2 * REPLICA_LAG, purpose=Purpose.DRILL),
        Delete("ci", NEW, Access.LIVE_KEY),
        Done(),
        {"state": State.IDLE, "failures": 1, "drilled_at": None},
    ),
    (
        "a delete without an answer is done again",
        under_way(State.RETIRED),
        Delete("ci", OLD, Access.LIVE_KEY),
        Unknown("timeout"),
        {"state": State.RETIRED, "owned": (OLD, NEW), "retry_at": NOW + RETRY},
    ),
    (
        "a list without an answer is asked for again after a minute",
        under_way(State.INTENT),
        LIST,
        Unknown("timeout"),
        {"state": State.INTENT, "owned": (OLD, NEW), "retry_at": NOW + FIRST_PAUSE},
    ),
    (
        "a sweep that is refused waits by itself and holds nothing up",
        at_rest(owned=(OLD, "tm-left")),
        Delete("ci", "tm-left", Access.LIVE_KEY),
        Refused("not permitted"),
        {"error": "not permitted", "sweep_at": NOW + SWEEP_EVERY, "retry_at": 0.0, "failures": 0},
    ),
    (
        "a swept key is forgotten, and the problem with it",
        at_rest(owned=(OLD, "tm-left"), error="not permitted"),
        Delete("ci", "tm-left", Access.LIVE_KEY),
        Done(),
        {"owned": (OLD,), "error": ""},
    ),
    (
        "a swept key hides nothing of why no new one could be made",
        at_rest(owned=(OLD, "tm-left"), error="wrong password", failures=2),
        Delete("ci", "tm-left", Access.LIVE_KEY),
        Done(),
        {"owned": (OLD,), "error": "wrong password", "failures": 2},
    ),
    (
        "a swept key after a drill is no drill",
        at_rest(owned=(OLD, "tm-left"), purpose=Purpose.DRILL),
        Delete("ci", "tm-left", Access.LIVE_KEY),
        Done(),
        {"owned": (OLD,), "drilled_at": None},
    ),
    (
        "a key that may still come is not forgotten with the first delete",
        at_rest(owned=(OLD, "tm-lost"), tombstones=(Tombstone("tm-lost", NOW),)),
        Delete("ci", "tm-lost", Access.LIVE_KEY),
        Done(),
        {"owned": (OLD, "tm-lost"), "sweep_at": NOW + FIRST_PAUSE},
    ),
    (
        "a foreign key that a person deleted is named no more",
        at_rest(left_alone=FOREIGN, left_account="ci"),
        LIST,
        Listed((Key(OLD),)),
        {"left_alone": None},
    ),
    (
        "a foreign key that lives on is still named",
        at_rest(left_alone=FOREIGN, left_account="ci"),
        LIST,
        Listed((Key(FOREIGN),)),
        {"left_alone": FOREIGN},
    ),
    (
        "an outcome that does not fit is told",
        under_way(State.MINTED),
        Prove(NEW_TOKEN),
        Listed(()),
        {"state": State.MINTED, "error": "an outcome that does not fit", "retry_at": NOW + RETRY},
    ),
]


@pytest.mark.parametrize(
    ("journal", "effect", "outcome", "expected"), [case[1:] for case in OUTCOMES], ids=[case[0] for case in OUTCOMES]
)
def test_what_came_of_an_effect(journal: Journal, effect: Effect, outcome: Outcome, expected: dict[str, Any]) -> None:
    after = learned(journal, effect, outcome)
    assert {name: getattr(after, name) for name in expected} == expected


def test_a_key_is_no_older_because_the_clock_was_put_forward() -> None:
    """A replica of Argo CD that lags answers that there is no such key: it would live on, and nobody would know."""
    lost = under_way(State.INTENT, since=NOW - 5.0).after_a_leap(600.0, NOW + 600.0)
    after = learn(lost, Delete("ci", NEW, Access.LIVE_KEY), Done(), NOW + 600.0)
    assert after.tombstones == (Tombstone(NEW, NOW + 600.0),)
    assert NEW in after.owned


CHARGED = charge(LoginBudget(), NOW)


@pytest.mark.parametrize(
    ("outcome", "logged_in", "failures", "refused"),
    [
        pytest.param(Minted(NEW_TOKEN), True, (), None, id="a login that worked"),
        pytest.param(Refused("no apiKey"), True, (), None, id="a login that worked, and what came after was refused"),
        pytest.param(Unknown("lost"), True, (), None, id="a login that worked, and what came after was lost"),
        pytest.param(Refused("wrong", login=True), False, (NOW,), PASSWORD, id="a refused login"),
        pytest.param(Refused("no connection"), False, (), None, id="a login that was never sent"),
        pytest.param(Conflict(), False, (), None, id="somebody was faster"),
        pytest.param(Unknown("timeout"), False, (NOW,), None, id="a login without an answer"),
    ],
)
def test_what_a_login_costs(
    outcome: Outcome, logged_in: bool, failures: tuple[float, ...], refused: str | None
) -> None:
    journal = under_way(State.INTENT, logins=CHARGED)
    after = learned(journal, mint(Access.LOGIN), outcome, logged_in=logged_in)
    assert (after.logins.failures, after.logins.refused) == (failures, refused)


@pytest.mark.parametrize("outcome", [Unknown("no answer"), Refused("no"), Refused("busy", busy=True)], ids=str)
@pytest.mark.parametrize(
    ("state", "tried"),
    [
        (state, tried)
        for state in State
        for tried in (
            Delete("ci", NEW, Access.LIVE_KEY),
            Mint("ci", NEW, None, Access.LIVE_KEY),
            Prove(NEW_TOKEN),
            Publish(NEW_TOKEN, "7"),
            RestartConsumers(NEW),
            LookAtConsumers(NEW, NOW, decides=True),
            LIST,
        )
        if tried != LIST or state in (State.IDLE, State.INTENT)  # only these ask for the list
    ],
    ids=lambda part: part.value if isinstance(part, State) else type(part).__name__,
)
def test_no_pause_is_taken_for_a_clock_that_was_put_back(state: State, tried: Effect, outcome: Outcome) -> None:
    for count in range(20):
        journal = under_way(state, attempts=count, failures=count)
        # The clock of another replica is behind by as much as clocks may differ.
        assert not learned(journal, tried, outcome).is_ahead_of(NOW - CLOCKS_DIFFER)


def test_a_live_key_touches_no_budget() -> None:
    journal = under_way(State.INTENT, logins=CHARGED)
    assert learned(journal, mint(), Refused("no", login=True)).logins == CHARGED


def test_what_is_told_ends_with_what_to_do() -> None:
    refused = learned(under_way(State.INTENT), mint(Access.LOGIN), Refused("Invalid username or password", login=True))
    assert refused.error.endswith(
        "check user name and password; they are tried again when the password changes, or in an hour"
    )
    disabled = learned(under_way(State.INTENT), mint(Access.LOGIN), Refused("Account ci is disabled", login=True))
    assert "accounts.NAME.enabled" in disabled.error
    assert "password" not in disabled.error
    powerless = learned(under_way(State.INTENT), mint(), Refused("account 'ci' does not have apiKey capability"))
    assert "argocd-cm" in powerless.error


def test_texts_from_outside_are_bounded_and_printable() -> None:
    hostile = "\x1b[31m" + "x" * 5000 + "\u202e"
    for done, outcome in [
        (mint(), Refused(hostile)),
        (mint(), Unknown(hostile)),
        (mint(), Refused(hostile, login=True)),
    ]:
        error = learned(under_way(State.INTENT), done, outcome).error
        assert len(error) <= MAX_TEXT
        assert error.isprintable()
    names = learned(
        under_way(State.GRACE), LookAtConsumers(NEW, NOW, decides=True), Consumers((hostile,) * 500)
    ).old_consumers
    assert len(names) == 10
    assert all(len(name) <= 100 and name.isprintable() for name in names)
    stood_down = act(
        situation(under_way(State.GRACE, reverts=1, reverted_at=NOW), writer=hostile, token=OLD_TOKEN, token_id=OLD)
    ).journal
    assert len(stood_down.stood_down) <= MAX_TEXT
    assert stood_down.stood_down.isprintable()
