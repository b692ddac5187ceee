"""Each replica of argocd-server is asked beside the Service: what of their answers is shown, and when, in virtual time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine
from typing import Any

from monitor.core.endpoint_slices import Behind, Replica
from monitor.core.model import Answer, Expectation, FaultKind, Reply
from monitor.core.questions import Question
from monitor.core.replicas import STAYS, ReplicasReport, Said
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.ports import ArgoCD, Credential
from monitor.services.checker import Checker
from monitor.services.every_replica import EveryReplica
from monitor.services.fleet import Target
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState
from structlog.testing import capture_logs

from tests.services.fleet_driver import FakeArgoCD, World
from tests.services.fleet_driver import Source as HeldToken
from tests.virtual_time import VirtualLoop, play

INTERVAL = 15.0


class Source(HeldToken):
    """Remembers whether it was asked itself."""

    def __init__(self, token: str) -> None:
        super().__init__(token)
        self.asked: list[bool] = []

    async def read(self, *, ask: bool = False) -> Credential:
        self.asked.append(ask)
        return await super().read(ask=ask)


class Endpoints:
    """The port: what is known of the pods behind the Service."""

    service = "argocd/argocd-server"

    def __init__(self, count: int) -> None:
        self.known = Behind(tuple(Replica(f"argocd-server-{n}", f"10.0.0.{n}", 8080) for n in range(count)), count)

    def look(self) -> Behind:
        return self.known


class Stage(World):
    """A target `a` of an Argo CD with three replicas. turn: the one that the Service leads to."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(loop)
        self.turn = 0
        self.argocd = ArgoCDState(
            clock=self.clock.now, login_seconds=(0.0, 0.0), replica_lags=(0.0,) * 3, choose_replica=lambda: self.turn
        )
        self.argocd.create_account("ci", role=Role.READONLY)
        self.service = FakeArgoCD(self.argocd)
        self.pods = [FakeArgoCD(self.argocd, replica) for replica in range(3)]
        self.endpoints = Endpoints(3)
        self.source = Source(self.argocd.mint_key("ci", "a"))

    def begin(self, interval: float = INTERVAL) -> EveryReplica:
        """Sets the target in place."""
        expected = Expectation(account="ci")

        def through(argocd: ArgoCD) -> Checker:
            return Checker(argocd, self.source, expected, self.clock)

        every = EveryReplica(
            "a", through(self.service), self.source, self.endpoints, self._connect, through, self.clock
        )
        plain = through(self.service)
        url = "http://argocd-server.argocd"
        made = Target("a", url, expected, interval, 300.0, 10.0, plain, settings=interval, every_replica=every)
        self.fleet.set_targets([made])
        return every

    def _connect(self, replica: Replica) -> ArgoCD:
        return self.pods[int(replica.name[-1])]

    def stick(self, *replicas: int) -> None:
        for replica in replicas:
            self.argocd.stick(replica)

    @property
    def replicas(self) -> ReplicasReport:
        report = self.fleet.report("a")
        assert report is not None
        assert report.replicas is not None
        return report.replicas

    @property
    def problem(self) -> str:
        report = self.fleet.report("a")
        assert report is not None
        return report.problem

    @property
    def cause(self) -> str:
        report = self.fleet.report("a")
        assert report is not None
        return report.verdict.cause

    def counts(self) -> tuple[int, int, int]:
        return tuple(self.replicas.count(said) for said in Said)  # type: ignore[return-value]


def told(story: Callable[[Stage], Coroutine[Any, Any, None]]) -> None:
    async def tell(loop: VirtualLoop) -> None:
        stage = Stage(loop)
        try:
            await story(stage)
        finally:
            await stage.close()

    play(tell)


def test_replicas_that_agree_change_nothing_and_cost_one_request_each() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(29.0)
        assert stage.statuses("a") == ["valid"]
        assert stage.counts() == (3, 0, 0)
        assert (stage.problem, stage.replicas.split_since) == ("", None)
        assert [len(pod.asked) for pod in stage.pods] == [len(stage.shown)] * 3

    told(story)


def test_a_split_that_heals_was_never_a_refusal_whichever_replica_the_service_leads_to() -> None:
    async def story(stage: Stage, turn: int) -> None:
        stage.begin()
        await stage.until(20.0)
        stage.stick(1)
        stage.source.credential = Credential(Secret(stage.argocd.mint_key("ci", "b")))
        stage.turn = turn
        await stage.until(100.0)
        assert stage.counts() == (2, 1, 0)
        assert stage.problem.startswith("the token is refused by 1 of 3 replicas of argocd-server (argocd-server-1)")
        stage.argocd.unstick(1)
        await stage.until(200.0)
        assert stage.statuses("a") == ["valid"]
        assert stage.counts() == (3, 0, 0)
        assert stage.problem == ""

    for turn in (0, 1):
        told(lambda stage, turn=turn: story(stage, turn))  # type: ignore[misc]


