"""Why a token is refused where nobody says so: with anonymous access Argo CD answers, as if nothing were wrong.

What is left are the token's own words and the page of its account, in the order in which Argo CD looks at them
(util/session/sessionmanager.go Parse). A password or a signing key that was changed leaves no trace in either.
"""

from __future__ import annotations

from monitor.core.answers import read_account
from monitor.core.claims import ARGOCD_ISSUER
from monitor.core.model import Account, Observation, Reply
from monitor.core.status import Status

# How far the clocks of the server and of the monitor may be apart before a token counts as dated in the future.
CLOCK_TOLERANCE = 60.0


def infer(seen: Observation, now: float) -> tuple[Status, str]:
    """Status and cause. `now`: epoch seconds; it words a refusal that userinfo has told already, and makes none."""
    claims, page = seen.claims, read_account(seen.account)
    if page is not None and page.name != claims.account:
        page = None  # the page of another account says nothing about this token
    if not seen.token_shaped:
        return Status.MALFORMED, "the value does not have the shape of a token"
    if claims.unreadable:
        return Status.MALFORMED, "the value is not a token that Argo CD can read"
    if claims.issuer is not None and claims.issuer != ARGOCD_ISSUER:
        return Status.FOREIGN_ISSUER, f"the token was issued by {claims.issuer}, not by Argo CD"
    if claims.expires_at is not None and claims.expires_at <= now:
        return Status.EXPIRED, "the token has expired"
    if claims.not_before is not None and claims.not_before > now + CLOCK_TOLERANCE:
        return Status.NOT_YET_VALID, "the token is dated in the future"
    if claims.issuer and not claims.subject:
        return Status.MALFORMED, "the token names no account (claim sub)"
    if claims.account and isinstance(seen.account, Reply) and seen.account.status == 404:
        return Status.ACCOUNT_MISSING, f"account {claims.account} does not exist any more"
    if page is not None and not page.enabled:
        return Status.ACCOUNT_DISABLED, f"account {page.name} is disabled"
    if page is not None and claims.capability not in page.capabilities:
        return (
            Status.CAPABILITY_MISSING,
            f"account {page.name} does not have the capability {claims.capability}",
        )
    if claims.issuer and claims.account and not claims.token_id:
        return Status.MALFORMED, "the token carries no id (jti), so Argo CD cannot look it up"
    listed = page is not None and page.key(claims.key_id) is not None
    if page is not None and claims.token_id and claims.capability == "apiKey" and not listed:
        return Status.REVOKED, f"account {page.name} does not list a key {claims.token_id}"
    return (
        Status.REJECTED,
        f"Argo CD does not accept the token; {_possible(seen, page)}, or a proxy takes the Authorization header away",
    )


def _possible(seen: Observation, page: Account | None) -> str:
    if seen.claims.is_project_role:
        return "it may have been deleted from its project role, or the role or the signing key changed"
    if page is None:
        return "its key may have been deleted, or its account, the account's password or the signing key changed"
    if seen.claims.capability == "login":
        return "its session may have been ended, or its account's password or the signing key changed"
    return "its account's password or the signing key may have been changed"
