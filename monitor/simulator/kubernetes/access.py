"""Who may do what, as RBAC decides it. A user whom nobody restricts may do everything.

Two traps of the real thing are kept: `create` cannot be limited by name (the name is not known when it is decided),
and `list` and `watch` can only where the request selects that one name by field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.simulator.kubernetes.wire import Attributes, Object

ANONYMOUS = "system:anonymous"
_OPEN_PATHS = ("/version", "/healthz", "/livez", "/readyz")


def service_account(namespace: str, name: str) -> str:
    """The user name of a service account."""
    return f"system:serviceaccount:{namespace}:{name}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. verbs and resources as words with commas (`get,watch`, `deployments,deployments/status`, `*`).

    namespaces: where it holds, () everywhere and at the cluster scope. names: () any.
    """

    verbs: str
    resources: str
    group: str = ""
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    title: str = "simulated"

    def allows(self, asked: Attributes) -> bool:
        """RuleAllows (plugin/pkg/auth/authorizer/rbac)."""
        return (
            _any(asked.verb, self.verbs)
            and self.group in ("*", asked.group)
            and self._covers(asked)
            and (not self.namespaces or asked.namespace in self.namespaces)
            and (not self.names or asked.name in self.names)
        )

    def _covers(self, asked: Attributes) -> bool:
        resources = self.resources.split(",")
        return (
            "*" in resources
            or asked.full_resource in resources
            or (bool(asked.subresource) and f"*/{asked.subresource}" in resources)
        )


class Access:
    """The rules of each user."""

    def __init__(self) -> None:
        self._rules: dict[str, tuple[Rule, ...]] = {ANONYMOUS: ()}

    def restrict(self, user: str, *rules: Rule) -> None:
        """Gives the user these rules and no others."""
        self._rules[user] = rules

    def add(self, user: str, *rules: Rule) -> None:
        """Gives the user these rules, too."""
        self._rules[user] = (*self._rules.get(user, ()), *rules)

    def free(self, user: str) -> None:
        """Lets the user do everything again."""
        self._rules.pop(user, None)

    def reason(self, asked: Attributes) -> str | None:
        """Why it is allowed; None when it is not."""
        rules = self._rules.get(asked.user)
        if rules is None:
            return 'RBAC: allowed by ClusterRoleBinding "simulated" of ClusterRole "cluster-admin"'
        if not asked.resource:
            known = asked.verb == "get" and asked.path.startswith(_OPEN_PATHS)
            return "" if known else None
        for rule in rules:
            if rule.allows(asked):
                return _reason(rule, asked.user)
        return None


def review(access: Access, user: str, spec: Object) -> Object:
    """The status of a SelfSubjectAccessReview."""
    wanted = spec.get("resourceAttributes")
    if isinstance(wanted, dict):
        names: Sequence[str] = ("group", "version", "resource", "namespace", "name", "subresource")
        asked = Attributes(user, str(wanted.get("verb", "")), "", **{name: str(wanted.get(name, "")) for name in names})
    else:
        plain = spec.get("nonResourceAttributes") or {}
        asked = Attributes(user, str(plain.get("verb", "")), str(plain.get("path", "")))
    reason = access.reason(asked)
    if reason is None:
        return {"allowed": False}
    return {"allowed": True, "reason": reason} if reason else {"allowed": True}


def _any(verb: str, verbs: str) -> bool:
    return bool({"*", verb} & set(verbs.split(",")))


def _reason(rule: Rule, user: str) -> str:
    subject = f'User "{user}"'
    parts = user.split(":")
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
        subject = f'ServiceAccount "{parts[3]}/{parts[2]}"'
    if rule.namespaces:
        binding = f'RoleBinding "{rule.title}/{rule.namespaces[0]}" of Role "{rule.title}"'
    else:
        binding = f'ClusterRoleBinding "{rule.title}" of ClusterRole "{rule.title}"'
    return f"RBAC: allowed by {binding} to {subject}"
