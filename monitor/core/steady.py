"""A verdict that still holds: the same answer about the same token need not be read again.

Between two full checks a healthy target is asked one question and answers the same bytes each time. What `classify`
makes of them then differs in the time alone, and time decides one thing: whether the token expires soon enough to be
told. So `valid` is kept with what it rests on, and a check that saw nothing else takes it over. Anything that is not
the same is read from scratch; tests hold both ways to the same verdict.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.core.classify import told_within
from monitor.core.model import Answer, Expectation, Observation, Reply, Verdict
from monitor.core.status import Status


@dataclass(frozen=True, slots=True)
class Steady:
    """`valid`, and what it rests on. told_within: seconds before its end from which the token counts as expiring."""

    seen: Observation
    verdict: Verdict
    status: int
    body: bytes
    told_within: float

    def holds(self, answer: Answer, now: float) -> bool:
        """Whether `classify` would say the same but for the time, had userinfo been answered like this. `now`: epoch."""
        if not isinstance(answer, Reply) or answer.status != self.status or answer.body != self.body:
            return False
        expires_at = self.verdict.expires_at
        return expires_at is None or expires_at - now > self.told_within


def steady_of(seen: Observation, expected: Expectation, verdict: Verdict) -> Steady | None:
    """What can be kept of `verdict`, which is what `classify` said to `seen`; None where the next check has to read.

    Only `valid` that rests on userinfo, the token's claims and the answers about permissions. Of an answer to userinfo
    `classify` then looks at status and body alone.
    """
    asked_more = (seen.account, seen.control_userinfo, seen.control_can_i, seen.wide_open)
    if verdict.status is not Status.VALID or not isinstance(seen.userinfo, Reply):
        return None
    if any(answer is not None for answer in asked_more):
        return None
    ends = verdict.expires_at
    margin = told_within(seen, ends, expected) if ends is not None else 0.0
    return Steady(seen, verdict, seen.userinfo.status, seen.userinfo.body, margin)
