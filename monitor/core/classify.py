"""What the answers of one check mean: an ordered chain of small rules, from an `Observation` to a `Verdict`.

Two rules stand above all (design.md): only Argo CD's own answer about this token makes it refused, and only
`loggedIn: true` (a JSON boolean) makes it accepted. Each rule looks for itself at all that it needs, so that it
holds alone; the first that says something wins, and what no rule knows is "cannot tell".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitor.core.answers import (
    read_account,
    read_can_i,
    read_error,
    read_refusal,
    read_userinfo,
    was_served,
)
from monitor.core.causes import NO_SESSION, SETTINGS_REMEDY, find_wording, is_of_own_settings
from monitor.core.claims import ARGOCD_ISSUER
from monitor.core.inference import infer
from monitor.core.lacking import lacking
from monitor.core.model import Answer, Expectation, Fault, FaultKind, Observation, Reply, Verdict
from monitor.core.questions import without_capability
from monitor.core.remedies import fault_remedy, remedy
from monitor.core.status import Kind, Status
from monitor.core.text import printable

MAX_CAUSE = 400
MAX_RETRY_AFTER = 900.0
# The part of the time between renewal and end that is left when a renewal counts as late.
OVERDUE = 0.75

DISAGREEMENT = (
    "one answer says that the token is not logged in, the next one serves it: the replicas of argocd-server"
    " disagree, which passes within seconds after a change"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says. `remedy` is None where the status's own remedy fits."""

    status: Status
    cause: str
    remedy: str | None = None


Rule = Callable[[Observation, Expectation, float], Finding | None]

FAULT_STATUS: dict[FaultKind, tuple[Status, str]] = {
    FaultKind.DNS: (Status.UNREACHABLE, "the host name could not be resolved (DNS)"),
    FaultKind.REFUSED: (Status.UNREACHABLE, "the connection was refused: nothing listens there"),
    FaultKind.TIMEOUT: (Status.UNREACHABLE, "no answer within the deadline (timeout)"),
    FaultKind.RESET: (Status.UNREACHABLE, "the connection was closed before the answer was complete"),
    FaultKind.NO_ROUTE: (Status.UNREACHABLE, "there is no route to the host"),
    FaultKind.FORBIDDEN_ADDRESS: (
        Status.UNREACHABLE,
        "the address leads to the machine itself or to the metadata service of a cloud, where no token is sent",
    ),
    FaultKind.OUT_OF_FILES: (Status.UNREACHABLE, "the monitor may open no more files, and a connection is one"),
    FaultKind.NETWORK: (Status.UNREACHABLE, "the network failed"),
    FaultKind.TLS_EXPIRED: (Status.TLS_ERROR, "the server's certificate has expired"),
    FaultKind.TLS_NOT_YET_VALID: (Status.TLS_ERROR, "the server's certificate is not valid yet"),
    FaultKind.TLS_UNKNOWN_CA: (Status.TLS_ERROR, "the server's certificate is not signed by a known CA"),
    FaultKind.TLS_WRONG_HOST: (Status.TLS_ERROR, "the server's certificate is for another host name"),
    FaultKind.TLS_NOT_SPOKEN: (Status.TLS_ERROR, "the port does not speak TLS"),
    FaultKind.TLS_OTHER: (Status.TLS_ERROR, "the TLS handshake failed"),
    FaultKind.TOO_LARGE: (Status.NOT_ARGOCD, "the answer is larger than any of Argo CD's"),
    FaultKind.NOT_HTTP: (Status.NOT_ARGOCD, "the answer is not valid HTTP"),
}


def control_is_let_through(seen: Observation, expected: Expectation, now: float) -> Finding | None:
    """A token with a broken signature counted as logged in: the answers say nothing about ours."""
    if not _logged_in(seen.control_userinfo):
        return None
    return Finding(
        Status.NOT_ARGOCD,
        "a token that must be refused was accepted as well: a proxy answers from a cache or in its own name,"
        " so the answer says nothing about the token",
    )


