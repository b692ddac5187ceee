"""Proves a new key before anybody depends on it: several full looks, each over fresh connections."""

from __future__ import annotations

from monitor.core.answers import CODE_INVALID_ARGUMENT, read_can_i, read_error
from monitor.core.effects import Done, Refused, Unknown
from monitor.core.model import Answer
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.ports import Credential
from monitor.services.checker import Checked, Checker

# Replicas of Argo CD lag: one that accepts a new key says nothing about the others.
PROOFS = 3


class Proof:
    """Proofs of tokens of one target."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    async def of(self, token: Secret, present: Secret | None, *, accepted: bool) -> Done | Refused | Unknown:
        """Whether `token` is accepted as the right account, the control refused, and no permission lost.

        present: the Secret's token; accepted: whether it works. A permission that both lack is the account's, not the
        key's: withholding the key would only let the present one end.
        """
        checked: Checked | None = None
        for _ in range(PROOFS):
            full = checked is None
            checked = await self._checker.check(full=full, fresh=True, last=checked, credential=Credential(token))
            verdict = checked.verdict
            if verdict.accepted is None or (verdict.accepted and full and not checked.proven):
                return Unknown(verdict.cause)
            if not verdict.accepted or verdict.status is Status.WRONG_ACCOUNT:
                return Refused(verdict.cause)
            if full and not all(map(_is_answered, checked.permissions)):
                return Unknown("whether it has the permissions that are required was not answered")
            if full and verdict.status is Status.INSUFFICIENT_PERMISSIONS and accepted and present not in (None, token):
                lost = await self._lost(checked, present)
                if lost is not None:
                    return lost
        return Done()

    async def _lost(self, checked: Checked, present: Secret | None) -> Unknown | None:
        """What the present token may do and the new one may not; None when there is no such thing."""
        before = await self._checker.check(full=True, fresh=True, credential=Credential(present))
        if before.verdict.accepted is None:
            return Unknown(f"whether the present token has the permissions is not known: {before.verdict.cause}")
        pairs = zip(checked.permissions, before.permissions, strict=False)
        if before.verdict.accepted and any(read_can_i(new) is False and read_can_i(old) for new, old in pairs):
            return Unknown(f"{checked.verdict.cause}, which the present token has: it is asked again")
        return None


def _is_answered(answer: Answer) -> bool:
    error = read_error(answer)
    return read_can_i(answer) is not None or (error is not None and error.code == CODE_INVALID_ARGUMENT)
