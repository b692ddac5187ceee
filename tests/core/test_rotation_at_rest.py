"""A rotation at rest: when one begins and with what, what is adopted, swept, and left to another writer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from monitor.core.budget import LoginBudget, charge, refuse
from monitor.core.effects import (
    Access,
    Delete,
    Done,
    ListKeys,
    Mint,
    Refused,
    Unknown,
)
from monitor.core.journal import Journal, Purpose, State, Tombstone
from monitor.core.model import Key
from monitor.core.rotation.endings import pause_after
from monitor.core.rotation.learning import learn
from monitor.core.rotation.limits import (
    FIRST_PAUSE,
    MAX_VANISHED,
    RETRY,
    REVERTS_LAST,
    SWEEP_EVERY,
    TOMBSTONE_LASTS,
    VANISHING_LASTS,
)
from monitor.core.rotation.situation import Situation, Wait
from monitor.core.status import Status

from tests.core.rotation_samples import (
    BY_PASSWORD,
    BY_RENEWAL,
    FOREIGN,
    MENDED,
    NOT_MENDED,
    OLD,
    OLD_TOKEN,
    PASSWORD,
    UNTOLD,
    act,
    at_rest,
    effect,
    holding_foreign,
    situation,
    under_way,
    wait,
)
from tests.core.samples import DAY, NOW

LIST = ListKeys("ci", Access.LIVE_KEY)


# --- at rest: a rotation begins --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", MENDED)
def test_a_refused_key_is_replaced_with_a_login_that_is_counted_before_it_is_sent(status: Status) -> None:
    step = act(situation(status=status))
    assert step.effect == Mint("ci", "tm-fresh", None, Access.LOGIN)
    assert step.journal.state is State.INTENT
    assert step.journal.logins.failures == (NOW,)
    assert step.journal.owned == (OLD, "tm-fresh")


def test_a_token_of_another_account_makes_no_key_of_the_right_one_so_that_takes_a_login() -> None:
    step = act(situation(status=Status.WRONG_ACCOUNT, demanded=True))
    assert step.effect == Mint("ci", "tm-fresh", None, Access.LOGIN)


def test_a_live_key_makes_its_own_successor_without_a_login() -> None:
    step = act(situation(demanded=True))
    assert step.effect == Mint("ci", "tm-fresh", None, Access.LIVE_KEY)
    assert step.journal.logins == LoginBudget()
    assert (step.journal.old_id, step.journal.old_live) == (OLD, True)


@pytest.mark.parametrize("demanded", [False, True])
@pytest.mark.parametrize("status", NOT_MENDED)
def test_a_cause_that_a_key_does_not_mend_never_leads_to_one(status: Status, demanded: bool) -> None:
    waits = wait(situation(status=status, demanded=demanded))
    assert status.value in waits.why


@pytest.mark.parametrize("status", [*UNTOLD, None])
def test_nothing_is_changed_while_it_cannot_be_told(status: Status | None) -> None:
    waits = wait(situation(status=status, demanded=True))
    assert "not known" in waits.why
    assert waits.until == NOW + FIRST_PAUSE


def test_nothing_is_changed_while_the_secret_cannot_be_read() -> None:
    unreadable = {"readable": False, "token": None, "token_id": None, "version": None, "status": None}
    wait(situation(demanded=True, **unreadable))
    assert "cannot be read" in wait(situation(status=Status.MISSING, readable=False)).why


def test_the_first_key_is_made_where_there_is_no_secret() -> None:
    step = act(situation(Journal(account="ci"), Status.MISSING, version=None))
    assert isinstance(step.effect, Mint)
    assert (step.journal.old_id, step.journal.old_live) == (None, False)


def test_a_key_of_the_configured_lifetime_is_made() -> None:
    policy = replace(BY_PASSWORD, expires_in=86_400)
    assert effect(situation(demanded=True, policy=policy)) == Mint("ci", "tm-fresh", 86_400, Access.LIVE_KEY)


def test_without_a_password_the_new_key_lives_as_long_as_the_one_before() -> None:
    times = {"issued_at": NOW - 25 * DAY, "expires_at": NOW + 5 * DAY}
    renewed = effect(situation(status=Status.EXPIRING, policy=BY_RENEWAL, password=None, **times))
    assert renewed == Mint("ci", "tm-fresh", 30 * 86_400, Access.LIVE_KEY)
    minted = effect(situation(status=Status.EXPIRING, **times))
    told = replace(BY_RENEWAL, expires_in=86_400)
    configured = effect(situation(status=Status.EXPIRING, policy=told, password=None, **times))
    assert configured == Mint("ci", "tm-fresh", 86_400, Access.LIVE_KEY), "where no other lifetime is configured"
    assert minted == Mint("ci", "tm-fresh", None, Access.LIVE_KEY)


def test_a_drills_key_ends_by_itself() -> None:
    step = act(situation(policy=replace(BY_PASSWORD, drill_every=DAY)))
    assert step.journal.purpose is Purpose.DRILL
    assert step.effect == Mint("ci", "tm-fresh", 3600, Access.LIVE_KEY)


@pytest.mark.parametrize(("expires_in", "lives"), [(None, 3600), (int(30 * DAY), 3600), (1800, 1800)])
def test_a_drills_key_lives_an_hour_however_long_the_keys_in_use_live(expires_in: int | None, lives: int) -> None:
    step = act(situation(policy=replace(BY_PASSWORD, drill_every=DAY, expires_in=expires_in)))
    assert step.journal.purpose is Purpose.DRILL
    assert isinstance(step.effect, Mint)
    assert step.effect.expires_in == lives


@pytest.mark.parametrize("known", ["owned", "current", "replaced", "left_alone", "tombstones"])
def test_an_id_is_never_used_twice(known: str) -> None:
    values: dict[str, Any] = {
        "owned": {"owned": ("tm-fresh", OLD)},
        "tombstones": {"tombstones": (Tombstone("tm-fresh", NOW),)},
    }.get(known, {known: "tm-fresh"})
    assert "must be new" in wait(holding_foreign(situation(at_rest(**values)), Status.REVOKED)).why


def test_with_three_keys_that_may_live_none_is_made_before_one_is_gone() -> None:
    full = at_rest(owned=(OLD, "tm-a", "tm-b"), sweep_at=NOW + 60)
    assert "3 keys" in wait(situation(full, demanded=True)).why
    listed = replace(full, sweep_at=0.0)
    assert effect(situation(listed, Status.REVOKED)) == ListKeys("ci", Access.LOGIN)


def test_a_missing_account_is_asked_for() -> None:
    nobody = situation(
        Journal(current=OLD), policy=replace(BY_RENEWAL, account=None), account=None, unrenewable="no way: do this"
    )
    assert wait(nobody).why == "no way: do this"
    assert wait(replace(nobody, demanded=True)).why == "no way: do this"


def test_without_password_and_live_key_it_waits_for_a_person() -> None:
    assert "put a new token there" in wait(situation(status=Status.REVOKED, policy=BY_RENEWAL, password=None)).why
    assert "no password" in wait(situation(status=Status.REVOKED, password=None)).why
    lacking = situation(status=Status.REVOKED, password=None, no_password="Secret a/pw does not exist: make it")
    assert wait(lacking).why.endswith("log in with: Secret a/pw does not exist: make it")


def test_a_refused_password_waits_for_its_hour_or_for_another_one() -> None:
    logins = refuse(charge(LoginBudget(), NOW - 1800), PASSWORD, NOW - 1800)
    refused = situation(at_rest(logins=logins), Status.REVOKED)
    assert wait(refused).until == NOW + 1800
    assert wait(refused).why.endswith(
        "the password was refused, and is tried again when it changes, or an hour after: correct it"
    )
    assert isinstance(effect(replace(refused, password="another")), Mint)


def test_after_a_failure_it_waits_unless_a_person_asks() -> None:
    failed = at_rest(failures=1, retry_at=NOW + 60, error="no room")
    assert wait(situation(failed, Status.REVOKED)) == Wait(NOW + 60, "after a failure: no room")
    assert isinstance(effect(situation(failed, Status.REVOKED, demanded=True)), Mint)


def test_a_drill_that_failed_holds_up_no_replacement() -> None:
    failed = at_rest(failures=1, retry_at=NOW + 60, error="no room", purpose=Purpose.DRILL)
    assert isinstance(effect(situation(failed, Status.REVOKED)), Mint)
    drilling = situation(failed, policy=replace(BY_PASSWORD, drill_every=DAY))
    assert isinstance(wait(drilling), Wait)


def test_the_pauses_after_failures_double_from_a_minute_to_six_hours() -> None:
    assert [pause_after(n) / 60 for n in (1, 2, 3, 8, 9, 10, 1000)] == [1, 2, 4, 128, 256, 360, 360]


def test_a_failure_is_forgotten_once_nothing_is_to_be_done() -> None:
    step = act(situation(at_rest(failures=3, retry_at=NOW + 60, error="no room")))
    assert (step.journal.failures, step.journal.error, step.journal.retry_at) == (0, "", 0.0)
    assert step.effect is None


def test_at_rest_it_looks_again_within_five_minutes_and_when_the_key_is_due() -> None:
    assert wait(situation()) == Wait(NOW + SWEEP_EVERY)
    soon = situation(issued_at=NOW - 199.0, expires_at=NOW + 101.0)
    assert wait(soon).until == NOW + 1.0


# --- at rest: other writers, keys that nobody uses ---------------------------------------------------------------------


def test_a_token_of_another_writer_that_works_is_adopted_and_ours_is_spared_for_a_while() -> None:
    step = act(holding_foreign(situation()))
    assert step.effect is None
    assert step.journal.current == FOREIGN
    assert step.journal.sweep_at == NOW + BY_PASSWORD.grace
    assert step.journal.overtaken_at == NOW


def test_the_first_token_that_is_found_is_adopted_without_more() -> None:
    step = act(holding_foreign(situation(Journal(account="ci"))))
    assert step.journal == Journal(account="ci", current=FOREIGN)


def test_what_we_had_replaced_counts_as_an_undone_write_when_it_comes_back() -> None:
    step = act(holding_foreign(situation(at_rest(replaced=FOREIGN))))
    assert (step.journal.reverts, step.journal.reverted_at, step.journal.overtaken_at) == (1, NOW, 0.0)


def test_a_token_that_does_not_work_in_place_of_ours_is_replaced_once_then_left() -> None:
    undone = at_rest(entered_at=NOW - DAY)
    once = act(holding_foreign(situation(undone), Status.REVOKED))
    assert isinstance(once.effect, Mint)
    assert once.journal.reverts == 1
    again = replace(undone, reverts=1, reverted_at=NOW - DAY)
    twice = act(holding_foreign(situation(again, writer="Argo CD (argocd-controller)"), Status.REVOKED))
    assert twice.effect is None
    assert twice.journal.stood_down.startswith("Argo CD (argocd-controller) undid our write of the Secret 2 times")
    assert "ignoreDifferences" in twice.journal.stood_down
    assert twice.journal.stood_down.endswith("`token-monitor rotate TARGET`")


def test_a_dead_token_in_place_of_one_that_was_not_ours_undoes_nothing() -> None:
    theirs = at_rest(current="theirs", entered_at=NOW - DAY)
    assert act(holding_foreign(situation(theirs), Status.REVOKED)).journal.reverts == 0


def test_undone_writes_of_long_ago_do_not_count() -> None:
    long_ago = at_rest(entered_at=NOW - DAY, reverts=1, reverted_at=NOW - REVERTS_LAST - 1)
    step = act(holding_foreign(situation(long_ago), Status.REVOKED))
    assert isinstance(step.effect, Mint)
    assert step.journal.reverts == 1


def deleted_again(vanished: int, since: float, **changes: Any) -> Situation:
    """Our key is gone from Argo CD, so many seconds after it came; that many before it went the same way."""
    return situation(at_rest(rotated_at=NOW - since, vanished=vanished), Status.REVOKED, **changes)


def test_keys_that_somebody_deletes_are_replaced_at_once_a_few_times() -> None:
    for before in range(MAX_VANISHED):
        step = act(deleted_again(before, 10.0))
        assert isinstance(step.effect, Mint)
        assert step.journal.vanished == before + 1


@pytest.mark.parametrize("further", range(1, 5))
def test_keys_that_vanish_again_and_again_are_replaced_ever_more_rarely_and_that_is_told(further: int) -> None:
    pause = pause_after(further)
    before = MAX_VANISHED + further - 1
    step = act(deleted_again(before, pause - 1.0))
    assert step.effect is None
    assert (step.journal.failures, step.journal.retry_at) == (1, NOW + 1.0)
    assert "argocd-secret" in step.journal.error
    waiting = wait(situation(step.journal, Status.REVOKED))
    assert (waiting.until, step.journal.error in waiting.why) == (NOW + 1.0, True)
    assert isinstance(act(deleted_again(before, pause)).effect, Mint)


def test_whoever_asks_for_a_key_gets_one_however_many_vanished() -> None:
    assert isinstance(act(deleted_again(9, 10.0, demanded=True)).effect, Mint)


def test_a_deleted_key_that_was_not_ours_is_not_one_that_vanishes() -> None:
    theirs = at_rest(current=FOREIGN, rotated_at=NOW - 10.0, vanished=MAX_VANISHED)
    step = act(holding_foreign(situation(theirs), Status.REVOKED))
    assert (type(step.effect), step.journal.vanished) == (Mint, 0)


def test_a_key_that_was_in_use_for_long_is_not_one_that_vanishes() -> None:
    step = act(deleted_again(9, VANISHING_LASTS))
    assert isinstance(step.effect, Mint)
    assert step.journal.vanished == 0


def test_a_new_password_beside_a_vanished_key_asks_for_no_pause_after_pause() -> None:
    """The budget lets another password in at once; the pause holds all the same, and is noted once."""
    refused = refuse(LoginBudget(), "another", NOW - 1000.0)
    journal = replace(act(deleted_again(9, 10.0)).journal, logins=refused)
    assert isinstance(wait(situation(journal, Status.REVOKED)), Wait)


def test_who_stood_down_does_nothing_and_says_why() -> None:
    stood_down = at_rest(stood_down="Argo CD undid it: do this", current=FOREIGN, owned=())
    for status in (Status.VALID, Status.REVOKED):
        refused = holding_foreign(situation(stood_down), status)
        assert wait(refused) == Wait(NOW + SWEEP_EVERY, "Argo CD undid it: do this")


def test_a_stand_down_ends_when_a_person_asks() -> None:
    stood_down = at_rest(stood_down="Argo CD undid it", current=FOREIGN, reverts=2, reverted_at=NOW - 60)
    step = act(holding_foreign(situation(stood_down, demanded=True), Status.REVOKED))
    assert isinstance(step.effect, Mint)
    assert (step.journal.stood_down, step.journal.reverts) == ("", 0)


def test_a_stand_down_ends_when_another_token_works() -> None:
    stood_down = at_rest(stood_down="Argo CD undid it", current="put back", reverts=2, failures=1, error="undone")
    step = act(holding_foreign(situation(stood_down)))
    assert step.journal.current == FOREIGN
    assert (step.journal.stood_down, step.journal.reverts, step.journal.failures, step.journal.error) == ("", 0, 0, "")


def test_a_stand_down_does_not_end_with_a_token_of_another_account() -> None:
    stood_down = at_rest(stood_down="Argo CD undid it", current="put back")
    assert wait(holding_foreign(situation(stood_down), Status.WRONG_ACCOUNT)).why == "Argo CD undid it"


def test_a_token_that_was_put_back_dead_and_works_later_ends_the_stand_down() -> None:
    back = situation(under_way(State.GRACE, reverts=1, reverted_at=NOW), Status.REVOKED, token=OLD_TOKEN, token_id=OLD)
    stood_down = act(back).journal
    assert stood_down.stood_down
    assert stood_down.current is None
    works = situation(stood_down, now=NOW + DAY)
    assert act(works).journal.stood_down == ""


def test_a_token_that_was_put_back_alive_keeps_the_stand_down() -> None:
    back = situation(under_way(State.GRACE, reverts=1, reverted_at=NOW), token=OLD_TOKEN, token_id=OLD)
    stood_down = act(back).journal
    assert (bool(stood_down.stood_down), stood_down.current) == (True, OLD)
    still = replace(situation(stood_down, now=NOW + 60), keys=None)
    assert wait(still).why == stood_down.stood_down


def test_keys_of_ours_that_nobody_uses_are_listed_then_deleted() -> None:
    leftover = situation(at_rest(owned=(OLD, "tm-left")))
    assert effect(leftover) == LIST
    listed = replace(leftover, keys=(Key(OLD), Key("tm-left"), Key("not ours")))
    assert effect(listed) == Delete("ci", "tm-left", Access.LIVE_KEY)


def test_a_key_that_a_proxy_may_leave_out_of_its_cached_list_is_forgotten_only_once_argo_cd_says_that_it_is_gone() -> (
    None
):
    listed_from_before_it_was_made = situation(at_rest(owned=(OLD, "tm-left")), keys=(Key(OLD), Key("not ours")))
    step = act(listed_from_before_it_was_made)
    assert step.effect == Delete("ci", "tm-left", Access.LIVE_KEY)
    assert step.journal.owned == (OLD, "tm-left")
    assert learn(step.journal, step.effect, Unknown("no answer"), NOW).owned == (OLD, "tm-left")
    assert learn(step.journal, step.effect, Done(), NOW).owned == (OLD,)


def test_keys_that_are_gone_make_room_at_once_where_a_token_is_to_be_replaced() -> None:
    full = at_rest(owned=(OLD, "tm-a", "tm-b"), sweep_at=NOW + 60)
    step = act(situation(full, Status.REVOKED, keys=(Key(OLD), Key("tm-b"))))
    assert (step.effect, step.journal.owned) == (None, (OLD, "tm-b"))


def test_a_key_that_may_still_come_is_kept_in_mind_until_it_cannot() -> None:
    stone = at_rest(owned=(OLD, "tm-lost"), tombstones=(Tombstone("tm-lost", NOW - 60),))
    assert wait(situation(stone, keys=(Key(OLD),))) == Wait(NOW + SWEEP_EVERY)
    later = replace(stone, tombstones=(Tombstone("tm-lost", NOW - TOMBSTONE_LASTS),))
    assert act(situation(later, keys=(Key(OLD),))).journal == at_rest()
    assert effect(situation(stone, keys=(Key(OLD), Key("tm-lost")))) == Delete("ci", "tm-lost", Access.LIVE_KEY)


def test_nothing_is_swept_before_its_time_nor_without_a_live_key_nor_unseen() -> None:
    leftover = at_rest(owned=(OLD, "tm-left"))
    assert wait(situation(replace(leftover, sweep_at=NOW + 1)))
    assert wait(situation(leftover, Status.ACCOUNT_DISABLED))
    assert wait(situation(leftover, None, readable=False, token=None, token_id=None))


def test_the_key_that_the_secret_held_in_order_is_never_swept() -> None:
    emptied = situation(at_rest(owned=(OLD, "tm-a", "tm-b")), Status.MISSING, keys=(Key(OLD), Key("tm-a"), Key("tm-b")))
    assert effect(emptied) == Delete("ci", "tm-a", Access.LOGIN)


def test_keys_on_an_account_that_is_left_are_named_and_forgotten() -> None:
    step = act(situation(at_rest(owned=("tm-a", OLD)), account="deployer"))
    assert (step.journal.account, step.journal.owned) == ("deployer", ())
    assert (step.journal.left_alone, step.journal.left_account) == (OLD, "ci")


def test_of_several_keys_on_an_account_that_is_left_the_one_in_use_is_named() -> None:
    assert act(situation(at_rest(owned=(OLD, "tm-a")), account="deployer")).journal.left_alone == OLD


def test_an_account_without_keys_of_ours_is_left_without_a_word() -> None:
    assert act(situation(at_rest(owned=()), account="deployer")).journal == at_rest(owned=(), account="deployer")


@pytest.mark.parametrize("status", [None, *UNTOLD, *MENDED])
def test_an_account_that_cannot_be_told_now_is_not_left_and_no_key_on_it_is_forgotten(status: Status | None) -> None:
    nameless = situation(status=status, account=None, policy=replace(BY_PASSWORD, account=None))
    assert isinstance(wait(nameless), Wait)


def test_a_key_that_another_token_replaced_is_spared_for_as_long_as_consumers_are_waited_for() -> None:
    for waited_for in (replace(BY_PASSWORD, watch_consumers=True), replace(BY_PASSWORD, restart_consumers=True)):
        assert act(holding_foreign(situation(policy=waited_for))).journal.sweep_at == NOW + waited_for.longest_wait


@pytest.mark.parametrize("status", [Status.VALID, Status.REVOKED])
def test_a_clock_that_was_put_back_lets_no_unused_key_live_and_hold_up_a_new_one(status: Status) -> None:
    """Three keys may be alive, and until when they are spared was set by a clock that was a day ahead."""
    full = at_rest(owned=("tm-1", "tm-2", OLD), sweep_at=NOW + DAY + BY_PASSWORD.grace, entered_at=NOW - DAY)
    mended = act(situation(full, status)).journal
    later = NOW + max(BY_PASSWORD.grace, SWEEP_EVERY)
    asked = situation(mended, status, now=later, password=PASSWORD)
    assert isinstance(effect(asked), ListKeys)
    assert isinstance(effect(replace(asked, keys=tuple(Key(id_) for id_ in full.owned))), Delete)
    early = situation(mended, status, now=later - 1.0, keys=tuple(Key(id_) for id_ in full.owned))
    assert isinstance(wait(early), Wait)


def test_a_corrected_password_waits_for_no_pause_but_that_of_the_logins() -> None:
    logins = refuse(charge(LoginBudget(), NOW - 7200), PASSWORD, NOW - 7200)
    paused = situation(at_rest(logins=logins, failures=3, retry_at=NOW + 3600, error="refused"), Status.REVOKED)
    assert isinstance(wait(paused), Wait)
    assert isinstance(effect(replace(paused, password="another")), Mint)


def test_a_corrected_password_that_cannot_be_sent_is_tried_after_pauses_that_double_from_one_minute_to_five() -> None:
    logins = refuse(charge(LoginBudget(), NOW - 7200), "before", NOW - 7200)
    journal, now, pauses = at_rest(logins=logins), NOW, []
    for number in range(6):
        s = situation(journal, Status.MISSING, password=PASSWORD, now=now, nonce=f"n{number}")
        step = act(s)
        assert isinstance(step.effect, Mint)
        journal = learn(step.journal, step.effect, Refused("no connection"), now, PASSWORD)
        assert journal.logins == logins, "it was never sent"
        until = wait(replace(s, journal=journal)).until
        pauses.append(until - now)
        now = until
    assert pauses == [60, 120, 240, 300, 300, 300]


def test_a_corrected_password_that_another_target_kept_from_being_sent_is_tried_again_soon() -> None:
    logins = refuse(charge(LoginBudget(), NOW - 7200), "before", NOW - 7200)
    step = act(situation(at_rest(logins=logins, failures=8), Status.MISSING, password=PASSWORD))
    assert isinstance(step.effect, Mint)
    unsent = learn(step.journal, step.effect, Refused("busy", busy=True), NOW, PASSWORD)
    until = wait(situation(unsent, Status.MISSING, password=PASSWORD)).until
    assert NOW + RETRY <= until <= NOW + FIRST_PAUSE
    assert isinstance(effect(situation(unsent, Status.MISSING, password=PASSWORD, now=until)), Mint)


def test_keys_of_ours_that_are_gone_hold_up_no_new_one_though_nothing_may_be_deleted_yet() -> None:
    full = at_rest(owned=("tm-1", "tm-2", OLD), sweep_at=NOW + BY_PASSWORD.grace)
    listing = situation(full, Status.REVOKED)
    assert isinstance(effect(listing), ListKeys)
    gone = act(replace(listing, keys=()))
    assert gone.effect is None
    assert len(gone.journal.owned) < 3
    kept = replace(listing, keys=tuple(Key(id_) for id_ in full.owned))
    assert isinstance(wait(kept), Wait)


def test_a_login_that_is_refused_shortens_the_time_of_no_key_that_somebody_may_still_use() -> None:
    policy = replace(BY_PASSWORD, watch_consumers=True)
    spared = NOW + policy.spare
    full = at_rest(owned=(OLD, "tm-1", "tm-2"), current=FOREIGN, sweep_at=spared)
    needed = situation(full, Status.REVOKED, token_id=FOREIGN, policy=policy)
    step = act(needed)
    assert isinstance(step.effect, ListKeys)
    journal = learn(step.journal, step.effect, Refused("wrong password", login=True), NOW, PASSWORD)
    keys = tuple(Key(id_) for id_ in full.owned)
    listed = replace(needed, journal=journal, password="corrected", keys=keys, now=spared - 1)
    assert isinstance(wait(listed), Wait), "until then it was promised to whoever runs with it"
    assert effect(replace(listed, now=spared)) == Delete("ci", OLD, Access.LOGIN)


def test_a_list_that_fails_where_three_keys_may_be_alive_is_not_asked_for_again_at_once() -> None:
    full = at_rest(owned=(OLD, "tm-1", "tm-2"))
    needed = situation(full, Status.REVOKED, password=PASSWORD)
    step = act(needed)
    assert isinstance(step.effect, ListKeys)
    failed = learn(step.journal, step.effect, Refused("no connection"), NOW, PASSWORD)
    assert wait(situation(failed, Status.REVOKED, password=PASSWORD)).until >= NOW + FIRST_PAUSE
    assert isinstance(act(situation(failed, Status.REVOKED, password=PASSWORD, now=NOW + 400)).effect, ListKeys)