def test_at_the_start_too_a_split_is_no_refusal() -> None:
    async def story(stage: Stage) -> None:
        stage.stick(1)
        stage.turn = 1
        stage.source.credential = Credential(Secret(stage.argocd.mint_key("ci", "b")))
        stage.begin()
        await stage.until(60.0)
        assert stage.statuses("a") == ["valid"]

    told(story)


def test_a_split_that_stays_is_a_refusal_with_its_pods_and_what_to_do() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(20.0)
        stage.stick(2)
        stage.source.credential = Credential(Secret(stage.argocd.mint_key("ci", "b")))
        await stage.until(20.0 + STAYS - 1.0)
        assert stage.statuses("a") == ["valid"]
        await stage.until(20.0 + STAYS + 2 * INTERVAL + 2.0)
        assert stage.statuses("a") == ["valid", "rejected"]
        assert "refused by 1 of 3 replicas of argocd-server (argocd-server-2) and accepted by 2" in stage.cause
        assert stage.cause.endswith("Those who refuse say: the API key b was deleted from account ci")
        report = stage.fleet.report("a")
        assert report is not None
        assert "`kubectl -n argocd delete pod argocd-server-2`" in report.verdict.remedy
        assert (stage.replicas.stays, stage.problem) == (True, "")
        # Nothing that mints by itself may follow from it.
        sight = stage.fleet.sight("a")
        assert sight is not None
        assert not sight.verdict.status.facts.mended_by_minting
        stage.argocd.unstick(2)
        await stage.until(220.0)
        assert stage.statuses("a") == ["valid", "rejected", "valid"]

    told(story)


def test_a_revocation_that_one_replica_has_not_heard_of_is_a_refusal_once_that_stays() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(20.0)
        stage.stick(1)
        stage.argocd.revoke_key("ci", "a")
        await stage.until(20.0 + STAYS - 1.0)
        assert stage.statuses("a") == ["valid"]
        await stage.until(20.0 + STAYS + 2 * INTERVAL + 2.0)
        assert stage.statuses("a") == ["valid", "rejected"]
        assert "refused by 2 of 3 replicas of argocd-server (argocd-server-0, argocd-server-2)" in stage.cause
        stage.argocd.unstick(1)
        await stage.until(250.0)
        assert stage.statuses("a") == ["valid", "rejected", "revoked"]

    told(story)


def test_when_all_refuse_it_is_a_refusal_as_soon_as_without_them() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(20.0)
        stage.argocd.revoke_key("ci", "a")
        await stage.until(20.0 + INTERVAL + 1.5)
        assert stage.statuses("a") == ["valid", "revoked"]
        assert "replicas" not in stage.cause
        assert stage.counts() == (0, 3, 0)

    told(story)


def test_a_replica_that_is_behind_for_a_moment_delays_a_revocation_by_no_whole_interval() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(20.0)
        began = len(stage.shown)
        stage.stick(1)
        stage.argocd.revoke_key("ci", "a")
        while len(stage.shown) == began:
            await stage.until(stage.clock.monotonic() + 0.1)
        assert stage.counts() == (1, 2, 0)
        stage.argocd.unstick(1)
        await stage.until(stage.clock.monotonic() + 1.5)
        assert stage.statuses("a") == ["valid", "revoked"]

    told(story)


def test_a_service_that_leads_each_request_to_another_replica_is_no_trouble_while_they_disagree() -> None:
    async def story(stage: Stage) -> None:
        turns = itertools.cycle((1, 0))
        stage.argocd = ArgoCDState(
            clock=stage.clock.now, replica_lags=(0.0,) * 3, choose_replica=lambda: next(turns), login_seconds=(0.0, 0.0)
        )
        stage.argocd.create_account("ci", role=Role.READONLY)
        for server in (stage.service, *stage.pods):
            server.state = stage.argocd
        stage.stick(1)
        stage.source.credential = Credential(Secret(stage.argocd.mint_key("ci", "b")))
        checker = stage.begin()
        first = await checker.check(full=True)
        assert first.verdict.status is Status.VALID
        await stage.until(STAYS - 1.0)
        assert stage.statuses("a") == ["valid"]
        await stage.until(STAYS + 2 * INTERVAL)
        assert stage.statuses("a") == ["valid", "rejected"]

    told(story)


class CatchingUp(FakeArgoCD):
    """A replica that is behind until it has been asked so many times."""

    def __init__(self, state: ArgoCDState, replica: int) -> None:
        super().__init__(state, replica)
        self.left: int | None = None

    async def ask(self, question: Question, token: Secret, *, fresh: bool = False) -> Answer:
        answer = await super().ask(question, token, fresh=fresh)
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                self.state.unstick(self.replica or 0)
        return answer


