"""Fleets for the page, made by hand: the words are those of the real core, the numbers fixed."""

from __future__ import annotations

from dataclasses import replace

from monitor.core.history import LENGTH, remember
from monitor.core.journal import State
from monitor.core.model import DAY, Expectation, Fault, FaultKind, Mode, Verdict
from monitor.core.remedies import fault_remedy, remedy
from monitor.core.report import RotationReport, TargetReport
from monitor.core.status import Kind, Status

NOW = 1_795_000_000.0
MINUTE, HOUR = 60.0, 3600.0

CAUSES = {
    Status.VALID: "Argo CD accepts the token as account {account}",
    Status.EXPIRING: "Argo CD accepts the token as account {account}; it expires within the configured time",
    Status.WRONG_ACCOUNT: "Argo CD accepts the token, but as account {account} instead of codefresh",
    Status.INSUFFICIENT_PERMISSIONS: "account {account} may not applications/sync/*/*",
    Status.REVOKED: "the API key {key} was deleted from account {account}",
    Status.EXPIRED: "the token has expired",
    Status.ACCOUNT_DISABLED: "account {account} is disabled",
    Status.PASSWORD_CHANGED: "the password of account {account} was changed after the token was issued, which ends all older keys",
    Status.UNREACHABLE: "argocd-server did not answer within 10 s",
    Status.TLS_ERROR: "the certificate of the server has expired",
    Status.THROTTLED: "429 Too Many Requests",
    Status.SERVER_ERROR: "the server answered 503",
    Status.PENDING: "the token has not been checked yet",
}


def past(*runs: tuple[Status, int]) -> bytes:
    """A history of so many checks of each status, oldest first."""
    history = b""
    for status, times in runs:
        for _ in range(times):
            history = remember(history, status)
    return history


def target(
    name: str,
    status: Status = Status.VALID,
    *,
    since: float = 9 * DAY,
    account: str | None = "codefresh",
    key: str | None = None,
    ends_in: float | None = None,
    server: str = "",
    namespace: str = "codefresh",
    mode: Mode = Mode.TOKEN,
    checked: float = 4.0,
    history: bytes | None = None,
    **changes: object,
) -> TargetReport:
    """One target. since, checked: seconds ago; ends_in: seconds from now."""
    key = key or f"{name}-key"
    expected = Expectation(mode=mode, account=account, where=f"Secret {namespace}/argocd-token, key token")
    cause = CAUSES.get(status, status.facts.meaning).format(account=account, key=key)
    unknown = status.kind is Kind.UNKNOWN
    verdict = Verdict(
        status,
        cause,
        remedy(status, expected, account),
        account=account,
        token_id=key,
        issued_at=NOW - 40 * DAY,
        expires_at=None if ends_in is None else NOW + ends_in,
        checked_at=0.0 if status is Status.PENDING else NOW - checked,
        duration=0.0123,
    )
    accepted = replace(verdict, status=Status.VALID, cause=CAUSES[Status.VALID].format(account=account))
    told: Verdict | None = replace(accepted, checked_at=NOW - since) if unknown else verdict
    if status is Status.PENDING:
        told = None
    facts: dict[str, object] = {
        "server": server or f"https://argocd.{name}.example.com",
        "mode": mode,
        "where": expected.where,
        "interval": 15.0,
        "timeout": 10.0,
        "verdict": verdict,
        "since": NOW - since,
        "told": told,
        "checks": 51_840,
        "failures_by_status": {Status.UNREACHABLE: 12},
        "anonymous_access": False,
        "history": history if history is not None else past((status, LENGTH)),
    }
    return TargetReport(name, **(facts | changes))  # type: ignore[arg-type]


PRODUCTION = target(
    "production",
    Status.REVOKED,
    since=3 * MINUTE + 10,
    account="codefresh",
    key="codefresh-2025-11",
    server="http://argo-cd-server.argocd",
    history=past((Status.VALID, 11), (Status.UNREACHABLE, 1), (Status.VALID, 5), (Status.REVOKED, 13)),
    rotation=RotationReport(
        state=State.IDLE,
        waiting_for="the token is revoked and there is no password to log in with: put a new token there",
        rotations=4,
        rotated_at=NOW - 31 * DAY,
        live_keys=1,
        left_alone="codefresh-2025-08",
        left_alone_command="`argocd account delete-token --account codefresh codefresh-2025-08`",
    ),
)

TROUBLED = (
    PRODUCTION,
    target(
        "eu-west-payments",
        Status.ACCOUNT_DISABLED,
        since=51 * MINUTE,
        account="payments-ci",
        history=past((Status.ACCOUNT_DISABLED, LENGTH)),
    ),
    replace(
        target(
            "edge-08",
            Status.UNREACHABLE,
            since=7 * MINUTE,
            history=past((Status.VALID, 9), (Status.THROTTLED, 3), (Status.UNREACHABLE, 18)),
        ),
        verdict=Verdict(
            Status.UNREACHABLE,
            "argocd.edge-08.example.com did not answer within 10 s",
            fault_remedy(Fault(FaultKind.TIMEOUT), Status.UNREACHABLE, Expectation()),
            account="codefresh",
            token_id="edge-08-key",
            checked_at=NOW - 6,
            duration=10.0,
        ),
    ),
    target(
        "staging",
        since=5 * DAY,
        mode=Mode.PASSWORD,
        account="codefresh",
        key="tm-7h2k9q4x",
        history=past((Status.VALID, LENGTH)),
        rotation=RotationReport(
            rotations=9,
            rotated_at=NOW - 2 * DAY,
            live_keys=2,
            stood_down="app-proxy undid our write of the Secret 2 times: set `argocd-token` aside for one of them; "
            "then let the monitor try again with `token-monitor rotate staging`",
        ),
    ),
    target(
        "sandbox",
        Status.EXPIRING,
        since=2 * DAY,
        ends_in=4.6 * DAY,
        account="sandbox-bot",
        history=past((Status.EXPIRING, LENGTH)),
    ),
)

