"""The two objects in which Argo CD keeps what decides about its accounts, and what of them is worth a look.

ConfigMap argocd-cm declares accounts and switches them off; Secret argocd-secret holds passwords, keys and the signing
key. Of the first only some entries decide. Of the second nothing is ever read: that it was written is all we know.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping

# util/settings/accounts.go of Argo CD 3.6: parseAccounts takes `accounts.NAME` and `accounts.NAME.enabled`,
# parseAdminAccount takes `admin.enabled`; both come to the same in 2.x.
ACCOUNTS = "accounts."
# util/settings/settings.go, anonymousUserEnabledKey: with anonymous access a refused token is served too, so it
# decides what a verdict can tell.
SWITCHES = frozenset({"admin.enabled", "users.anonymous.enabled"})


class Part(enum.Enum):
    """What was changed inside an installation. The value is the name that Argo CD gives the object (common.go)."""

    SETTINGS = "argocd-cm"
    KEYS = "argocd-secret"


def fingerprint(data: Mapping[str, object]) -> str:
    """What the data of argocd-cm decides about tokens, as a digest: equal while all of that is unchanged."""
    decides = sorted((key, str(value)) for key, value in data.items() if key.startswith(ACCOUNTS) or key in SWITCHES)
    digest = hashlib.sha256()
    for text in (part for pair in decides for part in pair):
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()