def test_a_replica_that_catches_up_while_it_is_asked_ends_the_split_either_way() -> None:
    async def revoked(stage: Stage) -> None:
        pod = stage.pods[1] = CatchingUp(stage.argocd, 1)
        stage.begin()
        await stage.until(20.0)
        stage.stick(1)
        stage.argocd.revoke_key("ci", "a")
        pod.left = 2  # it accepts at both looks, and no more when it is asked for the whole
        await stage.until(20.0 + INTERVAL + 2.0)
        assert stage.statuses("a") == ["valid", "revoked"]

    async def made(stage: Stage) -> None:
        pod = stage.pods[1] = CatchingUp(stage.argocd, 1)
        every = stage.begin(interval=10 * STAYS)
        stage.stick(1)
        stage.source.credential = Credential(Secret(stage.argocd.mint_key("ci", "b")))
        await every.check(full=False)
        await stage.until(STAYS + 1.0)
        pod.left = 1
        assert (await every.check(full=False)).verdict.status is Status.VALID

    told(revoked)
    told(made)


class Once(FakeArgoCD):
    """A replica that answers the first question, and then breaks down."""

    async def ask(self, question: Question, token: Secret, *, fresh: bool = False) -> Answer:
        answer = await super().ask(question, token, fresh=fresh)
        self.fault = FaultKind.RESET
        return answer


def test_a_replica_that_breaks_down_while_a_refusal_is_held_makes_no_refusal_of_it() -> None:
    async def story(stage: Stage, *broken: int) -> Status:
        for number in broken:
            stage.pods[number] = Once(stage.argocd, number)
        stage.stick(1)
        stage.source.credential = Credential(Secret(stage.argocd.mint_key("ci", "b")))
        stage.turn = 1
        return (await stage.begin().check(full=True)).verdict.status

    async def one_is_enough(stage: Stage) -> None:
        assert await story(stage, 0) is Status.VALID

    async def none(stage: Stage) -> None:
        assert await story(stage, 0, 2) is Status.UNREACHABLE

    told(one_is_enough)
    told(none)


def test_a_split_of_which_nothing_was_known_in_between_begins_anew() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(20.0)
        stage.stick(1)
        stage.source.credential = Credential(Secret(stage.argocd.mint_key("ci", "b")))
        await stage.until(100.0)
        known, stage.endpoints.known = stage.endpoints.known, Behind((), 0, "the replicas are not known")
        await stage.until(120.0)
        stage.endpoints.known = known
        await stage.until(200.0)
        assert stage.statuses("a") == ["valid"]
        assert stage.counts() == (2, 1, 0)

    told(story)


def test_a_split_that_has_stayed_is_a_refusal_through_a_reload() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(20.0)
        stage.stick(1)
        stage.source.credential = Credential(Secret(stage.argocd.mint_key("ci", "b")))
        await stage.until(20.0 + STAYS + 2 * INTERVAL)
        stage.begin(interval=5.0)
        await stage.until(20.0 + STAYS + 4 * INTERVAL)
        assert stage.statuses("a") == ["valid", "rejected"]

    told(story)


def test_replicas_can_be_left_out_and_asked_again_by_a_reload() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(20.0)
        plain = Checker(stage.service, stage.source, Expectation(account="ci"), stage.clock)
        url = "http://argocd-server.argocd"
        stage.fleet.set_targets([Target("a", url, Expectation(account="ci"), INTERVAL, 300.0, 10.0, plain, "alone")])
        await stage.until(40.0)
        report = stage.fleet.report("a")
        assert report is not None
        assert report.replicas is None
        stage.begin()
        await stage.until(60.0)
        assert stage.counts() == (3, 0, 0)
        assert stage.statuses("a") == ["valid"]

    told(story)


def test_a_service_that_refuses_what_all_replicas_accept_is_a_refusal_once_that_stays() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(20.0)
        words = b'{"code":16,"message":"account ci does not have token with id a"}'
        stage.service.answer = Reply(401, words, "application/json")
        await stage.until(20.0 + STAYS - 1.0)
        assert stage.statuses("a") == ["valid"]
        assert "by the Service, not by its replicas" in stage.problem
        await stage.until(20.0 + STAYS + 2 * INTERVAL + 2.0)
        assert stage.statuses("a") == ["valid", "rejected"]
        assert stage.cause.startswith("refused through the Service and accepted by argocd-server-0, ")
        assert stage.cause.endswith("Those who refuse say: the API key a was deleted from account ci")

    told(story)