def token_is_accepted(seen: Observation, expected: Expectation, now: float) -> Finding | None:
    """`loggedIn: true`, and nothing else, makes a token accepted (recording valid-api-key)."""
    info = read_userinfo(seen.userinfo)
    if info is None or not info.logged_in or _logged_in(seen.control_userinfo):
        return None
    account = without_capability(info.username)
    named = account or "(without a name)"
    if expected.account and account != expected.account:
        return Finding(
            Status.WRONG_ACCOUNT,
            f"the token works, as account {named} instead of {expected.account}",
        )
    lacks = lacking(seen, expected, account)
    if lacks is not None:
        return Finding(Status.INSUFFICIENT_PERMISSIONS, *lacks)
    expires_at = _expiry(seen)
    if expires_at is not None and expires_at - now <= told_within(seen, expires_at, expected):
        return Finding(Status.EXPIRING, f"the token works and expires in {_span(expires_at - now)}")
    return Finding(Status.VALID, f"Argo CD accepts the token as account {named}")


def header_was_lost(seen: Observation, expected: Expectation, now: float) -> Finding | None:
    """`no session information` for a token of the right shape: Argo CD never got it (util/jwt IsValid)."""
    text = _refusal(seen)
    if text is None or text.strip() != NO_SESSION or not seen.token_shaped:
        return None
    return Finding(
        Status.NOT_ARGOCD,
        "Argo CD saw no token at all: something between takes the Authorization header away",
        "Let the proxy before Argo CD pass the header `Authorization` on, or use the Service argocd-server itself.",
    )


def token_has_no_shape(seen: Observation, expected: Expectation, now: float) -> Finding | None:
    """`no session information` for a value that is no token (recording malformed-token, garbage)."""
    text = _refusal(seen)
    if text is None or text.strip() != NO_SESSION or seen.token_shaped:
        return None
    return Finding(Status.MALFORMED, "the value does not have the shape of a token (three parts with dots)")


def token_is_refused(seen: Observation, expected: Expectation, now: float) -> Finding | None:
    """Argo CD refused the token and said why (401, code 16): see `causes`."""
    text = _refusal(seen)
    if text is None or text.strip() == NO_SESSION:
        return None
    status, cause = find_wording(text, seen.claims)
    return Finding(status, cause, SETTINGS_REMEDY if is_of_own_settings(text, seen.claims) else None)


def authentication_is_off(seen: Observation, expected: Expectation, now: float) -> Finding | None:
    """Nobody is logged in and even a broken token may do everything: argocd-server runs with --disable-auth.

    A role for the anonymous that allows everything looks the same, and then the token may well be refused: what the two
    tell apart from each other differs between versions, so that neither is claimed.
    """
    if not _not_logged_in(seen) or not was_served(seen.account) or not was_served(seen.control_can_i):
        return None
    if read_can_i(seen.wide_open) is not True:
        return None
    return Finding(
        Status.NOT_ARGOCD,
        "the server runs without authentication, or gives everybody every right: it lets every request through, so"
        " nothing can be said about the token",
        "Start argocd-server without `--disable-auth` (`server.disable.auth` in ConfigMap argocd-cmd-params-cm); where"
        " anonymous access is on (`users.anonymous.enabled`), take the role that allows everything out of"
        " `policy.default` in ConfigMap argocd-rbac-cm.",
    )


def refused_behind_anonymous_access(seen: Observation, expected: Expectation, now: float) -> Finding | None:
    """Not logged in, yet served as anonymous: the cause is inferred (recording anonymous-enabled)."""
    if not _not_logged_in(seen) or not was_served(seen.account) or not was_served(seen.control_can_i):
        return None
    if read_can_i(seen.wide_open) is not False:
        return None
    status, cause = infer(seen, now)
    return Finding(
        status,
        f"{cause} (inferred: anonymous access is on, `users.anonymous.enabled`, and hides Argo CD's reason)",
    )


