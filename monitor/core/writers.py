"""Who writes into a Secret, in words, and what to change so that they leave the token alone.

Kubernetes notes a *field manager* for each writer of each field (`metadata.managedFields`). Here is the list of those
that are met at Argo CD's credentials; any other is shown as it names itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.core.text import printable

# The name under which we write ourselves.
OURS = "token-monitor"
MAX_NAME = 80


@dataclass(frozen=True, slots=True)
class Writer:
    """One kind of writer. managers: its field managers, whole or (ending in `*`) their beginning."""

    name: str
    managers: tuple[str, ...]
    remedy: str


# Order matters: the first that fits. Sources: Argo CD common.ArgoCDSSAManager; External Secrets fieldOwnerTemplate;
# Flux and Helm by the names of their programs; kubectl's defaults.
WRITERS = (
    Writer("token-monitor", (OURS,), "two monitors may be at work on this Secret: stop one of them"),
    Writer(
        "Argo CD",
        ("argocd-controller", "argocd-application-controller", "argocd-server"),
        "take the Secret out of the Application, or give it ignoreDifferences on /data of this Secret together with"
        " syncOptions [RespectIgnoreDifferences=true]",
    ),
    Writer(
        "External Secrets",
        ("externalsecrets.external-secrets.io/*", "external-secrets*"),
        "take this key out of the ExternalSecret and set its target.creationPolicy: Merge (it then leaves other keys"
        " alone) or None, or delete the ExternalSecret",
    ),
    Writer(
        "Codefresh app-proxy",
        ("cap-app-proxy*", "app-proxy*"),
        "use token mode in the runtime's values (auth.type: token with tokenSecretKeyRef), so that app-proxy leaves"
        " the Secret to the monitor",
    ),
    Writer("Flux", ("kustomize-controller", "helm-controller"), "take the Secret out of what Flux applies"),
    Writer("Helm", ("helm",), "take the Secret out of the chart's values, so that an upgrade does not write it"),
    Writer(
        "Vault Secrets Operator", ("vault-secrets-operator*",), "take this key out of what the operator synchronises"
    ),
    Writer("kubectl", ("kubectl*",), "somebody writes it by hand or from a pipeline: ask who, and let them stop"),
)
UNKNOWN_REMEDY = "find out who writes this Secret (kubectl get secret --show-managed-fields -o yaml) and let them stop"


def in_words(manager: str, at: str = "") -> str:
    """`Argo CD (argocd-controller, 2026-08-20T10:00:00Z)`. manager: as in managedFields; at: its time, "" if unknown."""
    manager, at = printable(manager, MAX_NAME), printable(at, 40)
    known = _find(manager)
    if known is None:
        return f"{manager} ({at})" if at else manager
    details = ", ".join(part for part in (manager if manager != known.name else "", at) if part)
    return f"{known.name} ({details})" if details else known.name


def remedy(writer: str | None) -> str:
    """What to change so that `writer` (as `in_words` gave it) leaves the token alone."""
    for known in WRITERS:
        if writer is not None and (writer == known.name or writer.startswith(f"{known.name} (")):
            return known.remedy
    return UNKNOWN_REMEDY


def _find(manager: str) -> Writer | None:
    for writer in WRITERS:
        for pattern in writer.managers:
            if manager.startswith(pattern[:-1]) if pattern.endswith("*") else manager == pattern:
                return writer
    return None
