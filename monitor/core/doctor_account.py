"""What `token-monitor doctor` says of a target's account in Argo CD: its token, its keys, its rights, and the login."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.core.doctor import Area, Finding, Level, left
from monitor.core.journal import OUR_KEYS, is_of_others
from monitor.core.model import Account, Key, Mode, Verdict
from monitor.core.moments import span
from monitor.core.rotation.endings import delete_command
from monitor.core.status import Kind, Status
from monitor.core.text import printable

# Keys that are named, and the characters of their ids that are shown.
MAX_KEYS = 10
MAX_ID = 60


@dataclass(frozen=True, slots=True)
class LoginFacts:
    """A login that was asked for. accepted: None when it could not be told, or was not tried; why says so."""

    accepted: bool | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What is known of the token and its account.

    account: the account's page, None where it could not be read. permissions: each required one with the answer of
    can-i (None: not answered). rotated: whether the monitor replaces the key. expires_in: of new keys, seconds.
    login: None when none was asked for. has_password: whether the password could be read; password_problem: why not.
    """

    verdict: Verdict
    mode: Mode
    name: str | None
    account: Account | None = None
    permissions: tuple[tuple[str, bool | None], ...] = ()
    rotated: bool = False
    expires_in: int | None = None
    has_password: bool = True
    password_problem: str = ""
    login: LoginFacts | None = None


def account_findings(facts: AccountFacts) -> Iterator[Finding]:
    """The token, its account, what it may do, and how it could be replaced."""
    yield _token(facts)
    if facts.verdict.anonymous_access:
        fix = 'set `users.anonymous.enabled: "false"` in ConfigMap argocd-cm, if nobody needs it'
        yield Finding(Level.WARN, Area.ARGOCD, "anonymous access", "Argo CD also answers those without a token", fix)
    yield from _account(facts)
    for permission, allowed in facts.permissions:
        yield _permission(facts, permission, allowed=allowed)
    if facts.rotated:
        yield from _replacement(facts)


def _token(facts: AccountFacts) -> Finding:
    verdict = facts.verdict
    levels = {
        Kind.ACCEPTED: Level.OK,
        Kind.ATTENTION: Level.WARN,
        Kind.REFUSED: Level.FAIL,
        Kind.UNKNOWN: Level.UNKNOWN,
    }
    level = levels[verdict.status.kind]
    if level is Level.OK:
        return Finding(level, Area.ARGOCD, "token", verdict.cause)
    cause = f"{verdict.status}: {verdict.cause}"
    if verdict.status is Status.MISSING and facts.rotated and facts.mode is Mode.PASSWORD:
        fix = "nothing: the monitor logs in and makes the first key when it runs (or now: token-monitor rotate TARGET)"
        return Finding(Level.WARN, Area.ARGOCD, "token", cause, fix)
    return Finding(level, Area.ARGOCD, "token", cause, verdict.remedy)


def _account(facts: AccountFacts) -> Iterator[Finding]:
    account = facts.account
    if account is None:
        if facts.rotated:
            fix = "look again once a token is accepted"
            if facts.mode is Mode.PASSWORD:
                fix += ", or let doctor log in (--login; a failed login counts against the budget of three a day)"
            name = facts.name or "of the token"
            accepted = facts.verdict.accepted is True
            cause = "could not be read" if accepted else "cannot be looked at without an accepted token"
            yield Finding(Level.UNKNOWN, Area.ARGOCD, f"account {name}", cause, fix)
        return
    what = f"account {account.name}"
    enabled = "admin.enabled" if account.name == "admin" else f"accounts.{account.name}.enabled"
    wanted = {"apiKey"} | ({"login"} if facts.rotated and facts.mode is Mode.PASSWORD else set())
    lacking = sorted(wanted - account.capabilities)
    if not account.enabled:
        yield Finding(Level.FAIL, Area.ARGOCD, what, "is disabled", f'set `{enabled}: "true"` in ConfigMap argocd-cm')
    if lacking:
        cause = f"lacks the capability {' and '.join(lacking)}"
        given = ", ".join(sorted(wanted | account.capabilities))
        fix = f"set `accounts.{account.name}: {given}` in ConfigMap argocd-cm"
        yield Finding(Level.FAIL, Area.ARGOCD, what, cause, fix)
    if account.enabled and not lacking:
        keys = f"{len(account.keys)} key{'' if len(account.keys) == 1 else 's'}"
        cause = f"enabled, with {', '.join(sorted(account.capabilities))}; {keys}"
        yield Finding(Level.OK, Area.ARGOCD, what, cause)
    if facts.rotated:
        yield _keys_of_others(facts, account)


