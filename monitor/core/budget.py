"""How many logins may be tried: arithmetic on the times of those that failed.

Argo CD locks the user out after five failures, the human included, and forgets them only 300 s after the last one
(`argocd/README.md`, "Logging in"; sessionmanager.go `expireOldFailedAttempts`). So an attempt is charged before it
is sent and given back when it worked: a crash between the two counts as a failure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

# At most one failure in 360 s and three in 24 h. A login may reach Argo CD this long after it was charged: begun 10 s
# late, answered after 20 s.
LATE = 30.0
PAUSE = 360.0 + LATE
DAY = 86_400.0 + LATE
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


def next_login(budget: LoginBudget, password: str, now: float, others: Iterable[LoginBudget] = ()) -> float:
    """When a login with the password of this fingerprint may be tried: `now`, or a later time.

    others: the budgets of further targets with the same server and user: Argo CD counts them together.
    """
    budgets = (budget, *others)
    recent = sorted(moment for one in budgets for moment in one.failures if moment > now - DAY)
    earliest = now
    if recent:
        earliest = max(earliest, recent[-1] + PAUSE)
    if len(recent) >= MOST_A_DAY:
        earliest = max(earliest, recent[-MOST_A_DAY] + DAY)
    for one in budgets:
        if one.refused == password:
            earliest = max(earliest, one.refused_at + REFUSED_PASSWORD_PAUSE)
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


def later(budget: LoginBudget, seconds: float, now: float) -> LoginBudget:
    """After the clock was put forward by `seconds`: no time went by, so no pause is over."""
    return replace(
        budget,
        failures=tuple(min(moment + seconds, now) for moment in budget.failures),
        refused_at=min(budget.refused_at + seconds, now),
    )


def take_back(budget: LoginBudget) -> LoginBudget:
    """The last attempt was never sent: it says nothing about the password."""
    return replace(budget, failures=budget.failures[:-1], total=max(0, budget.total - 1))


def refuse(budget: LoginBudget, password: str, now: float) -> LoginBudget:
    """The last attempt was refused: the same password is not tried again for an hour."""
    return replace(budget, refused=password, refused_at=now)