def answers_disagree(seen: Observation, expected: Expectation, now: float) -> Finding | None:
    """Not logged in by one answer, served by the next while the control is refused: replicas disagree."""
    if not _not_logged_in(seen) or not was_served(seen.account):
        return None
    if read_refusal(seen.control_can_i) is None:
        return None
    return Finding(
        Status.SERVER_ERROR,
        DISAGREEMENT,
        "Wait for the next check; if it stays, restart the replicas of argocd-server: "
        "`kubectl rollout restart deployment argocd-server`.",
    )


def userinfo_cannot_tell(seen: Observation, expected: Expectation, now: float) -> Finding | None:
    """No usable answer to the question itself."""
    if seen.userinfo is None and _refusal(seen) is None and not _logged_in(seen.control_userinfo):
        return Finding(Status.PENDING, "the token has not been checked yet")
    if read_userinfo(seen.userinfo) is not None or _refusal(seen) is not None or _logged_in(seen.control_userinfo):
        return None
    return _no_answer(seen.userinfo, expected, "") if seen.userinfo is not None else None


def cause_cannot_be_told(seen: Observation, expected: Expectation, now: float) -> Finding | None:
    """Not logged in, and the question why found no answer of Argo CD's: a proxy's `{}` looks the same."""
    if not _not_logged_in(seen):
        return None
    asked = (seen.account, seen.control_can_i, seen.wide_open)
    answer = next((answer for answer in asked if answer is not None and not was_served(answer)), None)
    if answer is None or read_refusal(answer) is not None:
        return None
    return _no_answer(answer, expected, "the token was not confirmed, and the question why was not answered: ")


CHAIN: tuple[Rule, ...] = (
    control_is_let_through,
    token_is_accepted,
    header_was_lost,
    token_has_no_shape,
    token_is_refused,
    authentication_is_off,
    refused_behind_anonymous_access,
    answers_disagree,
    userinfo_cannot_tell,
    cause_cannot_be_told,
)


def classify(seen: Observation, expected: Expectation, now: float) -> Verdict:
    """The verdict on what was seen. `now` in epoch seconds, for expiry only: it never makes a token refused."""
    finding = next(
        (found for rule in CHAIN if (found := rule(seen, expected, now)) is not None),
        Finding(Status.NOT_ARGOCD, "the answers are not those of Argo CD"),
    )
    cause = finding.cause + (seen.disguise if finding.status is Status.MALFORMED else "")
    info = read_userinfo(seen.userinfo)
    account = without_capability(info.username) if info and info.logged_in else None
    account = account or seen.claims.account or _project_role(seen)
    known = account or expected.account
    key = page.key(seen.claims.key_id) if (page := read_account(seen.account)) else None
    return Verdict(
        status=finding.status,
        cause=printable(cause, MAX_CAUSE),
        remedy=finding.remedy or remedy(finding.status, expected, known),
        account=known,
        token_id=seen.claims.token_id,
        issued_at=seen.claims.issued_at or (key.issued_at if key else None),
        expires_at=_expiry(seen),
        anonymous_access=_anonymous(seen),
        retry_after=_retry_after(seen) if finding.status.kind is Kind.UNKNOWN else None,
        checked_at=now,
    )


def unsent(status: Status, cause: str, expected: Expectation, now: float) -> Verdict:
    """The verdict on a credential that cannot be sent at all: missing, or with characters no header carries."""
    advice = remedy(status, expected, expected.account)
    if status is Status.PENDING:
        advice = f"Let the monitor read {expected.where}: the cause says what is in the way."
    return Verdict(
        status=status,
        cause=printable(cause, MAX_CAUSE),
        remedy=advice,
        account=expected.account,
        checked_at=now,
    )


def _refusal(seen: Observation) -> str | None:
    """What Argo CD refused the token with, unless it also accepts it, or accepts what no server may."""
    if _logged_in(seen.userinfo) or _logged_in(seen.control_userinfo):
        return None
    text = read_refusal(seen.account)
    return text if text is not None else read_refusal(seen.userinfo)


