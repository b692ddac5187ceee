"""What the fleet shows over time: no false refusal, no false calm, and a change is known soon."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace

import pytest
from monitor.core.model import Expectation, FaultKind, Mode, Reply
from monitor.core.secret import Secret
from monitor.ports import Credential
from structlog.testing import capture_logs

from tests.services.fleet_driver import World, in_virtual_time
from tests.virtual_time import EPOCH

INTERVAL = 15.0


def test_a_revocation_is_known_within_the_interval_and_five_seconds() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        for round_ in range(8):
            await world.until(40.0 * (round_ + 1) + round_)
            key = world.sources["a"].credential.token
            assert world.status("a") == "valid"
            assert key is not None
            world.argocd.revoke_key("ci", "a" if round_ == 0 else f"a{round_}")
            revoked = world.clock.monotonic()
            await world.until(revoked + INTERVAL + 5.0)
            assert world.status("a") == "revoked"
            world.sources["a"].credential = Credential(Secret(world.argocd.mint_key("ci", f"a{round_ + 1}")))
            world.fleet.trigger("a")

    in_virtual_time(story)


def test_a_healthy_token_is_called_refused_only_after_a_second_refusal_a_second_later() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        await world.until(5.0)
        world.argocd.revoke_key("ci", "a")
        await world.until(40.0)
        refused = [at for at, _, status in world.shown if status == "revoked"]
        before = max(at for at, _, status in world.shown if status == "valid")
        assert refused[0] - before == pytest.approx(1.0, abs=0.1)

    in_virtual_time(story)


def test_at_start_one_refusal_is_enough() -> None:
    async def story(world: World) -> None:
        target = world.target("a")
        world.argocd.revoke_key("ci", "a")
        world.fleet.set_targets([target])
        await world.until(0.5)
        assert world.statuses("a") == ["revoked"]

    in_virtual_time(story)


def test_one_lagging_answer_never_shows_a_refusal() -> None:
    """A replica that does not know the key yet: here it is taken away for one check, and given back."""

    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        await world.until(5.0)
        world.argocd.revoke_key("ci", "a")
        while world.servers["a"].asked[-1][0] < 5.0:
            await world.until(world.clock.monotonic() + 0.1)
        assert world.fleet.sight("a") is None, "a suspicion is nothing to rotate for"
        world.argocd.mint_key("ci", "a")
        await world.until(100.0)
        assert world.statuses("a") == ["valid"]

    in_virtual_time(story)


@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_never_shows_a_refusal_and_recovery_is_shown(kind: FaultKind) -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        await world.until(5.0)
        world.servers["a"].fault = kind
        await world.until(300.0)
        report = world.fleet.report("a")
        assert report is not None
        assert report.verdict.accepted is None
        assert report.told is not None
        assert report.told.accepted is True
        world.servers["a"].fault = None
        await world.until(400.0)
        assert world.statuses("a")[0] == "valid"
        assert world.statuses("a")[-1] == "valid"
        assert len(world.statuses("a")) == 3

    in_virtual_time(story)


def test_a_trigger_leads_to_a_check_at_once() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=600.0)])
        await world.until(100.0)
        world.sources["a"].credential = Credential(Secret("not a token"))
        world.fleet.trigger("a")
        await world.until(101.5)
        assert world.status("a") == "malformed"

    in_virtual_time(story)


def test_what_is_heard_of_a_target_that_is_gone_disturbs_nobody() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        world.fleet.trigger("gone")
        world.fleet.changed("gone")
        await world.until(31.0)
        assert world.status("a") == "valid"
        assert world.fleet.shown("gone") is world.fleet.sight("gone") is world.fleet.report("gone") is None

    in_virtual_time(story)


def test_a_trigger_during_a_check_leads_to_one_more() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=600.0)])
        await world.until(100.0)
        world.servers["a"].hang = 3.0
        world.fleet.trigger("a")
        await world.until(101.0)
        world.sources["a"].credential = Credential(None, "Secret x does not exist")
        world.fleet.trigger("a")
        world.fleet.trigger("a")
        await world.until(110.0)
        assert world.status("a") == "missing"

    in_virtual_time(story)


def test_the_memory_of_other_targets_survives_a_new_configuration() -> None:
    async def story(world: World) -> None:
        a, b = world.target("a"), world.target("b")
        world.fleet.set_targets([a, b])
        await world.until(50.0)
        before = world.fleet.report("a")
        world.servers["b"].hang = 5.0
        world.fleet.trigger("b")
        await world.until(51.0)
        assert running("b")
        world.fleet.set_targets([world.target("a"), world.target("c")])
        await world.until(52.0)
        assert not running("b"), "its check was ended with it"
        after = world.fleet.report("a")
        assert before is not None
        assert after is not None
        assert after.since == before.since
        assert after.checks >= before.checks
        assert world.fleet.report("b") is None
        assert world.status("c") == "valid"
        await world.until(60.0)
        assert [r.name for r in world.fleet.reports()] == ["a", "c"]

    in_virtual_time(story)


def test_a_changed_target_is_checked_anew() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        await world.until(50.0)
        world.servers["a"].hang = 5.0
        world.fleet.trigger("a")
        await world.until(51.0)
        world.servers["a"].hang = 0.0
        changed = replace(world.target("a", expected=Expectation(account="admin")), settings="changed")
        world.fleet.set_targets([changed])
        await world.until(52.0)
        assert not running("a"), "nobody waits for the answer to the old question"
        assert world.status("a") == "wrong_account"

    in_virtual_time(story)


def test_what_is_known_of_a_token_survives_another_interval() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a"), world.target("b")])
        await world.until(20.0)
        world.argocd.revoke_key("ci", "b")
        await world.until(50.0)
        before = {report.name: report for report in world.fleet.reports()}
        assert [before[name].verdict.status.value for name in "ab"] == ["valid", "revoked"]
        world.fleet.set_targets([world.target("a", interval=20.0), world.target("b", interval=20.0)])
        for name in "ab":
            after = world.fleet.report(name)
            assert after is not None
            assert (after.verdict, after.since, after.told) == (
                before[name].verdict,
                before[name].since,
                before[name].told,
            )
            assert (after.checks, after.history) == (before[name].checks, before[name].history)
        await world.until(51.0)
        assert world.fleet.report("a").checks == before["a"].checks + 1, "and it is checked soon"  # type: ignore[union-attr]
        assert world.fleet.report("b").since == before["b"].since  # type: ignore[union-attr]

    in_virtual_time(story)


def test_keys_of_others_stay_told_between_looks_at_the_account_and_after_a_reload() -> None:
    async def story(world: World) -> None:
        rotated = Expectation(mode=Mode.PASSWORD, account="ci")
        world.argocd.mint_key("ci", "laptop")
        world.fleet.set_targets([world.target("tm-a", expected=rotated), world.target("b")])
        assert world.fleet.report("tm-a").other_keys is None  # type: ignore[union-attr]
        for seconds in (50.0, 60.0):
            await world.until(seconds)
            assert world.fleet.report("tm-a").other_keys == 2  # type: ignore[union-attr]
            assert world.fleet.report("b").other_keys is None, "in token mode nobody counts"  # type: ignore[union-attr]
            world.fleet.set_targets([world.target("tm-a", interval=20.0, expected=rotated), world.target("b")])
        world.argocd.revoke_key("ci", "laptop")
        await world.until(400.0)
        assert world.fleet.report("tm-a").other_keys == 1  # type: ignore[union-attr]

    in_virtual_time(story)


def test_a_lagging_answer_right_after_a_reload_refuses_nobody() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        await world.until(50.0)
        world.argocd.revoke_key("ci", "a")
        world.fleet.set_targets([world.target("a", interval=20.0)])
        await world.until(50.5)
        assert world.status("a") == "valid", "a token that worked is refused by two looks"
        await world.until(53.0)
        assert world.status("a") == "revoked"

    in_virtual_time(story)


@pytest.mark.parametrize("moved", ["server", "where"])
def test_of_another_server_or_credential_nothing_is_known_yet(moved: str) -> None:
    async def story(world: World) -> None:
        target = world.target("a")
        world.fleet.set_targets([target])
        await world.until(50.0)
        other = {"server": "https://other.example"}
        if moved == "where":
            other = {"expected": replace(target.expected, where="another Secret")}  # type: ignore[dict-item]
        world.fleet.set_targets([replace(target, settings=moved, **other)])  # type: ignore[arg-type]
        assert world.status("a") == "pending"

    in_virtual_time(story)


def test_a_control_that_is_let_through_is_cannot_tell_until_it_is_refused_again() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=10.0)])
        world.servers["a"].answer = Reply(200, b'{"loggedIn":true,"username":"ci","iss":"argocd"}')
        await world.until(200.0)
        assert world.statuses("a") == ["not_argocd"]
        world.servers["a"].answer = None
        await world.until(300.0)
        assert world.statuses("a") == ["not_argocd", "valid"]

    in_virtual_time(story)


def test_a_source_that_cannot_be_read_keeps_the_last_value_and_says_so() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=5.0)])
        await world.until(20.0)
        token = world.sources["a"].credential.token
        world.sources["a"].credential = Credential(token, "the Kubernetes API does not answer", readable=False)
        await world.until(40.0)
        report = world.fleet.report("a")
        assert report is not None
        assert (report.verdict.status.value, report.problem) == ("valid", "the Kubernetes API does not answer")
        world.sources["a"].credential = Credential(token)
        await world.until(60.0)

    with capture_logs() as lines:
        in_virtual_time(story)
    said = [line["event"] for line in lines if "credential source" in line["event"]]
    assert said == ["credential source", "nothing is wrong with the credential source any more"]


def test_a_source_that_was_never_read_is_pending_and_no_refusal() -> None:
    async def story(world: World) -> None:
        target = world.target("a")
        world.sources["a"].credential = Credential(None, "forbidden", readable=False)
        world.fleet.set_targets([target])
        await world.until(50.0)
        assert world.statuses("a") == ["pending"]

    in_virtual_time(story)


def test_a_missing_permission_stays_told_between_full_checks() -> None:
    async def story(world: World) -> None:
        expected = Expectation(account="ci", permissions=("applications/delete/*/*",))
        world.fleet.set_targets([world.target("a", interval=5.0, expected=expected)])
        await world.until(200.0)
        assert world.statuses("a") == ["insufficient_permissions"]

    in_virtual_time(story)


def test_a_defect_of_the_checker_says_nothing_of_the_token_and_stops_nobody() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=5.0), world.target("b", interval=5.0)])
        await world.until(20.0)
        world.sources["a"].credential = None  # type: ignore[assignment]
        await world.until(40.0)
        assert world.status("a") == "valid"
        world.sources["a"].credential = Credential(Secret("x"))
        await world.until(60.0)
        assert world.status("a") == "malformed"
        assert world.status("b") == "valid"

    in_virtual_time(story)


def test_a_defect_of_the_listener_stops_no_checks() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=5.0)])
        await world.until(20.0)
        noted, world.checked = world.checked, None  # type: ignore[assignment,method-assign]
        await world.until(40.0)
        world.checked = noted  # type: ignore[method-assign]
        world.argocd.revoke_key("ci", "a")
        await world.until(60.0)
        assert world.status("a") == "revoked"

    in_virtual_time(story)


def test_reports_are_in_the_order_of_the_newest_configuration() -> None:
    async def story(world: World) -> None:
        for names in (["a", "c"], ["c", "b", "a"], ["b", "a"]):
            world.fleet.set_targets([world.target(name) for name in names])
            await world.until(world.clock.monotonic() + 5.0)
            assert [report.name for report in world.fleet.reports()] == names

    in_virtual_time(story)


def test_it_ends_in_time_while_checks_hang() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a"), world.target("b")])
        world.servers["a"].hang = 1000.0
        await world.until(5.0)
        await world.fleet.close(1.0)
        assert world.clock.monotonic() < 6.5
        asked = [len(world.servers[name].asked) for name in "ab"]
        world.pause_until(1000.0)
        world.fleet.trigger("a")
        await world.until(60.0)
        await world.fleet.dispatch()
        await world.until(61.0)
        assert [len(world.servers[name].asked) for name in "ab"] == asked
        assert "a" not in {name for _, name, _ in world.shown}

    in_virtual_time(story)


def test_what_the_rotation_is_told_is_the_verdict_and_the_token_that_it_is_about() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        assert world.fleet.sight("a") is None, "nobody has looked yet"
        assert world.fleet.sight("nobody") is None
        await world.until(5.0)
        sight = world.fleet.sight("a")
        token = world.sources["a"].credential.token
        assert sight is not None
        assert token is not None
        assert (sight.verdict.status.value, sight.fingerprint) == ("valid", token.fingerprint())
        world.argocd.revoke_key("ci", "a")
        await world.until(30.0)
        sight = world.fleet.sight("a")
        assert sight is not None
        assert (sight.verdict.status.value, sight.fingerprint) == ("revoked", token.fingerprint())

    in_virtual_time(story)


def test_a_report_counts_checks_and_those_that_could_not_tell() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a", interval=10.0)])
        await world.until(25.0)
        world.servers["a"].fault = FaultKind.TIMEOUT
        await world.until(100.0)
        report = world.fleet.report("a")
        assert report is not None
        failed = [status for _, _, status in world.shown if status == "unreachable"]
        assert failed
        assert report.checks == len(world.shown)
        assert {status.value: count for status, count in report.failures_by_status.items()} == {
            "unreachable": len(failed)
        }
        assert report.since == pytest.approx(
            EPOCH + min(at for at, _, status in world.shown if status == "unreachable")
        )

    in_virtual_time(story)


def test_a_token_that_changes_is_judged_anew_and_not_by_the_memory_of_the_old_one() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        await world.until(5.0)
        world.sources["a"].credential = Credential(Secret(world.argocd.mint_key("ci", "other")))
        asked = len(world.servers["a"].asked)
        world.fleet.trigger("a")
        await world.until(6.0)
        paths = [path for _, path in world.servers["a"].asked[asked:]]
        assert "/api/v1/account/ci" in paths, "the whole check, with the control"
        assert world.status("a") == "valid"

    in_virtual_time(story)


def test_a_second_look_at_a_refusal_goes_over_fresh_connections() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        await world.until(5.0)
        world.servers["a"].fresh.clear()
        world.argocd.revoke_key("ci", "a")
        await world.until(25.0)
        looks = [fresh for fresh, _ in itertools.groupby(world.servers["a"].fresh)]
        assert looks[:2] == [False, True]

    in_virtual_time(story)


def test_a_target_that_was_not_checked_yet_is_pending_under_the_account_that_is_expected() -> None:
    async def story(world: World) -> None:
        world.fleet.set_targets([world.target("a")])
        report = world.fleet.report("a")
        assert report is not None
        assert (report.verdict.status.value, report.verdict.account, report.checks) == ("pending", "ci", 0)
        assert world.fleet.report("b") is None

    in_virtual_time(story)


def running(name: str) -> bool:
    """Whether a check of that target is under way."""
    return any(task.get_name() == f"check {name}" for task in asyncio.all_tasks())
