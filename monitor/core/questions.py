"""What to ask next: one check as a dialogue, decided without asking anything.

`next_question` looks at what was answered so far. In the steady state that is one question (userinfo). The
account, the control and the permissions come with a full check; the cause is asked only when there is one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from monitor.core.answers import read_refusal, read_userinfo, was_served
from monitor.core.model import Expectation, Observation


class Topic(enum.Enum):
    """Who is asked about what. The value is the field of `Observation` that the answer goes into."""

    USERINFO = "userinfo"
    ACCOUNT = "account"
    CONTROL_USERINFO = "control_userinfo"
    CONTROL_CAN_I = "control_can_i"
    WIDE_OPEN = "wide_open"
    PERMISSION = "permissions"


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `permission` is set for the three that go to `can-i`, `account` for an account's page."""

    topic: Topic
    account: str | None = None
    permission: str | None = None

    @property
    def with_control(self) -> bool:
        """Whether the control token is sent instead of the real one."""
        return self.topic in (Topic.CONTROL_USERINFO, Topic.CONTROL_CAN_I, Topic.WIDE_OPEN)


# Any can-i answers a bad token with the same 401 as the account does (recordings, `*-can-i`).
CAUSE_PERMISSION = "applications/get/default/x"
# Objects of these are PROJECT/NAME: `applications/get/*` is answered with "no" even to an administrator
# (recorded from Argo CD: the pattern must match both parts).
_TWO_PART_OBJECTS = frozenset({"applications", "applicationsets", "logs", "exec"})
# No built-in role holds `sync` on clusters, and 2.x and 3.x both know the two words; a server without authentication says yes to everything
# (rbac.Enforcer with enforcement off, server.go `EnableEnforce(!opts.DisableAuth)`).
WIDE_OPEN_PERMISSION = "clusters/sync/token-monitor-control"


def never_granted(permission: str) -> str:
    """Why Argo CD answers no to this RESOURCE/ACTION/OBJECT whatever it allows, and what to write; "" where it may say yes."""
    resource, action, what = permission.split("/", 2)
    if resource not in _TWO_PART_OBJECTS or "/" in what:
        return ""
    return f"an object of {resource} is PROJECT/NAME, so Argo CD answers no; write {resource}/{action}/*/*"


def next_question(seen: Observation, expected: Expectation, *, full: bool) -> Question | None:
    """The next thing to ask, or None when all that matters is known."""
    if seen.userinfo is None:
        return Question(Topic.USERINFO)
    info = read_userinfo(seen.userinfo)
    if info is not None and info.logged_in:
        return _about_an_accepted_token(seen, expected, info.username) if full else None
    if info is None and read_refusal(seen.userinfo) is None:
        return None
    if seen.account is None:
        return _account(seen.claims.account)
    if not was_served(seen.account):
        return None
    if seen.control_can_i is None:
        return Question(Topic.CONTROL_CAN_I, permission=CAUSE_PERMISSION)
    if seen.wide_open is None and was_served(seen.control_can_i):
        return Question(Topic.WIDE_OPEN, permission=WIDE_OPEN_PERMISSION)
    return None


def _about_an_accepted_token(seen: Observation, expected: Expectation, username: str) -> Question | None:
    if seen.control_userinfo is None:
        return Question(Topic.CONTROL_USERINFO)
    if seen.control_can_i is None:
        return Question(Topic.CONTROL_CAN_I, permission=CAUSE_PERMISSION)
    # A project role has no account to read (404, plain text); an SSO user is none either.
    if seen.account is None and not seen.claims.is_project_role:
        return _account(without_capability(username) or seen.claims.account)
    if len(seen.permissions) < len(expected.permissions):
        return Question(Topic.PERMISSION, permission=expected.permissions[len(seen.permissions)])
    return None


def _account(name: str | None) -> Question:
    """About an account's page; by a `can-i` where there is no account (project role, nonsense): both say the cause."""
    # The gateway matches the decoded path: a name that is no single part of it gets a 404 in plain text.
    if not name or "/" in name or name in (".", ".."):
        return Question(Topic.ACCOUNT, permission=CAUSE_PERMISSION)
    return Question(Topic.ACCOUNT, account=name)


def without_capability(username: str) -> str:
    """`admin` for `admin:apiKey`: some versions name the subject instead of the account."""
    name, _, capability = username.partition(":")
    return name if capability in ("apiKey", "login") else username
