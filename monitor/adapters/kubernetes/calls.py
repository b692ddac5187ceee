"""What the calls of stores, consumers and events share: the namespace, and what a refusal means in words.

The API's own words are quoted where they help, and never where they quote a credential that we sent: an admission
webhook may say anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitor.cluster import Answer, KubernetesApi, NoAnswer
from monitor.core.text import printable
from monitor.core.writers import OURS

# Under this name the API notes what we write (`metadata.managedFields`).
AS_OURSELVES = {"fieldManager": OURS}
QUOTED = 200
SCANNED = 4000
# A piece of a credential this long counts as a quote of it.
PIECE = 12
HIDDEN = "its words are not shown: they quote what was written"


async def namespace_of(api: KubernetesApi, namespace: str | None) -> str | NoAnswer:
    """`namespace`, or the connection's own, which is known once it found its configuration."""
    if namespace is not None:
        return namespace
    problem = await api.ready()
    return api.namespace if problem is None else NoAnswer(problem, sent=False)


def said(answer: Answer, hidden: Sequence[str] = ()) -> str:
    """The API's own words, bounded; none where they quote a piece of a text in `hidden`."""
    message = str(answer.body.get("message", ""))[:SCANNED]
    for text in hidden:
        if any(text[at : at + PIECE] in message for at in range(max(1, len(text) - PIECE + 1)) if text):
            return HIDDEN
    return printable(message, QUOTED)


def is_refusal(answer: Answer) -> bool:
    """Whether the API said no, so that nothing was changed. A 408 or 5xx may come after the deed."""
    return 400 <= answer.status < 500 and answer.status != 408


def is_absent(answer: Answer) -> bool:
    """Whether the API itself says that there is no such object; a proxy's page of 404 does not count."""
    return answer.status == 404 and answer.body.get("kind") == "Status"


def denied(answer: Answer, verb: str, resource: str, names: Sequence[str], hidden: Sequence[str] = ()) -> str:
    """A 401 or 403 in words, with the fix. resource: plural, as in RBAC; names: for resourceNames, none if it has none."""
    words = said(answer, hidden)
    if is_of_a_namespace_that_ends(answer):
        return f"the namespace is being deleted ({words}): make it again when it is gone, or name another one"
    if answer.status == 401:
        return f"the Kubernetes API does not know the monitor ({words}): renew its service account token or kubeconfig"
    if words not in ("", HIDDEN) and "cannot" not in words:
        # RBAC says "cannot VERB resource"; anything else is an admission policy or a quota.
        return f"the Kubernetes API refuses it ({words}): allow it in the policy or quota that this names"
    only = f", resourceNames [{', '.join(names)}]" if names else ""
    return f"not permitted ({words}): give the monitor's service account the verb {verb} on {resource}{only}"


def is_of_a_namespace_that_ends(answer: Answer) -> bool:
    """Whether nothing can be made because the namespace is being deleted (a 403 as well, and no matter of permissions)."""
    causes = mapping(answer.body.get("details")).get("causes")
    found = causes if isinstance(causes, list) else []
    return any(mapping(cause).get("reason") == "NamespaceTerminating" for cause in found)


def odd(answer: Answer, hidden: Sequence[str] = ()) -> str:
    """An answer that should not be."""
    return f"the Kubernetes API answered {answer.status} {said(answer, hidden)}".rstrip()


def seconds(value: object, longest: float) -> float | None:
    """A number of seconds that the API gives, 0 to `longest`; None for anything else, a truth value among it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    # Compared first: an integer of hundreds of digits is no float.
    return float(min(max(value, 0), longest))


def mapping(value: object) -> Mapping[str, Any]:
    """`value` where it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}