def test_a_second_look_is_at_the_source_and_over_fresh_connections_for_all() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(20.0)
        stage.argocd.revoke_key("ci", "a")
        await stage.until(20.0 + INTERVAL + 1.5)
        assert stage.source.asked[-3:] == [False, False, True]
        assert [pod.fresh[-3:] for pod in stage.pods] == [[False, False, True]] * 3

    told(story)


def test_a_replica_that_cannot_be_asked_never_refuses_a_token_and_is_told_when_that_lasts() -> None:
    async def story(stage: Stage) -> None:
        stage.pods[1].fault = FaultKind.TIMEOUT
        stage.begin()
        await stage.until(60.0)
        assert (stage.counts(), stage.problem) == ((2, 0, 1), "")
        await stage.until(60.0 + STAYS)
        assert "1 of 3 replicas of argocd-server cannot be asked (argocd-server-1: no answer within" in stage.problem
        assert stage.statuses("a") == ["valid"]
        stage.pods[1].fault = None
        await stage.until(60.0 + STAYS + 20.0)
        assert stage.problem == ""

    told(story)


def test_a_service_that_cannot_be_asked_is_shown_as_that_whatever_its_replicas_say() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(20.0)
        stage.service.fault = FaultKind.DNS
        stage.stick(0)
        stage.argocd.revoke_key("ci", "a")
        await stage.until(400.0)
        assert stage.statuses("a") == ["valid", "unreachable"]
        assert stage.counts() == (1, 2, 0)

    told(story)


def test_where_the_replicas_are_not_known_the_service_s_check_goes_on_and_says_so() -> None:
    async def story(stage: Stage) -> None:
        stage.endpoints.known = Behind((), 0, "the replicas are not known: allow list and watch")
        stage.begin()
        await stage.until(20.0)
        assert stage.statuses("a") == ["valid"]
        assert stage.problem == "the replicas are not known: allow list and watch"
        assert stage.counts() == (0, 0, 0)
        stage.argocd.revoke_key("ci", "a")
        await stage.until(50.0)
        assert stage.statuses("a") == ["valid", "revoked"]

    told(story)


def test_pods_that_come_are_asked_and_those_that_went_are_not() -> None:
    async def story(stage: Stage) -> None:
        stage.endpoints.known = Behind(stage.endpoints.known.replicas[:1], 1)
        stage.begin()
        await stage.until(20.0)
        asked = len(stage.pods[0].asked)
        stage.endpoints.known = Behind(Endpoints(3).known.replicas[1:2], 1)
        await stage.until(60.0)
        assert [len(pod.asked) for pod in stage.pods] == [asked, len(stage.shown) - asked, 0]

    told(story)


def test_a_token_that_cannot_be_sent_is_sent_to_no_replica() -> None:
    async def story(stage: Stage) -> None:
        stage.source.credential = Credential(Secret("not a\ntoken"))
        stage.begin()
        await stage.until(20.0)
        assert stage.status("a") == Status.MALFORMED
        assert not any(pod.asked for pod in stage.pods)

    told(story)


def test_slow_replicas_delay_the_next_look_and_not_each_other() -> None:
    async def story(stage: Stage) -> None:
        for pod in stage.pods:
            pod.hang = 3.0
        stage.begin()
        await stage.until(60.0)
        assert stage.statuses("a") == ["valid"]
        assert len(stage.shown) == 4

    told(story)


def test_a_replica_before_which_many_wait_holds_up_no_verdict() -> None:
    async def story(stage: Stage) -> None:
        stage.pods[1].hang = 300.0
        stage.begin()
        await stage.until(60.0)
        assert stage.statuses("a") == ["valid"]
        assert (len(stage.shown), stage.counts()) == (4, (2, 0, 1))

    told(story)


def test_where_many_wait_before_the_service_too_its_replicas_have_as_long() -> None:
    async def story(stage: Stage) -> None:
        for asked in (stage.service, stage.pods[1]):
            asked.hang = 8.0
        stage.begin()
        await stage.until(60.0)
        assert (stage.statuses("a"), stage.counts()) == (["valid"], (3, 0, 0))

    told(story)


def test_what_replicas_say_is_logged_where_it_changes_and_no_token_with_it() -> None:
    async def story(stage: Stage) -> None:
        stage.begin()
        await stage.until(20.0)
        stage.stick(1)
        token = stage.argocd.mint_key("ci", "b")
        stage.source.credential = Credential(Secret(token))
        await stage.until(100.0)
        stage.argocd.unstick(1)
        await stage.until(150.0)

    with capture_logs() as lines:
        told(story)
    said = [line["event"] for line in lines if "replicas" in line["event"]]
    assert said == ["replicas", "nothing is wrong with the replicas any more"]
    assert "eyJ" not in str(lines)
