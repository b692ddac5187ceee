"""The rotation, state by state: each transition, each wait, and what is never done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from monitor.core.effects import (
    Access,
    Consumers,
    Delete,
    Done,
    Effect,
    ListKeys,
    LookAtConsumers,
    Mint,
    Outcome,
    Prove,
    Publish,
    RestartConsumers,
)
from monitor.core.journal import Journal, Purpose, State, Tombstone
from monitor.core.model import Key
from monitor.core.rotation.endings import delete_command
from monitor.core.rotation.learning import learn
from monitor.core.rotation.limits import (
    CALL_LASTS,
    FIRST_PAUSE,
    GIVE_UP_AFTER,
    GIVE_UP_ATTEMPTS,
    IN_BETWEEN,
    LONGEST_PAUSE,
    PROOF_LASTS,
    REPLICA_LAG,
    SWEEP_EVERY,
    TOMBSTONE_LASTS,
)
from monitor.core.rotation.machine import STATES, decide
from monitor.core.rotation.situation import Act, Wait
from monitor.core.status import Status

from tests.core.rotation_samples import (
    BY_PASSWORD,
    BY_RENEWAL,
    FOREIGN,
    NEW,
    NEW_TOKEN,
    NOT_MENDED,
    OLD,
    OLD_TOKEN,
    PASSWORD,
    act,
    at_rest,
    effect,
    holding_foreign,
    situation,
    under_way,
    wait,
)
from tests.core.samples import DAY, NOW

AFTER_PUBLISHING = [State.PUBLISHED, State.ADOPTED, State.GRACE, State.RETIRED]
WATCHED = replace(BY_PASSWORD, restart_consumers=True, watch_consumers=True)
RESTARTED = replace(BY_PASSWORD, restart_consumers=True)
LIST = ListKeys("ci", Access.LIVE_KEY)


def learned(journal: Journal, effect: Effect, outcome: Outcome, **more: Any) -> Journal:
    return learn(journal, effect, outcome, NOW, PASSWORD, **more)


# --- intent: only after a crash or a lost answer -------------------------------------------------------------------------


def test_whoever_may_still_be_minting_is_left_to_finish() -> None:
    busy = under_way(State.INTENT, retry_at=NOW + CALL_LASTS)
    assert wait(situation(busy)) == Wait(NOW + CALL_LASTS, "whether the new key was made is not known")


def test_the_list_says_whether_the_key_was_made() -> None:
    lost = situation(under_way(State.INTENT))
    assert effect(lost) == LIST
    assert effect(replace(lost, keys=(Key(OLD), Key(NEW)))) == Delete("ci", NEW, Access.LIVE_KEY)
    step = act(replace(lost, keys=(Key(OLD),)))
    assert step.journal.state is State.IDLE
    assert step.journal.tombstones == (Tombstone(NEW, NOW),)
    assert step.journal.owned == (OLD, NEW)
    assert (step.journal.failures, step.journal.retry_at) == (1, NOW + FIRST_PAUSE)


@pytest.mark.parametrize(
    "journal",
    [
        under_way(State.INTENT, NOW - GIVE_UP_AFTER - 1),
        under_way(State.INTENT, attempts=GIVE_UP_ATTEMPTS),
    ],
    ids=["after ten minutes", "after five attempts"],
)
def test_an_intent_without_an_answer_is_given_up_and_its_id_kept_in_mind(journal: Journal) -> None:
    step = act(situation(journal, Status.UNREACHABLE))
    assert step.journal.state is State.IDLE
    assert step.journal.tombstones[0].id == NEW
    assert NEW in step.journal.owned


def test_the_list_waits_while_argo_cd_is_away() -> None:
    assert "cannot be told" in wait(situation(under_way(State.INTENT), Status.UNREACHABLE)).why


# --- minted: proving -------------------------------------------------------------------------------------------------------


def test_a_new_key_is_given_time_to_reach_every_replica() -> None:
    fresh = situation(under_way(State.MINTED))
    assert wait(fresh) == Wait(NOW + 15.0, "the new key is given time to reach every replica")
    assert effect(replace(fresh, now=NOW + 15.0)) == Prove(NEW_TOKEN)


def test_in_need_it_is_proven_at_once() -> None:
    step = act(situation(under_way(State.MINTED, old_live=False), Status.REVOKED))
    assert step.effect == Prove(NEW_TOKEN)
    assert step.journal.attempts == 1


def test_a_drill_is_never_in_a_hurry() -> None:
    drill = under_way(State.MINTED, purpose=Purpose.DRILL)
    assert isinstance(wait(situation(drill, Status.REVOKED, policy=BY_RENEWAL)), Wait)


@pytest.mark.parametrize("state", [State.MINTED, State.VERIFIED])
def test_a_drill_steps_aside_when_the_key_is_refused(state: State) -> None:
    step = act(situation(under_way(state, purpose=Purpose.DRILL), Status.REVOKED))
    assert step.journal.state is State.IDLE
    assert (step.journal.failures, NEW in step.journal.owned) == (0, True)


@pytest.mark.parametrize("state", [State.MINTED, State.VERIFIED])
@pytest.mark.parametrize("changes", [{"attempts": GIVE_UP_ATTEMPTS}, {"entered_at": NOW - GIVE_UP_AFTER - 1}])
def test_a_pending_key_is_given_up_after_ten_minutes_or_five_attempts(state: State, changes: dict[str, Any]) -> None:
    step = act(situation(under_way(state, **changes)))
    assert step.effect is None
    assert (step.journal.state, step.journal.token) == (State.IDLE, None)
    assert (step.journal.failures, step.journal.retry_at) == (1, NOW + FIRST_PAUSE)
    assert NEW in step.journal.owned


@pytest.mark.parametrize("state", [State.MINTED, State.VERIFIED])
def test_a_working_token_of_another_writer_makes_the_new_key_unnecessary(state: State) -> None:
    step = act(holding_foreign(situation(under_way(state, NOW - 30))))
    assert step.effect is None
    assert (step.journal.state, step.journal.failures) == (State.IDLE, 0)


@pytest.mark.parametrize("state", [State.MINTED, State.VERIFIED])
def test_an_old_token_that_works_again_makes_the_new_key_unnecessary(state: State) -> None:
    step = act(situation(under_way(state, NOW - 30, old_live=False)))
    assert step.journal.state is State.IDLE


@pytest.mark.parametrize("state", [State.MINTED, State.VERIFIED])
def test_a_pending_token_that_is_lost_goes_back_to_the_list(state: State) -> None:
    step = act(situation(under_way(state, token=None)))
    assert (step.journal.state, step.effect) == (State.INTENT, None)


def test_a_key_that_is_given_up_right_after_it_was_made_is_kept_in_mind_since_a_list_may_leave_it_out() -> None:
    given_up = {"attempts": GIVE_UP_ATTEMPTS}
    young = act(situation(under_way(State.MINTED, NOW - REPLICA_LAG + 1, **given_up)))
    assert young.journal.tombstones == (Tombstone(NEW, NOW),)
    known_everywhere = act(situation(under_way(State.MINTED, NOW - REPLICA_LAG, **given_up)))
    assert known_everywhere.journal.tombstones == ()


def test_a_key_that_is_given_up_is_spared_only_where_somebody_may_have_read_it() -> None:
    given_up = {"attempts": GIVE_UP_ATTEMPTS}
    assert act(situation(under_way(State.MINTED, **given_up))).journal.sweep_at == 0.0
    assert act(situation(under_way(State.VERIFIED, **given_up))).journal.sweep_at == NOW + BY_PASSWORD.grace


# --- verified: publishing ----------------------------------------------------------------------------------------------------


def test_a_proven_key_is_published_over_the_version_that_was_seen() -> None:
    assert effect(situation(under_way(State.VERIFIED))) == Publish(NEW_TOKEN, "7")


def test_an_old_proof_does_not_count() -> None:
    stale = under_way(State.VERIFIED, verified_at=NOW - PROOF_LASTS - 1)
    assert effect(situation(stale)) == Prove(NEW_TOKEN)


def test_a_write_whose_answer_was_lost_is_found_done() -> None:
    step = act(situation(under_way(State.VERIFIED), token=NEW_TOKEN, token_id=NEW))
    assert (step.journal.state, step.journal.published_at, step.journal.current) == (State.PUBLISHED, NOW, NEW)


def test_a_writer_who_gets_in_between_every_time_is_left_the_secret() -> None:
    duel = situation(under_way(State.VERIFIED, attempts=GIVE_UP_ATTEMPTS, error=IN_BETWEEN), writer="Helm")
    assert act(duel).journal.stood_down.startswith("Helm undid our write of the Secret 5 times")


def test_another_token_with_the_same_id_is_not_taken_for_ours() -> None:
    forged = situation(under_way(State.VERIFIED), Status.SIGNING_KEY_CHANGED, token=OLD_TOKEN, token_id=NEW)
    assert effect(forged) == Publish(NEW_TOKEN, "7")


def test_another_token_is_looked_at_before_it_is_written_over() -> None:
    assert "being checked" in wait(holding_foreign(situation(under_way(State.VERIFIED)), None)).why
    assert effect(holding_foreign(situation(under_way(State.VERIFIED)), Status.REVOKED)) == Publish(NEW_TOKEN, "7")


def test_nothing_is_written_while_the_secret_cannot_be_read() -> None:
    unreadable = situation(under_way(State.VERIFIED), None, readable=False, token=None, token_id=None, version=None)
    assert "nothing is written" in wait(unreadable).why


def test_a_drill_deletes_its_key_and_publishes_nothing() -> None:
    drill = under_way(State.VERIFIED, since=NOW - 2 * REPLICA_LAG, purpose=Purpose.DRILL)
    assert effect(situation(drill)) == Delete("ci", NEW, Access.LIVE_KEY)
    done = learned(drill, Delete("ci", NEW, Access.LIVE_KEY), Done())
    assert (done.state, done.drilled_at, done.rotated_at, done.rotations) == (State.IDLE, NOW, None, 0)
    assert done.owned == (OLD,)


# --- published and after -----------------------------------------------------------------------------------------------------


def test_consumers_are_restarted_only_where_that_is_wanted() -> None:
    published = situation(under_way(State.PUBLISHED))
    step = act(published)
    assert (step.journal.state, step.effect) == (State.ADOPTED, None)
    assert effect(replace(published, policy=RESTARTED)) == RestartConsumers(NEW)


def test_a_restart_that_was_not_seen_done_is_asked_for_again_a_few_times() -> None:
    asked = situation(under_way(State.ADOPTED), policy=RESTARTED)
    assert effect(asked) == RestartConsumers(NEW)
    waiting = replace(asked, journal=under_way(State.ADOPTED, retry_at=NOW + 5, error="no answer"))
    assert wait(waiting) == Wait(NOW + 5, "no answer")
    given_up = act(replace(asked, journal=under_way(State.ADOPTED, attempts=5, error="no answer"))).journal
    assert (given_up.state, given_up.not_restarted, given_up.error) == (State.GRACE, "no answer", "")


def test_without_consumers_the_grace_period_alone_decides() -> None:
    grace = situation(under_way(State.GRACE))
    assert wait(grace).until == NOW + 60
    assert wait(replace(grace, now=NOW + 590)).until == NOW + 600
    assert act(replace(grace, now=NOW + 600)).journal.state is State.RETIRED


def test_consumers_that_could_not_be_restarted_nor_seen_get_the_longest_wait() -> None:
    stuck = situation(under_way(State.GRACE, not_restarted="not permitted: do this"), policy=RESTARTED)
    assert wait(replace(stuck, now=NOW + 600)).why == "not permitted: do this"
    assert act(replace(stuck, now=NOW + 3600)).journal.state is State.RETIRED


def test_consumers_are_looked_at_from_the_start_and_decide_after_the_grace_period() -> None:
    grace = situation(under_way(State.GRACE, published_at=NOW - 3), policy=WATCHED)
    assert effect(grace) == LookAtConsumers(NEW, NOW - 3, decides=False)
    assert effect(replace(grace, now=NOW + 600)) == LookAtConsumers(NEW, NOW - 3, decides=True)


def test_the_old_key_goes_when_nobody_is_seen_to_use_it() -> None:
    for nobody in (Consumers(()), Consumers(None)):
        done = learned(under_way(State.GRACE), LookAtConsumers(NEW, NOW, decides=True), nobody)
        assert done.state is State.RETIRED
        early = learned(under_way(State.GRACE), LookAtConsumers(NEW, NOW, decides=False), nobody)
        assert early.state is State.GRACE


def test_the_old_key_waits_for_those_who_use_it_and_they_are_named() -> None:
    look = LookAtConsumers(NEW, NOW, decides=True)
    waiting = learned(under_way(State.GRACE), look, Consumers(("deployment/a (pod a-1)",)))
    assert (waiting.state, waiting.old_consumers, waiting.told_at) == (State.GRACE, ("deployment/a (pod a-1)",), NOW)
    assert "a-1" in wait(situation(replace(waiting, retry_at=NOW + 630), policy=WATCHED, now=NOW + 601)).why


def test_the_old_key_goes_at_the_longest_wait_only_after_somebody_was_told() -> None:
    old = ("deployment/a (pod a-1)",)
    over = situation(under_way(State.GRACE), policy=WATCHED, now=NOW + 3600)
    assert effect(over) == LookAtConsumers(NEW, NOW, decides=True)
    just_told = replace(over, journal=under_way(State.GRACE, old_consumers=old, told_at=NOW + 3599))
    assert isinstance(effect(just_told), LookAtConsumers)
    told = replace(over, journal=under_way(State.GRACE, old_consumers=old, told_at=NOW + 700))
    assert act(told).journal.state is State.RETIRED
    assert act(told).journal.old_consumers == old
    blind = replace(over, journal=under_way(State.GRACE, attempts=GIVE_UP_ATTEMPTS, error="no answer"))
    assert act(blind).journal.state is State.RETIRED


def test_the_old_key_is_deleted_after_the_token_of_the_secret_was_proven_once_more() -> None:
    stale = situation(under_way(State.RETIRED, verified_at=NOW - PROOF_LASTS - 1))
    assert effect(stale) == Prove(NEW_TOKEN)
    assert effect(situation(under_way(State.RETIRED))) == Delete("ci", OLD, Access.LIVE_KEY)


def test_a_proof_before_the_old_key_goes_is_counted_and_tried_again_after_a_pause() -> None:
    stale = situation(under_way(State.RETIRED, verified_at=NOW - PROOF_LASTS - 1))
    assert act(stale).journal.attempts == 1
    refused = replace(stale, journal=replace(stale.journal, retry_at=NOW + 5, error="no answer"))
    assert wait(refused) == Wait(NOW + 5, "no answer")


def test_a_rotation_is_done_when_the_old_key_is_seen_gone() -> None:
    done = learned(under_way(State.RETIRED), Delete("ci", OLD, Access.LIVE_KEY), Done())
    assert (done.state, done.rotations, done.rotated_at, done.owned) == (State.IDLE, 1, NOW, (NEW,))
    assert (done.current, done.failures, done.left_alone) == (NEW, 0, None)


def test_a_replaced_key_that_is_not_ours_is_left_alone_and_named_while_it_lives() -> None:
    foreign = {"old_id": FOREIGN, "owned": (NEW,), "old_account": "admin"}
    step = act(situation(under_way(State.RETIRED, **foreign)))
    assert step.effect is None
    assert (step.journal.left_alone, step.journal.left_account) == (FOREIGN, "admin")
    dead = act(situation(under_way(State.RETIRED, **foreign, old_live=False)))
    assert dead.journal.left_alone is None
    session = act(situation(under_way(State.RETIRED, **{**foreign, "old_account": None})))
    assert session.journal.left_alone is None


def test_the_command_that_deletes_it_is_safe_to_paste() -> None:
    assert delete_command("ci", "tm-1") == "`argocd account delete-token --account ci tm-1`"
    assert delete_command("x; rm -rf /", "$(id)") == "`argocd account delete-token --account ACCOUNT ID`"
    assert delete_command(None, "tm-1") == "`argocd account delete-token --account ACCOUNT tm-1`"


def test_an_old_key_that_cannot_be_deleted_is_swept_later_and_told() -> None:
    stuck = under_way(State.RETIRED, attempts=GIVE_UP_ATTEMPTS, error="not permitted")
    step = act(situation(stuck))
    assert (step.journal.state, step.journal.rotations, step.journal.error) == (State.IDLE, 1, "not permitted")
    assert step.journal.owned == (OLD, NEW)
    assert step.journal.sweep_at == NOW + SWEEP_EVERY
    spared = act(situation(replace(stuck, sweep_at=NOW + WATCHED.spare), policy=WATCHED))
    assert spared.journal.sweep_at == NOW + WATCHED.spare, "a key from before may be spared for longer"


def test_without_an_old_key_there_is_nothing_to_retire() -> None:
    step = act(situation(under_way(State.RETIRED, old_id=None, owned=(NEW,))))
    assert (step.journal.rotations, step.effect, step.journal.left_alone) == (1, None, None)


@pytest.mark.parametrize("state", AFTER_PUBLISHING)
def test_a_write_that_was_undone_is_made_once_more(state: State) -> None:
    undone = situation(under_way(state), writer="External Secrets", token=OLD_TOKEN, token_id=OLD)
    step = act(undone)
    assert (step.journal.state, step.journal.reverts, step.journal.reverted_at) == (State.VERIFIED, 1, NOW)
    assert step.journal.error == "External Secrets undid the write"


@pytest.mark.parametrize("state", AFTER_PUBLISHING)
def test_pods_that_were_made_while_a_write_was_undone_are_restarted_waited_for_and_told_of_anew(state: State) -> None:
    undone = situation(under_way(state, told_at=NOW - 60), policy=RESTARTED, token=OLD_TOKEN, token_id=OLD)
    journal = act(undone).journal
    assert journal.told_at == 0.0
    again = situation(replace(journal, state=State.ADOPTED, error=""), policy=RESTARTED)
    restart = act(again)
    assert restart.effect == RestartConsumers(f"{NEW}.1"), "they have the new key's id, and started with the old key"
    assert effect(replace(again, journal=restart.journal)) == restart.effect, "a crash restarts nobody a third time"
    seen = effect(situation(replace(journal, state=State.GRACE, error="", published_at=NOW), policy=WATCHED))
    assert seen == LookAtConsumers(f"{NEW}.1", NOW, decides=False)
    assert journal.at_rest(NOW).undone == 0


@pytest.mark.parametrize("state", AFTER_PUBLISHING)
def test_a_write_that_was_undone_twice_makes_us_stand_down(state: State) -> None:
    twice = under_way(state, reverts=1, reverted_at=NOW - 60)
    step = act(situation(twice, writer="External Secrets (x)", token=OLD_TOKEN, token_id=OLD))
    assert (step.journal.state, step.journal.token, step.journal.failures) == (State.IDLE, None, 1)
    assert "creationPolicy" in step.journal.stood_down
    assert step.journal.owned == (OLD, NEW)
    assert step.journal.sweep_at == NOW + BY_PASSWORD.grace


@pytest.mark.parametrize("state", AFTER_PUBLISHING)
def test_a_secret_that_was_deleted_is_written_once_more(state: State) -> None:
    gone = situation(under_way(state), Status.MISSING, version=None)
    assert act(gone).journal.state is State.VERIFIED


@pytest.mark.parametrize("state", AFTER_PUBLISHING)
def test_a_working_token_of_another_writer_is_adopted_after_publishing_too(state: State) -> None:
    step = act(holding_foreign(situation(under_way(state))))
    assert (step.journal.state, step.journal.rotations) == (State.IDLE, 0)
    assert step.journal.sweep_at == NOW + BY_PASSWORD.grace


@pytest.mark.parametrize("state", AFTER_PUBLISHING)
def test_another_token_that_was_not_checked_yet_is_waited_for(state: State) -> None:
    assert "being checked" in wait(holding_foreign(situation(under_way(state)), None)).why
    assert "cannot be read" in wait(situation(under_way(state), None, readable=False, token=None, token_id=None)).why


@pytest.mark.parametrize("state", AFTER_PUBLISHING)
def test_a_replica_that_does_not_know_the_new_key_yet_is_not_believed(state: State) -> None:
    fresh = situation(under_way(state), Status.REVOKED, now=NOW + 20)
    assert wait(fresh).until == NOW + 25
    step = act(replace(fresh, now=NOW + 30))
    assert (step.journal.state, step.journal.error) == (State.IDLE, "the new key is revoked")


@pytest.mark.parametrize("status", NOT_MENDED)
def test_a_published_key_that_is_refused_for_what_no_key_mends_waits_for_a_person(status: Status) -> None:
    waits = wait(situation(under_way(State.GRACE), status, now=NOW + DAY))
    assert status.value in waits.why


# --- how the account is reached ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", NOT_MENDED)
def test_nobody_logs_in_for_a_cause_that_no_key_mends(status: Status) -> None:
    assert "nobody logs in" in wait(situation(under_way(State.INTENT), status)).why


def test_nobody_logs_in_where_the_owner_allows_no_login_though_there_is_a_password() -> None:
    waits = wait(situation(under_way(State.INTENT), Status.REVOKED, policy=BY_RENEWAL, password=PASSWORD))
    assert "no password to log in with" in waits.why


def test_the_key_of_the_secret_and_foreign_keys_are_never_deleted() -> None:
    pending = under_way(State.INTENT)
    held = situation(pending, token_id=NEW, keys=(Key(NEW),))
    assert act(held).effect is None
    foreign = situation(replace(pending, owned=(OLD,)), keys=(Key(NEW),))
    assert act(foreign).effect is None


def test_nothing_is_deleted_while_the_secret_cannot_be_read() -> None:
    unread = situation(under_way(State.INTENT), readable=False, token=None, token_id=None, keys=(Key(NEW),))
    assert "nothing is deleted" in wait(unread).why


# --- clocks ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_a_clock_that_was_put_back_is_taken_in_first(state: State) -> None:
    journal = under_way(state) if state is not State.IDLE else at_rest(entered_at=NOW)
    step = act(situation(journal, now=NOW - DAY))
    assert step == Act(journal.after_a_clock_jump(NOW - DAY))
    assert not isinstance(decide(situation(step.journal, now=NOW - DAY)), Act) or step.journal.entered_at <= NOW


@pytest.mark.parametrize("since", [NOW - 10.0, NOW - DAY])
def test_a_clock_that_was_put_back_lets_no_old_key_wait_for_the_next_look_at_consumers(since: float) -> None:
    policy = replace(WATCHED, grace=30 * 86_400.0)
    looked = under_way(State.GRACE, since, retry_at=NOW + 30.0)
    put_back = situation(looked, policy=policy, now=NOW - 3600.0)
    mended = act(put_back).journal
    later = replace(put_back, journal=mended, now=NOW - 3600.0 + 120.0)
    assert isinstance(effect(later), LookAtConsumers)


@pytest.mark.parametrize("state", State)
def test_a_clock_that_was_put_forward_is_taken_in_first(state: State) -> None:
    journal = under_way(state) if state is not State.IDLE else at_rest(entered_at=NOW)
    step = act(situation(journal, now=NOW + DAY, leap=DAY))
    assert step == Act(journal.after_a_leap(DAY, NOW + DAY))


def test_a_clock_that_was_put_forward_ends_no_grace_period() -> None:
    grace = under_way(State.GRACE)
    moved = act(situation(grace, now=NOW + DAY, leap=DAY)).journal
    assert isinstance(wait(situation(moved, now=NOW + DAY)), Wait)


def test_every_state_has_its_function() -> None:
    assert list(STATES) == list(State)


def test_no_state_but_idle_begins_anything() -> None:
    for state in set(State) - {State.IDLE}:
        for status in Status:
            step = decide(situation(under_way(state), status, demanded=True))
            assert not isinstance(step, Act) or not isinstance(step.effect, Mint)


def test_six_hours_is_the_longest_pause() -> None:
    assert LONGEST_PAUSE == 6 * 3600.0


def test_a_new_key_that_somebody_deletes_is_replaced_at_once_and_the_second_time_after_a_pause() -> None:
    deleted = situation(under_way(State.GRACE), Status.REVOKED, now=NOW + 30)
    assert act(deleted).journal.retry_at == NOW + 30
    again = replace(deleted, journal=under_way(State.GRACE, failures=1))
    assert act(again).journal.retry_at == NOW + 30 + 60
    third = replace(deleted, journal=under_way(State.GRACE, failures=2))
    assert act(third).journal.retry_at == NOW + 30 + 120


def test_consumers_that_were_not_restarted_are_waited_for_where_nobody_may_see_them() -> None:
    blind = learned(
        under_way(State.GRACE, not_restarted="not permitted"), LookAtConsumers(NEW, NOW, decides=True), Consumers(None)
    )
    assert blind.state is State.GRACE
    assert blind.old_consumers == ("consumers that were not restarted, and whose pods may not be seen",)
    assert blind.told_at == NOW


def test_a_key_that_was_given_up_right_after_it_was_made_is_not_forgotten_where_a_list_leaves_it_out() -> None:
    given_up = act(situation(under_way(State.MINTED), token_id=FOREIGN)).journal
    assert given_up.state is State.IDLE
    swept = replace(given_up, owned=(NEW,), current=FOREIGN, sweep_at=0.0)
    by_a_replica_that_lags = (Key(FOREIGN),)
    assert wait(situation(swept, token_id=FOREIGN, keys=by_a_replica_that_lags))
    later = situation(swept, token_id=FOREIGN, keys=by_a_replica_that_lags, now=NOW + TOMBSTONE_LASTS)
    assert act(later).journal.owned == ()


def test_where_replicas_do_not_agree_about_a_token_no_keys_are_made_one_after_the_other() -> None:
    adopted = act(situation(under_way(State.MINTED), token_id=FOREIGN)).journal
    refused_again = situation(adopted, Status.REVOKED, token_id=FOREIGN)
    assert wait(refused_again) == Wait(NOW + FIRST_PAUSE, "after another token had taken the place of ours")