def _logged_in(answer: Answer | None) -> bool:
    info = read_userinfo(answer)
    return info is not None and info.logged_in


def _not_logged_in(seen: Observation) -> bool:
    """`{}`, without a word of refusal: the reason is to be found out."""
    if _refusal(seen) is not None or _logged_in(seen.control_userinfo):
        return False
    info = read_userinfo(seen.userinfo)
    return info is not None and not info.logged_in


def _no_answer(answer: Answer, expected: Expectation, prefix: str) -> Finding:
    if isinstance(answer, Fault):
        status, cause = FAULT_STATUS[answer.kind]
        detail = f" ({answer.detail})" if answer.detail else ""
        return Finding(status, f"{prefix}{cause}{detail}", fault_remedy(answer, status, expected))
    code = answer.status
    if code == 429:
        return Finding(Status.THROTTLED, f"{prefix}the server asks for fewer requests (HTTP 429)")
    if code >= 500:
        error = read_error(answer)
        return Finding(
            Status.SERVER_ERROR,
            f"{prefix}the server failed (HTTP {code}{': ' + error.message if error else ''})",
        )
    if 300 <= code < 400:
        where = f" to {printable(answer.location, 100)}" if answer.location else ""
        return Finding(
            Status.NOT_ARGOCD,
            f"{prefix}the server redirects{where} (HTTP {code}); redirects are not followed with a token",
            "Use the address that the redirect leads to, if it is argocd-server's (often https:// instead of http://).",
        )
    if code == 404:
        return Finding(
            Status.NOT_ARGOCD,
            f"{prefix}there is no Argo CD API at this address (HTTP 404)",
            "Check `rootpath` (argocd-server's --rootpath, `server.rootpath`) and the address.",
        )
    if code in (401, 403, 407):
        return Finding(
            Status.NOT_ARGOCD,
            f"{prefix}something before Argo CD refused the request (HTTP {code}), not Argo CD itself",
        )
    what = "a page for people (HTML)" if "html" in answer.content_type else "something else"
    return Finding(Status.NOT_ARGOCD, f"{prefix}the answer is {what}, not one of Argo CD's API (HTTP {code})")


def told_within(seen: Observation, expires_at: float, expected: Expectation) -> float:
    """Seconds before its end from which a token counts as expiring. One that the monitor renews: when that is late.

    No key follows a token of a project role or of a single sign-on (`policy.owner`), whatever is configured.
    """
    foreign = seen.claims.issuer is not None and seen.claims.issuer != ARGOCD_ISSUER
    if not expected.renewed or seen.claims.is_project_role or foreign:
        return expected.expiring_within
    issued_at = seen.claims.issued_at
    begins = expected.renew_before
    if begins is None:
        begins = (expires_at - issued_at) / 3 if issued_at is not None else expected.expiring_within
    return min(expected.expiring_within, OVERDUE * begins)


def _expiry(seen: Observation) -> float | None:
    if seen.claims.expires_at is not None:
        return seen.claims.expires_at
    page = read_account(seen.account)
    key = page.key(seen.claims.key_id) if page else None
    return key.expires_at if key else None


def _anonymous(seen: Observation) -> bool | None:
    if not isinstance(seen.control_can_i, Reply):
        return None
    if was_served(seen.control_can_i):
        return True
    return False if read_refusal(seen.control_can_i) is not None else None


def _retry_after(seen: Observation) -> float | None:
    asked = [
        answer.retry_after
        for answer in (seen.userinfo, seen.account, seen.control_can_i, seen.wide_open)
        if isinstance(answer, Reply) and answer.retry_after is not None
    ]
    return min(max(asked), MAX_RETRY_AFTER) if asked else None


def _project_role(seen: Observation) -> str | None:
    return seen.claims.subject if seen.claims.is_project_role else None


def _span(seconds: float) -> str:
    seconds = max(0, int(seconds))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
