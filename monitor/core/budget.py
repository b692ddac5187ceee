"""How many logins may be tried: arithmetic on the times of those that failed.

Argo CD locks the user out after five failures, the human included, and forgets them only 300 s after the last one
(`argocd/README.md`, "Logging in"; sessionmanager.go `expireOldFailedAttempts`). So an attempt is charged before it
is sent and given back when it worked: a crash between the two counts as a failure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

PAUSE = 360.0
DAY = 86_400.0
MOST_A_DAY = 3
REFUSED_PASSWORD_PAUSE = 3600.0


@dataclass(frozen=True, slots=True)
class LoginBudget:
    """Failed (or unfinished) logins of one server and user. Times are epoch seconds.

    refused: fingerprint of the password that was refused last, with the time in `refused_at`.
    total: failures ever, for the metric.
    """

    failures: tuple[float, ...] = ()
    refused: str | None = None
    refused_at: float = 0.0
    total: int = 0


def next_login(budget: LoginBudget, password: str, now: float) -> float:
    """When a login with the password of this fingerprint may be tried: `now`, or a later time."""
    recent = [moment for moment in budget.failures if moment > now - DAY]
    earliest = now
    if recent:
        earliest = max(earliest, recent[-1] + PAUSE)
    if len(recent) >= MOST_A_DAY:
        earliest = max(earliest, recent[-MOST_A_DAY] + DAY)
    if budget.refused == password:
        earliest = max(earliest, budget.refused_at + REFUSED_PASSWORD_PAUSE)
    return earliest


def charge(budget: LoginBudget, now: float) -> LoginBudget:
    """Counts an attempt that is about to be sent."""
    recent = tuple(moment for moment in budget.failures if moment > now - DAY)
    return replace(budget, failures=(*recent, now), total=budget.total + 1)


def give_back(budget: LoginBudget) -> LoginBudget:
    """The last attempt worked: it was no failure, and Argo CD's own counter is back at zero."""
    return replace(budget, failures=budget.failures[:-1], refused=None, refused_at=0.0, total=max(0, budget.total - 1))


def not_after(budget: LoginBudget, now: float) -> LoginBudget:
    """With no time in the future, after the clock was put back: what is "later" than now counts as just happened."""
    return replace(
        budget,
        failures=tuple(min(moment, now) for moment in budget.failures),
        refused_at=min(budget.refused_at, now),
    )


def take_back(budget: LoginBudget) -> LoginBudget:
    """The last attempt was never sent: it says nothing about the password."""
    return replace(budget, failures=budget.failures[:-1], total=max(0, budget.total - 1))


def refuse(budget: LoginBudget, password: str, now: float) -> LoginBudget:
    """The last attempt was refused: the same password is not tried again for an hour."""
    return replace(budget, refused=password, refused_at=now)
