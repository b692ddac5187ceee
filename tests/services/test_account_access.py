"""How the account's keys are reached: what is handed on of an answer, and what is never tried."""

from __future__ import annotations

import asyncio

from monitor.core.budget import LoginBudget, charge
from monitor.core.effects import Access, Delete, Done, Listed, ListKeys, Minted, Outcome, Refused, Unknown
from monitor.core.journal import Journal, dump
from monitor.core.model import Key
from monitor.core.secret import Secret
from monitor.services.account_access import AccountAccess

from tests.core.samples import NOW

LIVE, SESSION, PASSWORD = Secret("live"), Secret("session"), Secret("password")
DELETE = Delete("ci", "tm-old", Access.LIVE_KEY)


class Account:
    """An account with two keys, whose server answers a delete with `answer`."""

    def __init__(self, answer: Done | Refused | Unknown | None = None) -> None:
        self.answer = answer or Done()
        self.alive = ["tm-old", "tm-new"]
        self.used: list[Secret] = []
        self.logins = 0
        self.ended: list[Secret] = []

    async def login(self, username: str, password: Secret) -> Minted | Refused | Unknown:
        self.logins += 1
        return Minted(SESSION) if (username, password) == ("ci", PASSWORD) else Refused("wrong", login=True)

    async def logout(self, session: Secret) -> None:
        self.ended.append(session)

    async def mint(
        self, account: str, key_id: str, expires_in: int | None, token: Secret
    ) -> Minted | Refused | Unknown:
        self.alive.append(key_id)
        return Minted(Secret(f"token of {key_id}"))

    async def keys(self, account: str, token: Secret) -> Listed | Refused | Unknown:
        self.used.append(token)
        return Listed(tuple(map(Key, self.alive)))

    async def delete(self, account: str, key_id: str, token: Secret) -> Done | Refused | Unknown:
        if isinstance(self.answer, Done):
            self.alive.remove(key_id)
        return self.answer


class Sibling:
    """The journal of another target with the same user, which logged in at `at` and has no answer yet."""

    def __init__(self, at: float) -> None:
        self.journal = Journal(logins=charge(LoginBudget(), at))

    async def read(self) -> tuple[str, str | None] | Unknown:
        return dump(self.journal), "1"

    async def write(self, text: str, version: str | None) -> str:
        raise AssertionError("the journal of another target is only read")


class Clock:
    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def done(
    account: Account, *effects: Delete | ListKeys, password: Secret | None = PASSWORD, sibling: float = 0.0
) -> list[Outcome]:
    """What comes of these, one after the other; then it is closed."""
    access = AccountAccess(account, Clock(), [Sibling(sibling)] if sibling else [])

    async def tell() -> list[Outcome]:
        access.use(LIVE, password, charge(LoginBudget(), NOW))
        outcomes = [await access.do(effect) for effect in effects]
        await access.close()
        return outcomes

    return asyncio.run(tell())


def test_why_a_key_was_not_deleted_is_handed_on() -> None:
    for answer in (Refused("permission denied"), Unknown("no answer")):
        assert done(Account(answer), DELETE) == [answer]
    assert done(Account(), DELETE) == [Done()]


def test_the_live_key_needs_no_login() -> None:
    account = Account()
    done(account, ListKeys("ci", Access.LIVE_KEY))
    assert (account.used, account.logins, account.ended) == ([LIVE], 0, [])


def test_one_login_serves_for_several_calls_and_its_session_is_ended() -> None:
    account = Account()
    done(account, ListKeys("ci", Access.LOGIN), ListKeys("ci", Access.LOGIN))
    assert (account.used, account.logins, account.ended) == ([SESSION, SESSION], 1, [SESSION])


def test_the_token_of_a_session_is_among_what_is_kept_out_of_texts_for_as_long_as_it_lasts() -> None:
    access = AccountAccess(Account(), Clock(), [])

    async def tell() -> list[tuple[Secret, ...]]:
        access.use(LIVE, PASSWORD, charge(LoginBudget(), NOW))
        await access.do(ListKeys("ci", Access.LIVE_KEY))
        before = access.sessions
        await access.do(ListKeys("ci", Access.LOGIN))
        during = access.sessions
        await access.close()
        return [before, during, access.sessions]

    assert asyncio.run(tell()) == [(), (SESSION,), ()]


def test_without_a_password_nobody_logs_in() -> None:
    account = Account()
    (outcome,) = done(account, ListKeys("ci", Access.LOGIN), password=None)
    assert isinstance(outcome, Refused)
    assert not outcome.login, "no password was refused"
    assert account.logins == 0


def test_nobody_logs_in_while_the_login_of_another_target_is_under_way_and_that_is_no_refusal() -> None:
    account = Account()
    (outcome,) = done(account, ListKeys("ci", Access.LOGIN), sibling=NOW - 1.0)
    assert isinstance(outcome, Refused)
    assert (outcome.busy, account.logins) == (True, 0)
    done(account, ListKeys("ci", Access.LOGIN), sibling=NOW - 3600.0)
    assert account.logins == 1
