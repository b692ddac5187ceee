"""Who may do what: the built-in policy of Argo CD (assets/builtin-policy.csv) and the policies of project roles.

Objects and actions are matched as patterns in which `*` also spans `/`. So with `*/*` in the policy, asking for
`*/*` is allowed and asking for `*` is not: the question is matched as a text, not as a pattern (recording `can-i`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from monitor.simulator.wording import Version


class Role(StrEnum):
    """The built-in roles, one that somebody added, and having none."""

    ADMIN = "role:admin"
    READONLY = "role:readonly"
    EVERYTHING = "role:everything"  # not built in: somebody's `p, role:everything, *, *, *, allow`
    NONE = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """One line that allows something."""

    resource: str
    action: str
    object: str


# 3.x: as recorded of 3.6, the first to know `rollback`; 2.x: server/rbacpolicy/rbacpolicy.go of v2.8 (it has never heard
# of accounts here; 2.14 knows what 3.3 knows).
_LISTS: dict[Version, tuple[str, str]] = {
    "3": (
        "clusters projects applications applicationsets repositories write-repositories certificates accounts gpgkeys"
        " logs exec extensions",
        "get create update delete sync rollback override action invoke",
    ),
    "2": (
        "clusters projects applications applicationsets repositories certificates logs exec",
        "get create update delete sync override",
    ),
}

_READONLY = (
    *(Policy(resource, "get", "*/*") for resource in ("applications", "applicationsets", "logs")),
    *(
        Policy(resource, "get", "*")
        for resource in (
            "certificates", "clusters", "repositories", "write-repositories", "projects", "accounts", "gpgkeys",
        )
    ),
)  # fmt: skip
_CHANGES = ("create", "update", "delete")
_ADMIN = (
    *_READONLY,
    *(
        Policy("applications", action, "*/*")
        for action in (*_CHANGES, "update/*", "delete/*", "sync", "rollback", "override", "action/*")
    ),
    *(Policy("applicationsets", action, "*/*") for action in _CHANGES),
    *(
        Policy(resource, action, "*")
        for resource in ("certificates", "clusters", "repositories", "write-repositories", "projects")
        for action in _CHANGES
    ),
    Policy("accounts", "update", "*"),
    Policy("gpgkeys", "create", "*"),
    Policy("gpgkeys", "delete", "*"),
    Policy("exec", "create", "*/*"),
)
_BUILT_IN: dict[Role, tuple[Policy, ...]] = {
    Role.ADMIN: _ADMIN,
    Role.READONLY: _READONLY,
    Role.NONE: (),
    Role.EVERYTHING: (Policy("*", "*", "*"),),
}


def resources(version: Version) -> list[str]:
    """The resources that `can-i` knows, in the order in which it lists them."""
    return _LISTS[version][0].split()


def actions(version: Version) -> list[str]:
    """The actions that `can-i` knows, in the order in which it lists them."""
    return _LISTS[version][1].split()


def role_allows(version: Version, role: Role, resource: str, action: str, object_: str) -> bool:
    """Whether a built-in role may do that. The sets of applications came into the policy with 3.2."""
    policies = _BUILT_IN[role]
    if version == "2" and role is not Role.EVERYTHING:
        policies = tuple(line for line in policies if (line.resource, line.action) != ("applicationsets", "get"))
    return policies_allow(policies, resource, action, object_)


def policies_allow(policies: Iterable[Policy], resource: str, action: str, object_: str) -> bool:
    """Whether one of the lines allows that."""
    return any(
        _matches(line.resource, resource) and _matches(line.action, action) and _matches(line.object, object_)
        for line in policies
    )


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
