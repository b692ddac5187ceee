"""Arbitrary situations and outcomes: nothing raises, and what must never be done is never decided."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from monitor.core.budget import LoginBudget, next_login
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
from monitor.core.journal import CLOCKS_DIFFER, Journal, Purpose, State, Tombstone, dump, load
from monitor.core.model import Key
from monitor.core.plan import plan
from monitor.core.policy import Policy
from monitor.core.rotation.learning import learn
from monitor.core.rotation.limits import MAX_LIVE_KEYS, MAX_TEXT, PROOF_LASTS
from monitor.core.rotation.machine import decide
from monitor.core.rotation.situation import Act, Situation, Wait
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.core.text import printable

from tests.core.samples import DAY, NOW

MAX_STEPS_IN_A_ROW = 30

OUR_IDS = ["tm-a", "tm-b", "tm-c", "tm-d"]
ids = st.sampled_from([*OUR_IDS, "by-hand"])
maybe_ids = st.none() | ids
tokens = st.none() | ids.map(lambda id_: Secret(f"token of {id_}"))
moments = st.sampled_from([0.0, NOW - 30 * DAY, NOW - DAY, NOW - 601, NOW - 70, NOW - 10, NOW, NOW + 30, NOW + DAY])
statuses = st.none() | st.sampled_from(Status)
keys = st.none() | st.lists(ids.map(Key), max_size=5).map(tuple)
truths = st.booleans()
policies = st.builds(
    Policy,
    account=st.none() | st.just("ci"),
    by_password=truths,
    expires_in=st.none() | st.just(3600),
    renew_before=st.none() | st.just(DAY),
    every=st.none() | st.just(7 * DAY),
    drill_every=st.none() | st.just(DAY),
    restart_consumers=truths,
    watch_consumers=truths,
)
journals = st.builds(
    Journal,
    state=st.sampled_from(State),
    purpose=st.sampled_from(Purpose),
    key_id=maybe_ids,
    token=tokens,
    account=st.sampled_from([None, "ci", "admin"]),
    old_id=maybe_ids,
    old_live=truths,
    began_at=moments,
    entered_at=moments,
    published_at=moments,
    verified_at=moments,
    attempts=st.integers(0, 7),
    undone=st.integers(0, 2),
    not_restarted=st.sampled_from(["", "no"]),
    old_consumers=st.lists(st.text(max_size=5), max_size=2).map(tuple),
    told_at=moments,
    owned=st.lists(st.sampled_from(OUR_IDS), max_size=3, unique=True).map(tuple),
    tombstones=st.lists(st.builds(Tombstone, ids, moments), max_size=2).map(tuple),
    current=maybe_ids,
    replaced=maybe_ids,
    sweep_at=moments,
    reverts=st.integers(0, 3),
    reverted_at=moments,
    overtaken_at=moments,
    stood_down=st.sampled_from(["", "somebody undid it"]),
    failures=st.integers(0, 30),
    retry_at=moments,
    error=st.text(max_size=10),
    rotated_at=st.none() | moments,
    drilled_at=st.none() | moments,
    left_alone=maybe_ids,
    left_account=st.sampled_from([None, "ci", "admin"]),
    logins=st.builds(
        LoginBudget,
        failures=st.lists(moments, max_size=3).map(sorted).map(tuple),
        refused=st.sampled_from([None, "p1", "p2"]),
        refused_at=moments,
    ),
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    journal = draw(journals)
    token_id = draw(maybe_ids)
    token = draw(st.none() | st.just(Secret(f"token of {token_id}")))
    readable = draw(truths)
    status = draw(statuses) if readable else None
    if token is None and status is not None:
        status = Status.MISSING
    return Situation(
        now=NOW,
        journal=journal,
        policy=draw(policies),
        token=token if readable else None,
        token_id=token_id if readable and token is not None else None,
        version=draw(st.none() | st.just("7")) if readable else None,
        status=status,
        nonce=draw(st.sampled_from(["a", "fresh"])),
        account=draw(st.sampled_from([None, "ci"])),
        unrenewable=draw(st.sampled_from(["", "use an API key"])),
        readable=readable,
        issued_at=draw(st.none() | moments),
        expires_at=draw(st.none() | moments),
        keys=draw(keys),
        writer=draw(st.sampled_from([None, "Argo CD (argocd-controller)"])),
        password=draw(st.sampled_from([None, "p1"])),
        demanded=draw(truths),
        leap=draw(st.sampled_from([0.0, 0.0, 0.0, DAY])),
    )


def check_step(s: Situation, step: Act | Wait) -> None:
    if isinstance(step, Wait):
        assert step.until > s.now, "a wait that is over makes a busy loop"
        return
    before, journal, effect = s.journal, step.journal, step.effect
    if effect is None:
        assert journal != before or s.leap > CLOCKS_DIFFER, "a step that changes nothing is taken for ever"
    if isinstance(effect, Mint | Delete | Publish | RestartConsumers):
        assert journal != before, "without a write of the journal two replicas would both do it"
    new = set(journal.owned) - set(before.owned)
    assert new <= ({effect.key_id} if isinstance(effect, Mint) else set())
    assert len(journal.owned) <= MAX_LIVE_KEYS
    if isinstance(effect, Mint | ListKeys | Delete):
        check_access(s, journal, effect)
    match effect:
        case Mint(_, key_id):
            assert before.state is State.IDLE
            assert s.accepted or s.mendable or (s.demanded and s.status is Status.WRONG_ACCOUNT)
            assert not before.knows(key_id)
            assert (journal.state, journal.key_id, key_id in journal.owned) == (State.INTENT, key_id, True)
        case Delete(_, key_id):
            assert s.readable
            assert key_id in before.owned
            assert key_id != s.token_id
            assert before.state is not State.IDLE or s.now >= before.sweep_at, "somebody may still use it"
        case Publish(token, version):
            assert s.readable
            assert (before.state, journal.state) == (State.VERIFIED, State.VERIFIED)
            assert token == before.token
            assert version == s.version
            assert s.now - before.verified_at <= PROOF_LASTS
            assert before.purpose is Purpose.REPLACE
        case RestartConsumers() | LookAtConsumers():
            assert before.state in (State.PUBLISHED, State.ADOPTED, State.GRACE)


def check_access(s: Situation, journal: Journal, effect: Mint | ListKeys | Delete) -> None:
    if effect.access is Access.LIVE_KEY:
        assert s.accepted
        return
    assert s.policy.by_password
    assert s.password is not None
    assert s.mendable or s.status is Status.WRONG_ACCOUNT
    assert next_login(s.journal.logins, s.password, s.now) <= s.now
    assert journal.logins.failures[-1] == s.now
    assert journal.logins.total == s.journal.logins.total + 1


@settings(max_examples=250, deadline=None)
@given(situations())
def test_nothing_is_decided_that_must_never_be_done(s: Situation) -> None:
    check_step(s, decide(s))


@st.composite
def sweeping(draw: st.DrawFn) -> Situation:
    """At rest with a token that works and keys that nobody uses: some listed, some doubted, spared or not."""
    s = draw(situations())
    stones = [Tombstone(id_, draw(moments)) for id_ in OUR_IDS if draw(truths)]
    journal = replace(s.journal, state=State.IDLE, account="ci", owned=tuple(OUR_IDS[1:]), tombstones=tuple(stones))
    journal = replace(journal, current="tm-a", sweep_at=draw(moments))
    listed = tuple(map(Key, draw(st.lists(ids, max_size=5))))
    now = {"status": Status.VALID, "token_id": "tm-a", "token": Secret("token of tm-a"), "readable": True, "leap": 0.0}
    return replace(s, journal=journal, keys=listed, account="ci", **now)


outcomes = st.one_of(
    st.builds(Minted, st.just(Secret("token of tm-fresh"))),
    st.builds(Listed, st.lists(ids.map(Key), max_size=4).map(tuple)),
    st.just(Done()),
    st.builds(Refused, st.text(max_size=600), truths),
    st.just(Conflict()),
    st.builds(Unknown, st.text(max_size=600)),
    st.builds(Consumers, st.none() | st.lists(st.text(max_size=200), max_size=20).map(tuple)),
)
accesses = st.sampled_from(Access)
effects: st.SearchStrategy[Effect] = st.one_of(
    st.builds(Mint, st.just("ci"), ids, st.none(), accesses),
    st.builds(ListKeys, st.just("ci"), accesses),
    st.builds(Delete, st.just("ci"), ids, accesses),
    st.builds(Prove, st.just(Secret("t"))),
    st.builds(Publish, st.just(Secret("t")), st.just("7")),
    st.builds(RestartConsumers, ids),
    st.builds(LookAtConsumers, ids, moments, truths),
)


@settings(max_examples=250, deadline=None)
@given(journals, effects, outcomes, truths)
def test_any_outcome_of_any_effect_leaves_a_journal_that_can_be_written(
    journal: Journal, effect: Effect, outcome: Outcome, logged_in: bool
) -> None:
    after = learn(journal, effect, outcome, NOW, "p1", logged_in=logged_in)
    assert load(dump(after)) == after
    assert set(after.owned) <= set(journal.owned)
    assert after.error in (journal.error, printable(after.error, MAX_TEXT))
    assert after.logins.total >= 0
    if not isinstance(outcome, Done | Listed | Consumers | Conflict | Minted):
        gone = set(journal.owned) - set(after.owned)
        assert gone <= ({effect.key_id} if isinstance(effect, Mint) and isinstance(outcome, Refused) else set())


@settings(max_examples=400, deadline=None)
@given(situations() | sweeping(), outcomes, st.sampled_from([0.0, 1.0, 30.0]))
def test_what_came_of_an_effect_never_shortens_the_time_for_which_an_unused_key_is_spared(
    s: Situation, outcome: Outcome, lasted: float
) -> None:
    """A deletion at rest puts the next look at the list to a minute from now, which is never earlier than it was."""
    step = decide(s)
    check_step(s, step)
    if isinstance(step, Act) and step.effect is not None:
        assert step.journal.sweep_at >= s.journal.sweep_at
        after = learn(step.journal, step.effect, outcome, s.now + lasted, s.password)
        assert after.sweep_at >= step.journal.sweep_at


@settings(max_examples=60, deadline=None)
@given(situations(), st.lists(st.tuples(outcomes, statuses, tokens, truths), min_size=1, max_size=60))
def test_no_history_leads_to_a_fourth_key_a_second_use_of_an_id_or_a_loop(
    s: Situation, history: list[tuple[Any, Any, Any, bool]]
) -> None:
    used: set[str] = set()
    in_a_row = 0
    for number, (outcome, status, token, readable) in enumerate(history * 3):
        s = replace(s, nonce=f"n{number}", leap=0.0)
        step = decide(s)
        check_step(s, step)
        if isinstance(step, Wait):
            in_a_row = 0
            token_id = token.reveal().removeprefix("token of ") if token and readable else None
            status = (Status.MISSING if token is None else status) if readable else None
            s = replace(s, now=max(step.until, s.now + 1.0), keys=None, readable=readable, status=status)
            s = replace(s, token=token if readable else None, token_id=token_id, demanded=not s.demanded)
            continue
        in_a_row += 1
        assert in_a_row < MAX_STEPS_IN_A_ROW
        journal, found = step.journal, None
        if step.effect is not None:
            if isinstance(step.effect, Mint):
                assert step.effect.key_id not in used
                used.add(step.effect.key_id)
            journal = learn(journal, step.effect, outcome, s.now, s.password)
            found = outcome.keys if isinstance(outcome, Listed) and isinstance(step.effect, ListKeys) else None
            # Nothing goes on without end: what brings no news is looked at later.
            s = replace(s, now=s.now + 1.0)
        s = replace(s, journal=journal, keys=found, demanded=s.demanded and journal.state is State.IDLE)


@settings(max_examples=100, deadline=None)
@given(situations())
def test_a_plan_never_raises_never_repeats_itself_and_shows_no_token(s: Situation) -> None:
    lines = plan(s)
    assert len(lines) <= 61
    assert all(line.words for line in lines)
    assert all(a.words != b.words for a, b in itertools.pairwise(lines))
    assert "token of tm-" not in " ".join(line.words for line in lines)
