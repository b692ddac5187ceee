"""What `token-monitor doctor` says of Kubernetes: Secrets, what the monitor may do, other writers, a server's replicas.

Facts in, findings out, as in `doctor`. A permission that lacks is named with what it is for; the Role that would be
enough is made by `permissions.roles`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.core import replicas
from monitor.core.doctor import Area, Finding, Level
from monitor.core.permissions import Permission, ServiceAccount
from monitor.core.writers import OURS, in_words, remedy

ROLE_COMMAND = "with the Role that `token-monitor doctor --rbac` prints"


class Holds(enum.StrEnum):
    """What a Secret holds."""

    TOKEN = "token"  # noqa: S105 - no credential, a word for one
    PASSWORD = "password"  # noqa: S105 - no credential, a word for one
    JOURNAL = "journal"


class Presence(enum.Enum):
    """What the API says of an object."""

    THERE = "there"
    ABSENT = "absent"
    FORBIDDEN = "forbidden"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Manager:
    """A writer of the key, as `metadata.managedFields` has it."""

    name: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """A Secret, without its content. key: the one that is used; keys: those that it has, with an empty value or not.

    made: whether the monitor makes it where it does not exist. rotated: whether the monitor writes it.
    problem: the API's words. managers: who wrote the key. owners: `Kind/name` of its ownerReferences. marks: labels and
    annotations by name.
    """

    namespace: str
    name: str
    key: str
    holds: Holds
    presence: Presence
    made: bool = False
    rotated: bool = False
    problem: str = ""
    keys: tuple[str, ...] = ()
    is_empty: bool = False
    line_end: bool = False
    immutable: bool = False
    managers: tuple[Manager, ...] = ()
    owners: tuple[str, ...] = ()
    marks: tuple[tuple[str, str], ...] = ()

    @property
    def what(self) -> str:
        """`Secret codefresh/argocd-token (token)`."""
        return f"Secret {self.namespace}/{self.name} ({self.holds})"

    @property
    def make(self) -> str:
        """The command that makes it, empty."""
        return f"kubectl create secret generic {self.name} -n {self.namespace}"


def secret_finding(facts: SecretFacts) -> Finding:
    """Whether the Secret is there, with its key, and can be read."""
    fix = ""
    match facts.presence:
        case Presence.FORBIDDEN:
            fix = f"allow get on secrets, resourceNames [{facts.name}], {ROLE_COMMAND}"
            return Finding(Level.FAIL, Area.SECRETS, facts.what, f"may not be read ({facts.problem})", fix)
        case Presence.UNKNOWN:
            fix = "look at the way to the Kubernetes API (kubernetes.kubeconfig, kubernetes.context), and try again"
            return Finding(Level.UNKNOWN, Area.SECRETS, facts.what, facts.problem, fix)
        case Presence.ABSENT:
            return _absent(facts)
        case Presence.THERE:
            return _present(facts)


def _absent(facts: SecretFacts) -> Finding:
    if not facts.made:
        fix = f"make it: {facts.make} --from-file={facts.key}=FILE; or correct its name or namespace"
        return Finding(Level.FAIL, Area.SECRETS, facts.what, "does not exist", fix)
    # Whether it may do so is for the permission `create` to say.
    return Finding(Level.OK, Area.SECRETS, facts.what, "does not exist yet; the monitor makes it when it is needed")


def _present(facts: SecretFacts) -> Finding:
    if facts.immutable and facts.rotated:
        fix = f"delete it and make it again without immutable: kubectl delete secret {facts.name} -n {facts.namespace}"
        return Finding(Level.FAIL, Area.SECRETS, facts.what, "is immutable, so no new key can be written", fix)
    if facts.holds is Holds.JOURNAL:
        return Finding(Level.OK, Area.SECRETS, facts.what, "is there")
    there = ", ".join(facts.keys[:10]) or "none"
    if facts.key not in facts.keys or facts.is_empty:
        cause = f"its key {facts.key} is empty" if facts.key in facts.keys else f"has no key {facts.key} ({there})"
        if facts.made:
            return Finding(Level.OK, Area.SECRETS, facts.what, f"{cause}; the monitor writes it")
        fix = f"put the {facts.holds} there, or correct the key in the configuration"
        return Finding(Level.FAIL, Area.SECRETS, facts.what, cause, fix)
    if facts.line_end and facts.holds is Holds.TOKEN:
        cause = f"its key {facts.key} ends with a line end, with which a consumer's request is refused"
        fix = "write the token without: `printf %s`, not `echo`"
        return Finding(Level.WARN, Area.SECRETS, facts.what, cause, fix)
    return Finding(Level.OK, Area.SECRETS, facts.what, f"has the key {facts.key}")


# --- permissions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Review:
    """What Kubernetes said of one permission: verbs that are allowed, that are not, and that it did not answer for.

    exists: whether the object is there, which makes `create` unnecessary; None when that was not looked at.
    """

    permission: Permission
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    problem: str = ""
    exists: bool | None = None


def permission_finding(review: Review, account: ServiceAccount | None) -> Finding | None:
    """What is allowed or lacks; None where the permission is not needed. account: who was asked about, None: ourselves."""
    permission = review.permission
    creates = "create" in permission.verbs and permission.name is not None
    if creates and review.exists:
        return None
    what = str(permission)
    # A Secret that is not there, and may not be made: then no rotation can begin.
    stuck = creates and permission.resource == "secrets" and review.exists is False
    level = Level.WARN if permission.optional and not stuck else Level.FAIL
    if review.denied:
        who = f"service account {account.namespace}/{account.name}" if account else "whoever runs doctor"
        denied = f"{who} may not {', '.join(review.denied)}: {permission.why}"
        if creates and permission.resource == "secrets":
            made = f"kubectl create secret generic {permission.name} -n {permission.namespace}"
            fix = f"make it yourself, empty, since RBAC cannot limit create to a name: {made}"
            return Finding(level, Area.PERMISSIONS, what, denied, fix)
        return Finding(level, Area.PERMISSIONS, what, denied, f"allow it {ROLE_COMMAND}")
    if review.unanswered:
        fix = "look at the way to the Kubernetes API, and try again"
        if account is not None:
            fix = "run doctor as somebody who may create subjectaccessreviews, or as that service account itself"
        return Finding(Level.UNKNOWN, Area.PERMISSIONS, what, review.problem or "was not answered", fix)
    return Finding(Level.OK, Area.PERMISSIONS, what, permission.why)


# --- other writers -----------------------------------------------------------------------------------------------------

# Marks that tools leave on what they apply, and the writer of `writers` that it stands for. Sources: Argo CD
# common.AnnotationKeyAppInstance and the older label; Helm's ownership metadata; Flux's kustomize- and helm-controller;
# External Secrets' esv1 labels; Sealed Secrets and others own what they make (ownerReferences).
MARKS = (
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("meta.helm.sh/release-name", "Helm"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
    ("reconcile.external-secrets.io/managed", "External Secrets"),
    ("reconcile.external-secrets.io/created-by", "External Secrets"),
)
MARK_NAMES = frozenset(name for name, _ in MARKS)
OWNERS = {"ExternalSecret": "External Secrets", "VaultStaticSecret": "Vault Secrets Operator"}
# Made by hand once, as the documentation of Codefresh says: nobody who writes again by itself.
BY_HAND = "kubectl"


def writer_findings(facts: SecretFacts) -> Iterator[Finding]:
    """Who else writes a Secret that the monitor rotates, and what to change; "ok" when there is nobody."""
    if facts.presence is not Presence.THERE or not facts.rotated or facts.holds is not Holds.TOKEN:
        return
    found: dict[str, tuple[str, str]] = {}
    for owner in facts.owners:
        name = OWNERS.get(owner.partition("/")[0], owner)
        fix = remedy(name) if name != owner else f"let {owner} no longer make this Secret, or rotate another one"
        found.setdefault(name, (f"{owner} owns it, and writes back what it holds", fix))
    for mark, writer in MARKS:
        value = dict(facts.marks).get(mark)
        if value is not None:
            found.setdefault(writer, (f"{writer} applies it ({mark}: {value})", remedy(writer)))
    for manager in facts.managers:
        words = in_words(manager.name, manager.at)
        name = words.partition(" (")[0]
        if manager.name != OURS and name != BY_HAND:
            found.setdefault(name, (f"{words} wrote the key {facts.key}", remedy(words)))
    what = f"other writers of Secret {facts.namespace}/{facts.name}"
    for cause, fix in found.values():
        yield Finding(Level.WARN, Area.WRITERS, what, cause, fix)
    if not found:
        yield Finding(Level.OK, Area.WRITERS, what, "none")


# --- replicas of a server ----------------------------------------------------------------------------------------------


def replicas_finding(report: replicas.ReplicasReport) -> Finding:
    """Whether each replica answers, and as the others do."""
    what = f"replicas of {report.service}"
    if report.split_since is not None:
        fix = f"look again in two minutes, for a cache that is behind heals by itself. {replicas.advice(report)}"
        return Finding(Level.WARN, Area.ARGOCD, what, replicas.in_words(report), fix)
    if problem := replicas.after_one_look(report):
        fix = "see to that; where this is not run in the cluster, run it in the monitor's pod: pods are reached from there"
        return Finding(Level.UNKNOWN, Area.ARGOCD, what, problem, fix)
    return Finding(Level.OK, Area.ARGOCD, what, replicas.in_words(report))