def _keys_of_others(facts: AccountFacts, account: Account) -> Finding:
    """Only told: people and other tools may make keys, and the monitor deletes none of them."""
    what = "keys of others"
    others = list(filter(is_of_others, account.keys))
    if not others:
        return Finding(Level.OK, Area.ARGOCD, what, f"none: each key has an id {OUR_KEYS}... of the monitor")
    # The oldest first: they are the likeliest to be forgotten.
    others.sort(key=lambda key: (key.issued_at or 0.0, key.id))
    named = [_described_key(key, facts.verdict) for key in others[:MAX_KEYS]]
    unnamed = len(others) - len(named)
    more = [f"and {unnamed} more"] if unnamed else []
    cause = f"{len(others)} that the monitor did not make, and never deletes: {', '.join((*named, *more))}"
    fix = f"delete those that nobody uses: {delete_command(account.name, 'ID')}"
    return Finding(Level.OK, Area.ARGOCD, what, cause, fix)


def _described_key(key: Key, verdict: Verdict) -> str:
    """`ci (made 30 d ago, 60 d left)`, by the time of the check."""
    now = verdict.checked_at
    words = ["the present token"] if key.id == verdict.token_id else []
    if key.issued_at is not None:
        words.append(f"made {span(now - key.issued_at)} ago")
    words.append("never ends" if key.expires_at is None else left(key.expires_at - now))
    return f"{printable(key.id, MAX_ID)} ({', '.join(words)})"


def _permission(facts: AccountFacts, permission: str, *, allowed: bool | None) -> Finding:
    what = f"permission {permission}"
    if allowed:
        return Finding(Level.OK, Area.ARGOCD, what, "yes")
    name = facts.name or (facts.verdict.account or "ACCOUNT")
    if allowed is None:
        fix = "correct the words of requiredPermissions if Argo CD does not know them, or look again later"
        return Finding(Level.UNKNOWN, Area.ARGOCD, what, "Argo CD did not say yes or no", fix)
    resource, action, object_ = permission.split("/", 2)
    line = f"p, {name}, {resource}, {action}, {object_}, allow"
    return Finding(
        Level.WARN, Area.ARGOCD, what, "no", f"add `{line}` to policy.csv of ConfigMap argocd-rbac-cm, or take it out"
    )


def _replacement(facts: AccountFacts) -> Iterator[Finding]:
    if facts.mode is not Mode.PASSWORD:
        return  # a key that renews itself gets as long a life as the one before
    if facts.expires_in is None:
        fix = "set rotation.expiresIn (like 90d) where the consumers allow it: a key that is lost then ends by itself"
        yield Finding(Level.WARN, Area.ARGOCD, "new keys", "never expire (rotation.expiresIn is not set)", fix)
    if facts.name == "admin":
        fix = (
            "make an account for it: `accounts.codefresh: apiKey, login` in ConfigMap argocd-cm, its rights in"
            " argocd-rbac-cm, its password by `argocd account update-password --account codefresh`, and its name in"
            " auth.username"
        )
        cause = (
            "the monitor and people share it: failed logins of one lock the other out, and its key may do everything"
        )
        yield Finding(Level.WARN, Area.ARGOCD, "account admin", cause, fix)
    yield _login(facts)


def _login(facts: AccountFacts) -> Finding:
    what, login = f"login as {facts.name}", facts.login
    if not facts.has_password:
        fix = "put it there or let it be read (see above), or correct auth.passwordSecretKeyRef or auth.passwordFile"
        return Finding(Level.FAIL, Area.LOGIN, what, facts.password_problem or "there is no password", fix)
    if login is None:
        cause = "the password can be read; not tried, as a failed login counts (three a day): --login tries it"
        return Finding(Level.OK, Area.LOGIN, what, cause)
    if login.accepted:
        return Finding(Level.OK, Area.LOGIN, what, "accepted; the session was ended again")
    if login.accepted is None:
        return Finding(
            Level.UNKNOWN, Area.LOGIN, what, login.why, "try again later; a running monitor goes on by itself"
        )
    fix = (
        f"put the present password of {facts.name} where auth.password... says; check that the account is enabled and"
        " has the capability login. Do not try again at once: Argo CD locks an account out after five failures"
    )
    return Finding(Level.FAIL, Area.LOGIN, what, login.why, fix)
