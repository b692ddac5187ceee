"""One check of one target: read the credential, ask, and judge. Through ports only; the deciding is the core's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from monitor.core.answers import read_account, read_userinfo
from monitor.core.claims import Claims, has_token_shape, read_claims
from monitor.core.classify import classify, unsent
from monitor.core.credential import Unsendable, control_of, disguise, inspect
from monitor.core.journal import is_of_others
from monitor.core.model import Answer, Expectation, Mode, Observation, Verdict
from monitor.core.questions import Question, Topic, next_question
from monitor.core.replicas import ReplicasReport
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.core.steady import Steady, steady_of
from monitor.ports import ArgoCD, Clock, Credential, CredentialSource

USERINFO = Question(Topic.USERINFO)
# userinfo, account, two controls, wide open, and the permissions: a dialogue that is longer has gone wrong.
MAX_QUESTIONS = 64
# Characters of the token in a row that count as a leak.
SHORTEST_ECHO = 16
# Characters from which a whole token, or a part of it between dots, is hidden.
SHORTEST_PIECE = 8


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of one check.

    fingerprint: of the token that was judged (None: there was none). problem: of its source.
    proven: whether the control was seen refused in this check. owes_proof: the next check must see to it.
    permissions: the answers about permissions, to be carried into the checks that do not ask again.
    replicas: what each replica of the server says, where they are asked (`services.every_replica`).
    other_keys: of the account, that the monitor did not make and that have not ended; None where it was not looked at.
    """

    verdict: Verdict
    fingerprint: str | None = None
    problem: str = ""
    proven: bool = False
    owes_proof: bool = False
    permissions: tuple[Answer, ...] = ()
    replicas: ReplicasReport | None = None
    other_keys: int | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What follows from a credential alone. raw: the value as its source gave it."""

    raw: Secret
    token: Secret
    fingerprint: str
    claims: Claims
    shaped: bool
    disguise: str


class Checker:
    """Checks one target. It remembers what it made of the last token and the last answer, which seldom change."""

    __slots__ = ("_argocd", "_clock", "_expected", "_known", "_source", "_steady")

    def __init__(self, argocd: ArgoCD, source: CredentialSource, expected: Expectation, clock: Clock) -> None:
        self._argocd = argocd
        self._source = source
        self._expected = expected
        self._clock = clock
        self._known: _Known | None = None
        self._steady: tuple[_Known, Steady] | None = None

    async def check(
        self, *, full: bool, fresh: bool = False, last: Checked | None = None, credential: Credential | None = None
    ) -> Checked:
        """Judges the present token.

        full: look at the account, the control and the permissions as well. fresh: over new connections.
        last: the previous check of this target. A changed token makes the check full, and so does a full one that did not
        see the control refused: `loggedIn: true` alone would count as healthy where the control was let through.
        """
        started = self._clock.monotonic()
        # A second look is at the source too: what a watch knows may be older than what was just refused.
        credential = credential or await self._source.read(ask=fresh)
        known = self._known
        if known is None or credential.token is not known.raw:
            found = _known(credential)
            if isinstance(found, Unsendable):
                return self._unsent(found, credential, started)
            known, self._steady = found, None
            self._known = found
        full = full or last is None or last.fingerprint != known.fingerprint or last.owes_proof
        permissions = () if full or last is None else last.permissions
        if full:
            seen = Observation(known.claims, known.shaped, disguise=known.disguise)
            return await self._read(known, seen, credential, started, full, fresh)
        answer = await self._argocd.ask(USERINFO, known.token, fresh=fresh)
        kept = self._steady
        now = self._clock.now()
        if (
            kept is not None
            and kept[0] is known
            and kept[1].seen.permissions is permissions
            and kept[1].holds(answer, now)
        ):
            verdict = kept[1].verdict.timed(now, self._clock.monotonic() - started)
            return Checked(verdict, known.fingerprint, credential.problem, permissions=permissions)
        seen = Observation(
            known.claims, known.shaped, userinfo=answer, permissions=permissions, disguise=known.disguise
        )
        return await self._read(known, seen, credential, started, full, fresh)

    async def _read(
        self, known: _Known, seen: Observation, credential: Credential, started: float, full: bool, fresh: bool
    ) -> Checked:
        """Asks what is still to be asked, and reads the answers from scratch."""
        seen = await self._dialogue(seen, known.token, full=full, fresh=fresh)
        verdict = _redacted(classify(seen, self._expected, self._clock.now()), known.token)
        steady = None if full else steady_of(seen, self._expected, verdict)
        if steady is not None:
            self._steady = (known, steady)
        control = read_userinfo(seen.control_userinfo)
        proven = control is not None and not control.logged_in
        return Checked(
            verdict=self._timed(verdict, started),
            fingerprint=known.fingerprint,
            problem=credential.problem,
            proven=proven,
            owes_proof=full and not proven,
            permissions=seen.permissions,
            other_keys=self._other_keys(seen, verdict) if full else None,
        )

    def _other_keys(self, seen: Observation, verdict: Verdict) -> int | None:
        """How many keys of others the page of the account lists, where the monitor makes keys of its own beside them."""
        if self._expected.mode is not Mode.PASSWORD or not verdict.accepted:
            return None
        page, now = read_account(seen.account), self._clock.now()
        if page is None or page.name != self._expected.account:
            return None
        return sum(is_of_others(key) and (key.expires_at is None or key.expires_at > now) for key in page.keys)

    def _unsent(self, token: Unsendable, credential: Credential, started: float) -> Checked:
        verdict = unsent(token.status, token.cause, self._expected, self._clock.now())
        return Checked(self._timed(verdict, started), problem=credential.problem if credential.token else "")

    async def _dialogue(self, seen: Observation, token: Secret, *, full: bool, fresh: bool) -> Observation:
        control = control_of(token)
        for _ in range(MAX_QUESTIONS):
            question = next_question(seen, self._expected, full=full)
            if question is None:
                break
            answer = await self._argocd.ask(question, control if question.with_control else token, fresh=fresh)
            seen = _with_answer(seen, question, answer)
        return seen

    def _timed(self, verdict: Verdict, started: float) -> Verdict:
        return verdict.timed(self._clock.now(), self._clock.monotonic() - started)


def _known(credential: Credential) -> _Known | Unsendable:
    token = inspect(credential.token, credential.problem, readable=credential.readable)
    if isinstance(token, Unsendable) or credential.token is None:
        return token if isinstance(token, Unsendable) else Unsendable(Status.MISSING, "there is no token")
    value = token.reveal()
    claims, shaped = read_claims(value), has_token_shape(value)
    return _Known(credential.token, token, token.fingerprint(), claims, shaped, disguise(value))


def _with_answer(seen: Observation, question: Question, answer: Answer) -> Observation:
    match question.topic:
        case Topic.USERINFO:
            return replace(seen, userinfo=answer)
        case Topic.ACCOUNT:
            return replace(seen, account=answer)
        case Topic.CONTROL_USERINFO:
            return replace(seen, control_userinfo=answer)
        case Topic.CONTROL_CAN_I:
            return replace(seen, control_can_i=answer)
        case Topic.WIDE_OPEN:
            return replace(seen, wide_open=answer)
        case Topic.PERMISSION:
            return replace(seen, permissions=(*seen.permissions, answer))


def _redacted(verdict: Verdict, token: Secret) -> Verdict:
    """A server may echo what it was sent; no part of the token leaves through a verdict."""
    if verdict.status is Status.VALID and len(verdict.account or "") < SHORTEST_PIECE:
        return verdict  # the steady state carries no words of the server's but a short name
    value = token.reveal()
    return replace(
        verdict,
        cause=redact(verdict.cause, value),
        remedy=redact(verdict.remedy, value),
        account=redact(verdict.account, value) if verdict.account else verdict.account,
    )


def redact(text: str, token: str) -> str:
    """`text` without the token, its parts of eight characters or more, or any run of it as long as `SHORTEST_ECHO`."""
    for piece in (token, *token.split(".")):
        if len(piece) >= SHORTEST_PIECE:
            text = text.replace(piece, "***")
    # Runs as a whole: a text that was cut ends in the middle of the token, and no end of it may stay.
    shown, start = [], 0
    while start < len(text):
        end = start + SHORTEST_ECHO
        if end > len(text) or text[start:end] not in token:
            shown.append(text[start])
            start += 1
            continue
        while end < len(text) and text[end - SHORTEST_ECHO + 1 : end + 1] in token:
            end += 1
        shown.append("***")
        start = end
    return "".join(shown)
