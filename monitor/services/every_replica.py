"""One check of a target whose server has several replicas: the Service as ever, and beside it each replica for itself.

The Service's verdict stands wherever the replicas agree with it or cannot be asked. What follows where they disagree
is the core's to say (`core.replicas`); here it is asked for, at one request a replica, at the same time as the check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from monitor.core.credential import Unsendable, inspect
from monitor.core.endpoint_slices import Behind, Replica
from monitor.core.model import Fault, FaultKind
from monitor.core.questions import Question, Topic
from monitor.core.replicas import (
    Course,
    Lasting,
    Memory,
    ReplicasReport,
    Said,
    Voice,
    hear,
    judge,
    lasts,
    of_verdict,
    problem,
    refusal,
)
from monitor.core.secret import Secret
from monitor.core.status import Kind
from monitor.ports import ArgoCD, Clock, Credential, CredentialSource, ServiceReplicas
from monitor.services.checker import Checked, Checker

log = structlog.get_logger(__name__)

USERINFO = Question(Topic.USERINFO)
# Replicas through which a whole check is tried while a refusal is held.
TRIED = 3
# A replica is near, and the check waits for it: one that takes longer counts as one that cannot be asked. It has as long
# as the Service takes besides: where many ask both, questions wait for their turn before both of them.
REPLICA_TIMEOUT = 3.0
_LATE = Fault(FaultKind.TIMEOUT)


class EveryReplica:
    """Checks one target through its Service and through each replica.

    checker: through the Service. connect: the way to a replica. through: a checker of the same target over such a way.
    """

    def __init__(
        self,
        target: str,
        checker: Checker,
        source: CredentialSource,
        replicas: ServiceReplicas,
        connect: Callable[[Replica], ArgoCD],
        through: Callable[[ArgoCD], Checker],
        clock: Clock,
    ) -> None:
        self._target = target
        self._checker = checker
        self._source = source
        self._replicas = replicas
        self._connect = connect
        self._through = through
        self._clock = clock
        self._ways: dict[Replica, ArgoCD] = {}
        self._memory = Memory()
        self._told = ""

    def remember(self, former: EveryReplica) -> None:
        """Takes over since when the replicas of the same server disagree."""
        self._memory, self._told = former._memory, former._told

    async def check(
        self, *, full: bool, fresh: bool = False, last: Checked | None = None, credential: Credential | None = None
    ) -> Checked:
        """As `Checker.check`, with the replicas in the result and in the verdict."""
        credential = credential or await self._source.read(ask=fresh)
        token = inspect(credential.token, credential.problem, readable=credential.readable)
        found = self._replicas.look()
        if isinstance(token, Unsendable) or not found.replicas:
            self._memory = Memory()
            plain = await self._checker.check(full=full, fresh=fresh, last=last, credential=credential)
            return self._with(plain, (), found)
        self._ways = {replica: self._ways.get(replica) or self._connect(replica) for replica in found.replicas}
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self._ask(replica, token, fresh=fresh)) for replica in found.replicas]
            checked = group.create_task(self._checker.check(full=full, fresh=fresh, last=last, credential=credential))
            await asyncio.wait((checked,))
            _, late = await asyncio.wait(asked, timeout=REPLICA_TIMEOUT)
            for task in late:
                task.cancel()
        voices = tuple(
            hear(replica, _LATE) if task.cancelled() else task.result()
            for replica, task in zip(found.replicas, asked, strict=True)
        )
        return await self._judged(checked.result(), voices, found, credential, fresh=fresh, last=last)

    async def _ask(self, replica: Replica, token: Secret, *, fresh: bool) -> Voice:
        return hear(replica, await self._ways[replica].ask(USERINFO, token, fresh=fresh))

    async def _judged(
        self,
        plain: Checked,
        voices: tuple[Voice, ...],
        found: Behind,
        credential: Credential,
        *,
        fresh: bool,
        last: Checked | None,
    ) -> Checked:
        seconds = self._clock.monotonic()
        judged = judge(of_verdict(plain.verdict), voices, self._memory, plain.fingerprint, seconds, self._clock.now())
        self._memory = judged.memory
        split = judged.memory.split
        if judged.course is Course.REFUSED and split is not None:
            plain = await self._refused(plain, voices, credential, split)
        elif judged.course is Course.HELD and not _is_confirmed_first(plain, fresh=fresh, last=last):
            plain = await self._held(plain, voices, credential)
        return self._with(plain, voices, found)

    async def _refused(
        self, plain: Checked, voices: tuple[Voice, ...], credential: Credential, split: Lasting
    ) -> Checked:
        """In the words of one that refuses."""
        refused, refusing = plain, _who(voices, Said.REFUSED)
        if plain.verdict.status.kind is not Kind.REFUSED and refusing:
            refused = await self._whole(refusing[0], credential)
        if refused.verdict.status.kind is not Kind.REFUSED:
            return plain  # it has thought better of it since: the next check will tell
        lasting = self._clock.monotonic() - split.seconds
        told = refusal(refused.verdict, voices, self._replicas.service, lasting)
        return replace(plain, verdict=replace(told, duration=plain.verdict.duration))

    async def _held(self, plain: Checked, voices: tuple[Voice, ...], credential: Credential) -> Checked:
        """What one says that accepts; the refusal, should those refuse by now as well."""
        found = plain
        for replica in _who(voices, Said.ACCEPTED)[:TRIED]:
            whole = await self._whole(replica, credential)
            if whole.verdict.accepted:
                return whole
            if whole.verdict.accepted is None:
                found = whole  # it accepted a moment ago and cannot be asked now: no reason to call the token refused
        return found

    async def _whole(self, replica: Replica, credential: Credential) -> Checked:
        """A whole check through a replica."""
        return await self._through(self._ways[replica]).check(full=True, credential=credential)

    def _with(self, checked: Checked, voices: tuple[Voice, ...], found: Behind) -> Checked:
        seconds = self._clock.monotonic()
        split = self._memory.split
        service = self._replicas.service
        said = (found.problem, problem(voices, service, self._memory, seconds))
        report = ReplicasReport(
            service=service,
            voices=voices,
            total=found.total,
            split_since=split.at if split is not None else None,
            stays=lasts(split, seconds),
            problem="; ".join(part for part in said if part),
        )
        self._tell(report)
        return replace(checked, replicas=report)

    def _tell(self, report: ReplicasReport) -> None:
        """Told where it changed. A split that stays is told by the verdict, and so is its end."""
        if report.problem == self._told:
            return
        self._told = report.problem
        if report.problem:
            log.warning("replicas", target=self._target, service=report.service, problem=report.problem)
        elif not report.stays:
            log.info("nothing is wrong with the replicas any more", target=self._target, service=report.service)


def _who(voices: tuple[Voice, ...], said: Said) -> list[Replica]:
    return [voice.replica for voice in voices if voice.said is said]


def _is_confirmed_first(plain: Checked, *, fresh: bool, last: Checked | None) -> bool:
    """Whether this refusal is looked at again in a moment anyway, before it is shown (`core.tracking`)."""
    refused = plain.verdict.status.kind is Kind.REFUSED
    return refused and not fresh and last is not None and last.verdict.accepted is True
