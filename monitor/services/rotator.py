"""Carries a rotation out: gather the facts (`rotation_facts`), let the core decide, write the journal, do the effect.

Every effect that changes something is preceded by a write of the journal that only one replica can make (the core sees
to it that the journal differs): its version is compared, and no two writes are ever the same. Whoever loses that race
looks again. Nothing here decides anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from monitor.core.announcement import Announcement, announcements
from monitor.core.budget import take_back
from monitor.core.claims import read_claims
from monitor.core.effects import (
    Conflict,
    Delete,
    Done,
    Effect,
    Listed,
    ListKeys,
    LookAtConsumers,
    Mint,
    Outcome,
    Prove,
    Publish,
    Refused,
    RestartConsumers,
    Unknown,
    effect_name,
)
from monitor.core.journal import Journal, JournalError, Purpose, State, dump, load
from monitor.core.model import Key
from monitor.core.plan import Planned, plan
from monitor.core.policy import Policy, next_rotation
from monitor.core.report import JOURNAL, RotationReport
from monitor.core.rotation.endings import delete_command
from monitor.core.rotation.learning import learn
from monitor.core.rotation.machine import decide
from monitor.core.rotation.situation import Act, Wait
from monitor.core.text import printable
from monitor.ports import (
    AccountKeys,
    Announcer,
    Clock,
    ConsumerWorkloads,
    CredentialSource,
    CredentialStore,
    JournalStore,
    Stored,
)
from monitor.services.account_access import AccountAccess
from monitor.services.checker import Checker, redact
from monitor.services.proof import Proof
from monitor.services.rotation_facts import MAX_PROBLEM, Gathered, Nonces, RotationFacts, Sight, trimmed

log = structlog.get_logger(__name__)

# A rotation takes about a dozen steps; more in one go means that something turns in circles.
MAX_STEPS = 40
RETRY = 5.0
UNREADABLE = 30.0
# An effect is begun this long after its journal was written at most: a process that was stopped in between does
# nothing late, when another one may have taken over.
LATEST_START = 10.0
# What a person asked for is tried for this long: later it would come as a surprise.
DEMAND_LASTS = 900.0
ANOTHER_LEADS = "another replica of the monitor leads"


class Rotator:
    """Rotates the credential of one target.

    nonces: fresh randomness for ids: ten or more characters of [a-z0-9], never the same twice. siblings: journals of
    further targets with the same server and user, whose logins Argo CD counts together with ours.
    """

    def __init__(
        self,
        name: str,
        policy: Policy,
        clock: Clock,
        checker: Checker,
        keys: AccountKeys,
        store: CredentialStore,
        journals: JournalStore,
        password: CredentialSource | None,
        consumers: ConsumerWorkloads | None,
        nonces: Nonces,
        announcer: Announcer | None = None,
        siblings: Sequence[JournalStore] = (),
    ) -> None:
        self.name = name
        self.journal: Journal | None = None
        self.waiting_for = ""
        self.next_at: float | None = None
        self.problem = ""
        self._clock = clock
        self._checker = checker
        self._access = AccountAccess(keys, clock, siblings)
        self._facts = RotationFacts(policy, clock, checker, store, password, self._access, nonces)
        self._proof = Proof(checker)
        self._store = store
        self._journals = journals
        self._consumers = consumers
        self._announcer = announcer
        self._by = nonces()
        self._failures: Counter[str] = Counter()
        self._unreadable = 0
        self._news: list[Announcement] = []
        self._demanded_at: float | None = None

    @property
    def known(self) -> bool:
        """Whether there is anything to report: the journal was read, or could not be."""
        return self.journal is not None or bool(self.problem)

    def demand(self) -> None:
        """A person asks for a new key: `advance` tries for some minutes, until a rotation begins."""
        self._demanded_at = self._clock.monotonic()

    def report(self) -> RotationReport:
        """What people are told of this rotation."""
        journal = self.journal or Journal()
        left = journal.left_alone
        return RotationReport(
            state=journal.state,
            key_id=journal.key_id,
            waiting_for=printable(self.waiting_for, MAX_PROBLEM),
            problem=printable(self.problem or journal.error or journal.not_restarted, MAX_PROBLEM),
            stood_down=journal.stood_down,
            rotations=journal.rotations,
            rotated_at=journal.rotated_at,
            next_at=self.next_at,
            drilled_at=journal.drilled_at,
            live_keys=len(journal.owned),
            login_failures=journal.logins.total,
            failing=journal.failures + self._unreadable,
            left_alone=left,
            left_alone_command=delete_command(journal.left_account, left) if left else "",
            old_consumers=journal.old_consumers,
            failures=dict(self._failures),
        )

    async def look(self) -> None:
        """Reads the journal and does nothing: another replica leads, and whoever asks this one is told the same."""
        if await self._load() is not None:
            self.waiting_for = ANOTHER_LEADS

    async def plan(self) -> tuple[Planned, ...]:
        """What a rotation would do now, if a person asked for it. Only looks; `problem` says why it could not."""
        loaded = await self._load()
        if loaded is None:
            return ()
        gathered = await self._facts.gather(loaded[0], None, None, demanded=True)
        steps = plan(gathered.situation)
        return (*steps[:-1], *(replace(last, words=f"{last.words}{_unread(gathered.stored)}") for last in steps[-1:]))

    async def advance(
        self, sight: Sight | None = None, *, demanded: bool = False, leads: Callable[[], bool] = lambda: True
    ) -> float:
        """Does all that can be done now. Returns when to come back (epoch seconds).

        sight: what the regular checks know; None where there are none. demanded: a person asks for a new key.
        leads: whether an effect may begin now; what was begun before stays in the journal for whoever leads then.
        """
        if demanded:
            self.demand()
        listed: tuple[Key, ...] | None = None
        try:
            for _ in range(MAX_STEPS):
                loaded = await self._load()
                if loaded is None:
                    return self._clock.now() + UNREADABLE
                journal, version = loaded
                gathered = await self._facts.gather(journal, sight, listed, demanded=self._is_demanded())
                self.next_at = next_rotation(gathered.situation.why)
                step = decide(gathered.situation)
                if isinstance(step, Wait):
                    self.waiting_for = f"{step.why}{_unread(gathered.stored)}" if step.why else ""
                    return step.until
                if not leads():
                    self.waiting_for = ANOTHER_LEADS
                    return self._clock.now() + RETRY
                self.waiting_for = ""
                outcome = await self._act(step, version, gathered)
                await self._announce()
                if outcome is None:
                    return self._clock.now() + RETRY
                if step.journal.state is not State.IDLE and step.journal.purpose is Purpose.REPLACE:
                    self._demanded_at = None
                listed = outcome.keys if isinstance(outcome, Listed) else None
            log.error("a rotation turns in circles", target=self.name)
            return self._clock.now() + UNREADABLE
        finally:
            await self._access.close()

    def _is_demanded(self) -> bool:
        return self._demanded_at is not None and self._clock.monotonic() - self._demanded_at < DEMAND_LASTS

    async def _load(self) -> tuple[Journal, str | None] | None:
        found = await self._journals.read()
        try:
            if isinstance(found, Unknown):
                raise JournalError(f"the journal cannot be read, so nothing is rotated: {found.why}")
            self.journal = load(found[0])
        except JournalError as error:
            self.problem = printable(f"journal of {self.name}: {error}", MAX_PROBLEM)
            self.waiting_for = self.problem
            self._unreadable += 1
            self._failures[JOURNAL] += 1
            return None
        self.problem, self._unreadable = "", 0
        return self.journal, found[1]

    async def _act(self, step: Act, version: str | None, gathered: Gathered) -> Outcome | None:
        """Journal first, then the effect, then what came of it. None: somebody else was faster, or no answer."""
        journal, effect, before = step.journal, step.effect, self.journal
        began = self._clock.monotonic()
        if effect is None or journal != before:
            written = await self._write(journal, version)
            if written is None:
                return None
            journal, version = written
        if effect is None:
            return Done()
        if self._clock.monotonic() - began > LATEST_START:
            # What was to be done is looked at again, as after a crash. But that no login was sent is known here: three
            # journals that were written slowly would otherwise leave none for the day.
            if before is not None and journal.logins.total > before.logins.total:
                await self._write(replace(journal, logins=take_back(journal.logins)), version)
            return None
        self._access.use(gathered.stored.token, gathered.password, journal.logins)
        outcome = self._without_secrets(await self._do(effect, gathered), journal, gathered)
        log.info(
            "rotation",
            target=self.name,
            state=journal.state.value,
            did=type(effect).__name__,
            outcome=type(outcome).__name__,
            why=getattr(outcome, "why", ""),
        )
        if isinstance(outcome, Refused | Unknown):
            self._failures[effect_name(effect)] += 1
        used = gathered.situation.password
        learned = learn(journal, effect, outcome, self._clock.now(), used, logged_in=self._access.logged_in)
        if learned != journal and await self._write(learned, version) is None:
            return None
        return outcome

    async def _write(self, journal: Journal, version: str | None) -> tuple[Journal, str] | None:
        counted = replace(journal, epoch=journal.epoch + 1, by=self._by)
        text = dump(counted)
        result = await self._journals.write(text, version)
        if isinstance(result, Unknown):
            # No two writes are the same: what is found there is ours, or somebody else's.
            found = await self._journals.read()
            if isinstance(found, tuple) and found[0] == text and found[1] is not None:
                result = found[1]
        if not isinstance(result, str):
            if not isinstance(result, Conflict):
                self.problem = printable(f"the journal cannot be written: {result.why}", MAX_PROBLEM)
                self._failures[JOURNAL] += 1
            return None
        if self.journal is not None:
            self._news += announcements(self.journal, counted, self.name)
        self.journal = counted
        return counted, result

    async def _announce(self) -> None:
        news, self._news = self._news, []
        for one in news:
            say = log.warning if one.reason.warns else log.info
            say("told of the rotation", target=self.name, reason=one.reason.value, note=one.note)
        if self._announcer is not None:
            for announcement in news:
                await self._announcer.announce(announcement)

    async def _do(self, effect: Effect, gathered: Gathered) -> Outcome:
        match effect:
            case Prove(token):
                return await self._proof.of(token, gathered.stored.token, accepted=gathered.situation.accepted)
            case Publish(token, version):
                return await self._store.write(token, version)
            case RestartConsumers(mark):
                return await self._consumers.restart(mark) if self._consumers else Done()
            case LookAtConsumers(mark, since):
                return await self._consumers.look(mark, since) if self._consumers else Unknown("nobody to look at")
            case Delete(_, key_id):
                # The last moment to see that somebody has put this very key back into the Secret.
                seen = trimmed(await self._store.read())
                if not seen.readable or (seen.token and read_claims(seen.token.reveal()).token_id == key_id):
                    return Conflict()
                return await self._access.do(effect)
            case Mint() | ListKeys():
                return await self._access.do(effect)

    def _without_secrets(self, outcome: Outcome, journal: Journal, gathered: Gathered) -> Outcome:
        """A server may echo what it was sent; no part of a token or password gets into the journal or the log."""
        if not isinstance(outcome, Refused | Unknown):
            return outcome
        why = outcome.why
        for secret in (journal.token, gathered.stored.token, gathered.password, *self._access.sessions):
            why = redact(why, secret.reveal()) if secret else why
        return replace(outcome, why=why)


def _unread(stored: Stored) -> str:
    """What keeps the Secret from being read, to be put behind why nothing is done."""
    return f": {stored.problem}" if not stored.readable and stored.problem else ""
