"""One check against the simulated Argo CD, without a socket: what stands between or is switched off decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from monitor.core.model import Answer, Expectation, Fault, FaultKind, Reply
from monitor.core.questions import Question
from monitor.core.secret import Secret
from monitor.core.status import Kind, Status
from monitor.ports import Credential
from monitor.services.checker import Checked, Checker
from monitor.simulator import faults
from monitor.simulator.api import Request
from monitor.simulator.faults import Front
from monitor.simulator.rbac import Role
from monitor.simulator.settings import Capability
from monitor.simulator.state import ArgoCDState
from monitor.simulator.wording import Version

from tests.core.samples import NOW

VERSIONS: tuple[Version, ...] = ("3", "2")


@dataclass
class Wire:
    """Takes a question to the front, as the HTTP client would."""

    front: Front

    async def ask(self, question: Question, token: Secret, *, fresh: bool = False) -> Answer:
        del fresh
        path = "/api/v1/session/userinfo"
        if question.permission is not None:
            path = f"/api/v1/account/can-i/{question.permission}"
        elif question.account is not None:
            path = f"/api/v1/account/{question.account}"
        found = self.front(Request("GET", path, {"authorization": f"Bearer {token.reveal()}"}))
        if found.broken is not None:
            return Fault(FaultKind.RESET)
        headers = found.headers
        return Reply(found.status, found.body, headers.get("content-type", ""), headers.get("location", ""))


@dataclass
class Held:
    token: str
    where: str = "the test"

    async def read(self, *, ask: bool = False) -> Credential:
        return Credential(Secret(self.token))


class Still:
    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@dataclass
class Lab:
    """An installation with account ci and its key tm-1."""

    state: ArgoCDState
    front: Front
    token: str

    async def check(self) -> Checked:
        checker = Checker(Wire(self.front), Held(self.token), Expectation(account="ci"), Still())
        return await checker.check(full=True)


@pytest.fixture(params=VERSIONS, ids=["3.x", "2.x"])
def lab(request: pytest.FixtureRequest) -> Lab:
    state = ArgoCDState(clock=lambda: NOW, seed=1, wording=request.param)
    state.create_account("ci", password="secret-of-ci", role=Role.READONLY)
    state.set_capabilities("ci", Capability.API_KEY, Capability.LOGIN)
    return Lab(state, Front(state), state.mint_key("ci", "tm-1"))


@pytest.mark.parametrize("fault", [fault for fault in faults.Fault if fault is not faults.Fault.CACHING])
async def test_nothing_that_stands_between_makes_a_token_refused_or_accepted(lab: Lab, fault: faults.Fault) -> None:
    lab.front.fault = fault
    assert (await lab.check()).verdict.status.kind is Kind.UNKNOWN
    lab.state.revoke_key("ci", "tm-1")
    assert (await lab.check()).verdict.accepted is not True


async def test_a_caching_proxy_is_found_out_by_the_control(lab: Lab) -> None:
    lab.front.fault = faults.Fault.CACHING
    assert (await lab.check()).verdict.status is Status.NOT_ARGOCD
    lab.state.revoke_key("ci", "tm-1")
    assert (await lab.check()).verdict.status is Status.NOT_ARGOCD


async def test_a_lost_header_is_named(lab: Lab) -> None:
    lab.front.fault = faults.Fault.STRIPPED_AUTHORIZATION
    assert "Authorization" in (await lab.check()).verdict.remedy


async def test_a_server_without_authentication_says_nothing_about_the_token(lab: Lab) -> None:
    lab.state.disable_authentication()
    assert (await lab.check()).verdict.status is Status.NOT_ARGOCD
    lab.state.revoke_key("ci", "tm-1")
    assert (await lab.check()).verdict.status is Status.NOT_ARGOCD


@pytest.mark.parametrize("role", [Role.NONE, Role.READONLY, Role.ADMIN])
async def test_anonymous_access_hides_no_revoked_key_whatever_rights_it_gives(lab: Lab, role: Role) -> None:
    lab.state.set_anonymous(role)
    live = (await lab.check()).verdict
    assert (live.status, live.anonymous_access) == (Status.VALID, True)
    lab.state.revoke_key("ci", "tm-1")
    dead = (await lab.check()).verdict
    assert dead.status is (Status.REJECTED if role is Role.NONE else Status.REVOKED)
    assert "inferred" in dead.cause


async def test_a_replica_that_lags_behind_is_no_refusal() -> None:
    turn = iter([1, 0] * 20)
    state = ArgoCDState(clock=lambda: NOW, seed=1, replica_lags=(0.0, 60.0), choose_replica=lambda: next(turn))
    state.create_account("ci", password="secret-of-ci", role=Role.READONLY)
    lab = Lab(state, Front(state), state.mint_key("ci", "tm-1"))
    verdict = (await lab.check()).verdict
    assert verdict.status is Status.SERVER_ERROR
    assert "replicas" in verdict.cause