CALM = (
    target(
        "apac-checkout",
        mode=Mode.PASSWORD,
        key="tm-q8v3m1zd",
        ends_in=52 * DAY,
        rotation=RotationReport(
            state=State.GRACE,
            key_id="tm-q8v3m1zd",
            rotations=3,
            rotated_at=NOW - 4 * MINUTE,
            live_keys=2,
            old_consumers=("codefresh/cap-app-proxy-6d9f7c-x2x4q", "codefresh/cap-app-proxy-6d9f7c-p8l2z"),
        ),
    ),
    target(
        "us-east-portal",
        ends_in=80 * DAY,
        account="portal",
        history=past((Status.VALID, 20), (Status.SERVER_ERROR, 2), (Status.VALID, 8)),
        rotation=RotationReport(rotations=1, rotated_at=NOW - 10 * DAY, next_at=NOW + 50 * DAY, live_keys=1),
    ),
    target("us-west-portal", ends_in=61 * DAY, account="portal", anonymous_access=True),
)

REGIONS = ("eu-west", "eu-north", "us-east", "us-west", "apac", "sa-east")
TEAMS = ("orders", "search", "billing", "gateway", "identity", "media", "mobile", "ledger", "risk", "data")


def one() -> list[TargetReport]:
    """A single target, refused."""
    return [PRODUCTION]


def thirty() -> list[TargetReport]:
    """As a platform team has them on a bad morning."""
    return [*TROUBLED, *CALM, *(_healthy(index) for index in range(22))]


def many(count: int) -> list[TargetReport]:
    """A large fleet; a few are in every kind of trouble."""
    told = [*TROUBLED, *CALM]
    for index in range(count - len(told)):
        if index % 97 == 13:
            told.append(target(_name(index), Status.UNREACHABLE, since=(index % 50 + 1) * MINUTE))
        elif index % 211 == 40:
            told.append(target(_name(index), Status.PASSWORD_CHANGED, since=(index % 30 + 1) * HOUR))
        elif index % 160 == 70:
            told.append(target(_name(index), Status.EXPIRING, ends_in=(index % 7) * DAY + HOUR, since=DAY))
        else:
            told.append(_healthy(index))
    return told


def _name(index: int) -> str:
    place = f"{REGIONS[index % len(REGIONS)]}-{TEAMS[index // len(REGIONS) % len(TEAMS)]}"
    return f"{place}-{index // (len(REGIONS) * len(TEAMS)) + 1}" if index >= len(REGIONS) * len(TEAMS) else place


def _healthy(index: int) -> TargetReport:
    rotates = index % 3 == 0
    rotation = RotationReport(
        rotations=index % 5 + 1,
        rotated_at=NOW - (index % 28 + 1) * DAY,
        next_at=NOW + (index % 31 + 2) * DAY,
        live_keys=1,
    )
    return target(
        _name(index),
        since=(index % 40 + 1) * DAY,
        ends_in=(index % 60 + 9) * DAY if index % 4 else None,
        account=("codefresh", "ci", "portal")[index % 3],
        mode=Mode.PASSWORD if rotates else Mode.TOKEN,
        history=past((Status.VALID, 12), (Status.THROTTLED, 1), (Status.VALID, 17)) if index % 11 == 5 else None,
        rotation=rotation if rotates else None,
    )


HOSTILE = (
    '"><script>alert(1)</script>',
    "</td></tr></table><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "a\u202egnp.exe\u2066\u200b",
    "nul\x00 esc\x1b[31m nl\r\nX: y",
    "&lt;b&gt; &amp; &#x27;",
    "שלום عالم",
    "a b/c?d=e&f#g%2f%",
    "x" * 5000,
    "`rm -rf /` `",
)


def hostile() -> list[TargetReport]:
    """Names, causes and everything else from somebody who wants to break the page."""
    return [
        target(
            name,
            tuple(Status)[index % len(Status)],
            account=name,
            key=name,
            server=f"https://{name}",
            namespace=name,
            problem=name,
            verdict=Verdict(
                tuple(Status)[index % len(Status)], name, name, account=name, token_id=name, checked_at=NOW - 1
            ),
            rotation=RotationReport(
                state=State.GRACE,
                key_id=name,
                problem=name if index % 2 else "",
                stood_down="" if index % 2 else name,
                waiting_for=name,
                left_alone=name,
                left_alone_command=name,
                old_consumers=(name, name),
                failures={name: 1},
            ),
        )
        for index, name in enumerate(HOSTILE)
    ]
