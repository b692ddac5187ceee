"""One check as a whole: which questions are asked, with which token, and that no part of a token comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from monitor.core.credential import control_of
from monitor.core.model import Answer, Expectation, Fault, FaultKind, Mode, Reply
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.ports import Credential
from monitor.services.checker import Checked, Checker

from tests.core.samples import (
    NO,
    NOT_LOGGED_IN,
    NOW,
    YES,
    account_page,
    answer,
    api_key,
    error,
    jwt,
    refusal,
    userinfo,
)

TOKEN = api_key()
CI = Expectation(account="ci", permissions=("applications/get/*/*", "projects/get/*"))
Behaviour = Callable[[Question, str], Answer]


@dataclass
class Server:
    """An Argo CD that answers as `behave` says and remembers what it was asked, with which token."""

    behave: Behaviour
    asked: list[tuple[Question, str, bool]] = field(default_factory=list)

    async def ask(self, question: Question, token: Secret, *, fresh: bool = False) -> Answer:
        self.asked.append((question, token.reveal(), fresh))
        return self.behave(question, token.reveal())

    @property
    def topics(self) -> list[Topic]:
        return [question.topic for question, _, _ in self.asked]


@dataclass
class Source:
    """A credential source that holds `credential`."""

    credential: Credential
    where: str = "Secret codefresh/argocd-token, key token"

    async def read(self, *, ask: bool = False) -> Credential:
        return self.credential


@dataclass
class Time:
    """A clock that goes a quarter of a second forward whenever it is read."""

    at: float = 0.0

    def now(self) -> float:
        return NOW + self.at

    def monotonic(self) -> float:
        self.at += 0.25
        return self.at


def argo_cd(accepts: str = TOKEN) -> Behaviour:
    """Knows one token; refuses all others in the words of 3.x."""

    def behave(question: Question, token: str) -> Answer:
        good = token == accepts
        if question.topic in (Topic.USERINFO, Topic.CONTROL_USERINFO):
            return userinfo() if good else NOT_LOGGED_IN
        if not good:
            return refusal("invalid session: token signature is invalid: signature is invalid")
        return account_page("ci", "tm-1") if question.account else YES

    return behave


def checker(server: Server, token: str | None = TOKEN, expected: Expectation = CI, **source: object) -> Checker:
    secret = None if token is None else Secret(token)
    return Checker(server, Source(Credential(secret, **source)), expected, Time())  # type: ignore[arg-type]


async def test_the_first_check_asks_everything_and_the_next_ones_a_single_question() -> None:
    server = Server(argo_cd())
    check = checker(server)
    first = await check.check(full=False)
    assert server.topics == [
        Topic.USERINFO, Topic.CONTROL_USERINFO, Topic.CONTROL_CAN_I, Topic.ACCOUNT, Topic.PERMISSION, Topic.PERMISSION,
    ]  # fmt: skip
    assert (first.verdict.status, first.proven, first.verdict.anonymous_access) == (Status.VALID, True, False)
    last = first
    for _ in range(5):
        server.asked.clear()
        last = await check.check(full=False, last=last)
        assert server.topics == [Topic.USERINFO]
        assert (last.verdict.status, last.permissions) == (Status.VALID, first.permissions)


async def test_the_controls_are_asked_with_a_token_that_is_not_the_real_one() -> None:
    server = Server(argo_cd())
    await checker(server).check(full=True)
    control = control_of(Secret(TOKEN)).reveal()
    for question, token, _ in server.asked:
        assert token == (control if question.topic.name.startswith("CONTROL") else TOKEN)


async def test_a_full_check_asks_the_controls_again_and_over_fresh_connections_when_told_so() -> None:
    server = Server(argo_cd())
    check = checker(server)
    first = await check.check(full=True)
    server.asked.clear()
    await check.check(full=True, fresh=True, last=first)
    assert Topic.CONTROL_USERINFO in server.topics
    assert all(fresh for _, _, fresh in server.asked)


async def test_a_changed_token_is_judged_as_a_whole() -> None:
    first = await checker(Server(argo_cd())).check(full=True)
    other = api_key(key_id="tm-2")
    server = Server(argo_cd(other))
    second = await checker(server, other).check(full=False, last=first)
    assert Topic.CONTROL_USERINFO in server.topics
    assert second.fingerprint != first.fingerprint


async def test_keys_that_the_monitor_did_not_make_are_counted_where_it_makes_keys_of_its_own() -> None:
    ended = {"id": "old", "issuedAt": str(int(NOW - 9)), "expiresAt": str(int(NOW - 1))}
    page = {"name": "ci", "enabled": True, "capabilities": ["apiKey", "login"]}
    keys = [{"id": "tm-1"}, {"id": "by-hand"}, {"id": "ends", "expiresAt": str(int(NOW + 9))}, ended]

    def behave(question: Question, token: str) -> Answer:
        accepted = question.account and token == TOKEN
        return answer({**page, "tokens": keys}) if accepted else argo_cd()(question, token)

    check = checker(Server(behave), expected=replace(CI, mode=Mode.PASSWORD))
    first = await check.check(full=True)
    assert first.other_keys == 2, "neither that of the monitor, nor the one that has ended"
    assert (await check.check(full=False, last=first)).other_keys is None, "it was not looked at"
    assert (await checker(Server(behave)).check(full=True)).other_keys is None, "in token mode all keys are of others"
    another = Server(
        lambda question, token: account_page("bob", "k") if question.account else argo_cd()(question, token)
    )
    assert (await checker(another, expected=replace(CI, mode=Mode.PASSWORD)).check(full=True)).other_keys is None


async def test_a_token_that_may_not_read_its_account_is_good_all_the_same_and_nobodys_keys_are_counted() -> None:
    forbidden = error(403, 7, "permission denied: accounts, get, ci")
    server = Server(lambda question, token: forbidden if question.account else argo_cd()(question, token))
    found = await checker(server, expected=replace(CI, mode=Mode.PASSWORD)).check(full=True)
    assert (found.verdict.status, found.other_keys) == (Status.VALID, None)


async def test_a_permission_that_lacked_is_remembered_between_the_full_checks() -> None:
    def behave(question: Question, token: str) -> Answer:
        return NO if question.permission == "projects/get/*" else argo_cd()(question, token)

    server = Server(behave)
    check = checker(server)
    first = await check.check(full=True)
    second = await check.check(full=False, last=first)
    assert [first.verdict.status, second.verdict.status] == [Status.INSUFFICIENT_PERMISSIONS] * 2


async def test_permissions_are_remembered_through_a_check_without_an_answer() -> None:
    server = Server(lambda question, token: NO if question.topic is Topic.PERMISSION else argo_cd()(question, token))
    check = checker(server)
    first = await check.check(full=True)
    usual, server.behave = server.behave, lambda _question, _token: Fault(FaultKind.TIMEOUT)
    second = await check.check(full=False, last=first)
    server.behave = usual
    third = await check.check(full=False, last=second)
    assert [second.verdict.status, third.verdict.status] == [Status.UNREACHABLE, Status.INSUFFICIENT_PERMISSIONS]


async def test_a_server_that_lets_the_control_through_is_not_believed_at_the_next_check_either() -> None:
    """The token changed while a proxy began to cache: the steady state must not take its word afterwards."""
    first = await checker(Server(argo_cd()), TOKEN).check(full=True)
    other = api_key(key_id="tm-2")
    cached = Server(
        lambda question, token: userinfo() if "USERINFO" in question.topic.name else argo_cd()(question, token)
    )
    check = checker(cached, other)
    last = first
    for _ in range(3):
        last = await check.check(full=False, last=last)
        assert last.verdict.status is Status.NOT_ARGOCD
        assert not last.proven


async def test_a_control_that_was_not_answered_is_asked_again() -> None:
    def behave(question: Question, token: str) -> Answer:
        return Reply(503) if question.topic is Topic.CONTROL_USERINFO else argo_cd()(question, token)

    server = Server(behave)
    check = checker(server)
    first = await check.check(full=False)
    assert (first.verdict.status, first.proven) == (Status.VALID, False)
    server.asked.clear()
    await check.check(full=False, last=first)
    assert Topic.CONTROL_USERINFO in server.topics


@pytest.mark.parametrize(
    ("token", "status"),
    [(None, Status.MISSING), (" \n", Status.MISSING), ("a\nb", Status.MALFORMED), ("é", Status.MALFORMED)],
)
async def test_what_cannot_be_sent_is_judged_without_asking(token: str | None, status: Status) -> None:
    server = Server(argo_cd())
    found = await checker(server, token).check(full=True)
    assert (found.verdict.status, found.fingerprint, server.asked) == (status, None, [])
    assert found.verdict.checked_at > NOW


async def test_a_source_that_cannot_be_read_makes_nothing_refused() -> None:
    found = await checker(Server(argo_cd()), None, problem="403 for the Secret", readable=False).check(full=True)
    assert (found.verdict.status, found.verdict.cause) == (Status.PENDING, "403 for the Secret")


async def test_what_is_wrong_with_the_source_is_told_once_beside_a_value_that_cannot_be_sent() -> None:
    found = await checker(Server(argo_cd()), "a\nb", problem="the API does not answer").check(full=True)
    assert (found.verdict.status, found.problem) == (Status.MALFORMED, "the API does not answer")
    found = await checker(Server(argo_cd()), None, problem="no Secret").check(full=True)
    assert (found.verdict.cause, found.problem) == ("no Secret", ""), "the cause has said it"


async def test_the_last_known_token_is_judged_with_the_problem_beside_it() -> None:
    found = await checker(Server(argo_cd()), problem="403 for the Secret", readable=False).check(full=True)
    assert (found.verdict.status, found.problem) == (Status.VALID, "403 for the Secret")


async def test_white_space_around_the_token_is_not_sent() -> None:
    server = Server(argo_cd())
    assert (await checker(server, f" {TOKEN}\n").check(full=True)).verdict.status is Status.VALID
    assert server.asked[0][1] == TOKEN


async def test_a_check_says_when_it_ended_and_how_long_it_took() -> None:
    verdict = (await checker(Server(argo_cd())).check(full=True)).verdict
    assert verdict.duration == 0.25
    assert verdict.checked_at >= NOW


async def test_a_dialogue_that_never_ends_is_cut() -> None:
    endless = Expectation(permissions=tuple(f"applications/get/default/{n}" for n in range(10_000)))
    server = Server(argo_cd())
    found = await checker(server, expected=endless).check(full=True)
    assert len(server.asked) == 64
    assert found.verdict.status is Status.VALID


def all_text(checked: Checked) -> str:
    verdict = checked.verdict
    return f"{verdict!r} {checked.problem} {checked.fingerprint}"


def longest_echo(text: str, token: str) -> int:
    """Characters of the longest run of `token` in `text`."""
    starts = range(len(token))
    return max((n for s in starts for n in range(len(token) - s + 1) if token[s : s + n] in text), default=0)


ECHOES: dict[str, Behaviour] = {
    "in a refusal": lambda q, t: NOT_LOGGED_IN if "USERINFO" in q.topic.name else refusal(f"bad token {t}"),
    "in a refusal, cut": lambda q, t: NOT_LOGGED_IN if "USERINFO" in q.topic.name else refusal("x" * 190 + t),
    "after the scheme": lambda q, t: refusal(f"token is bad: Bearer {t}!"),
    "its signature alone": lambda q, t: refusal(f"bad signature {t.rpartition('.')[2]}"),
    "an end of it": lambda q, t: refusal(f"bad end {t[-31:]}"),
    "in the name of a disabled account": lambda q, t: refusal(f"account {t} is disabled"),
    "as the user": lambda q, t: userinfo(t) if q.topic is Topic.USERINFO else NOT_LOGGED_IN,
    "as part of the user": lambda q, t: userinfo(f"ci {t[5:60]}") if q.topic is Topic.USERINFO else NOT_LOGGED_IN,
    "in a redirect": lambda q, t: Reply(302, location=f"https://sso.example/?token={t}"),
    "in an error": lambda q, t: answer({"code": 13, "message": f"cannot parse {t}"}, 500),
    "in the account's page": lambda q, t: answer({"name": t, "enabled": True}) if q.account else NOT_LOGGED_IN,
}


@pytest.mark.parametrize("behave", [pytest.param(behave, id=name) for name, behave in ECHOES.items()])
@pytest.mark.parametrize("expected", [CI, Expectation()], ids=["account configured", "no account configured"])
async def test_a_server_that_echoes_the_token_gets_no_part_of_it_out(behave: Behaviour, expected: Expectation) -> None:
    found = await checker(Server(behave), expected=expected).check(full=True)
    assert longest_echo(all_text(found), TOKEN) < 16
    assert TOKEN.rpartition(".")[2][:12] not in all_text(found)
    assert TOKEN.rpartition(".")[2][-12:] not in all_text(found)


@pytest.mark.parametrize("token", ["secret12", "hunter2-hunter2", "a.b.secret12"])
async def test_a_short_value_that_is_echoed_as_the_user_does_not_come_out_either(token: str) -> None:
    server = Server(lambda q, t: userinfo(t) if q.topic is Topic.USERINFO else NOT_LOGGED_IN)
    found = await checker(server, token, Expectation()).check(full=True)
    assert token not in all_text(found)


async def test_a_server_without_a_name_for_us_is_asked_no_userinfo_as_if_it_were_an_account() -> None:
    """Neither the answer nor the token names an account: the question must still have an address of its own."""
    server = Server(lambda q, _t: answer({"loggedIn": True}) if q.topic is Topic.USERINFO else NOT_LOGGED_IN)
    found = await checker(server, "a.b.cccc", Expectation()).check(full=True)
    (asked,) = [question for question, _, _ in server.asked if question.topic is Topic.ACCOUNT]
    assert asked.permission is not None
    await checker(server, TOKEN, Expectation()).check(full=True)
    assert server.asked[-1][0].account == "ci", "the token names one"
    assert found.verdict.cause == "Argo CD accepts the token as account (without a name)"


async def test_why_a_token_without_an_account_is_refused_is_not_asked_of_the_configured_account() -> None:
    server = Server(argo_cd())
    found = await checker(server, jwt({"iss": "argocd", "jti": "tm-1"}), Expectation(account="ci")).check(full=False)
    assert [question.account for question, _, _ in server.asked] == [None, None]
    assert found.verdict.status is Status.SIGNING_KEY_CHANGED
