"""What the replicas of argocd-server say of one token, each for itself, and what follows from it.

Each replica answers from a cache of its own. A split (some accept the token, some refuse it) is told as such. It is no
refusal until it stays, for most of them heal by themselves; once it stays, a part of the consumers' calls fails, and
that is a refusal whichever replica the Service leads to (docs/decisions/0003). Who cannot be asked says nothing.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from monitor.core.answers import read_userinfo
from monitor.core.classify import DISAGREEMENT, FAULT_STATUS
from monitor.core.endpoint_slices import Replica
from monitor.core.model import Answer, Fault, Verdict
from monitor.core.moments import span
from monitor.core.status import Status
from monitor.core.text import printable

# Argo CD's cache heals by itself within this. It follows Kubernetes by an informer of client-go, which finds a dead
# connection after 30 s of silence and 15 s for a ping, and then waits 30 to 60 s at most before it lists anew.
STAYS = 120.0
# Named in one sentence, and how much of each.
NAMED = 3
MAX_NAME = 100
# A pod's name is pasted into a shell.
_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


class Said(enum.StrEnum):
    """What one replica says of the token. The values are those of the label `answer` of `server_replicas`, which has
    `NOT_ASKED` as well.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


# Replicas that are ready and were not asked: there are more than are asked, or they were only just heard of.
NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Voice:
    """The answer of one replica. why: in words, why it is unknown."""

    replica: Replica
    said: Said
    why: str = ""

    def __str__(self) -> str:
        return f"{self.replica}: {self.why}" if self.why else str(self.replica)


@dataclass(frozen=True, slots=True)
class Lasting:
    """Since when something is so. seconds: monotonic; at: epoch seconds; of: of which token."""

    seconds: float
    at: float
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered from check to check. split: they disagree. silent: one of them cannot be asked."""

    split: Lasting | None = None
    silent: Lasting | None = None


class Course(enum.Enum):
    """What is to be shown."""

    SERVICE = enum.auto()  # what the Service answers
    HELD = enum.auto()  # what a replica says that accepts the token: the split may heal
    REFUSED = enum.auto()  # a refusal: the split has stayed


@dataclass(frozen=True, slots=True)
class Judgement:
    """What follows from the answers of one check."""

    course: Course
    memory: Memory


@dataclass(frozen=True, slots=True)
class ReplicasReport:
    """The replicas of one target's server at one moment, for pages, JSON and metrics.

    service: `NAMESPACE/NAME`. total: how many are ready; voices: of those that were asked. split_since: epoch seconds,
    None while they agree. stays: the split is a refusal by now. problem: what a person has to know or do, "" for nothing.
    """

    service: str
    voices: tuple[Voice, ...] = ()
    total: int = 0
    split_since: float | None = None
    stays: bool = False
    problem: str = ""

    def count(self, said: Said) -> int:
        """How many say so."""
        return sum(voice.said is said for voice in self.voices)


def hear(replica: Replica, answer: Answer) -> Voice:
    """The voice of a replica, from its answer to userinfo."""
    info = read_userinfo(answer)
    if info is not None:
        return Voice(replica, Said.ACCEPTED if info.logged_in else Said.REFUSED)
    if isinstance(answer, Fault):
        return Voice(replica, Said.UNKNOWN, FAULT_STATUS[answer.kind][1])
    return Voice(replica, Said.UNKNOWN, f"HTTP {answer.status}, which is no answer about the token")


def of_verdict(verdict: Verdict) -> Said:
    """What the Service says, as a voice. One that refused first and served then has led to replicas that disagree."""
    if verdict.cause == DISAGREEMENT:
        return Said.REFUSED
    if verdict.accepted is None:
        return Said.UNKNOWN
    return Said.ACCEPTED if verdict.accepted else Said.REFUSED


def judge(
    service: Said, voices: Sequence[Voice], before: Memory, token: str | None, seconds: float, at: float
) -> Judgement:
    """What to show, and what to remember. token: its fingerprint. seconds: monotonic; at: epoch seconds.

    Where the Service itself cannot be asked, that is shown: consumers go by it.
    """
    said = {service, *(voice.said for voice in voices)}
    split = _lasting(Said.ACCEPTED in said and Said.REFUSED in said, before.split, token, seconds, at)
    silent = _lasting(any(voice.said is Said.UNKNOWN for voice in voices), before.silent, None, seconds, at)
    memory = Memory(split, silent)
    if split is None or service is Said.UNKNOWN:
        return Judgement(Course.SERVICE, memory)
    if lasts(split, seconds):
        return Judgement(Course.REFUSED, memory)
    return Judgement(Course.SERVICE if service is Said.ACCEPTED else Course.HELD, memory)


def lasts(since: Lasting | None, seconds: float) -> bool:
    """Whether it has stayed."""
    return since is not None and seconds - since.seconds >= STAYS


def refusal(refused: Verdict, voices: Sequence[Voice], service: str, lasting: float) -> Verdict:
    """The verdict where a split has stayed. refused: what one says that refuses. lasting: seconds so far.

    `rejected`, whatever the cause: a new key mends none of it, for the replica that is behind would not know that either.
    """
    refusing, accepting = _of(voices, Said.REFUSED), _of(voices, Said.ACCEPTED)
    name = service.rpartition("/")[2]
    if refusing and accepting:
        by = f"refused by {len(refusing)} of {_replicas(len(voices), name)} ({_names(refusing)}) and accepted by"
        by += f" {len(accepting)} ({_names(accepting)})"
    elif refusing:
        by = f"refused by {_names(refusing)} of {_replicas(len(voices), name)} and accepted through the Service"
    else:
        by = f"refused through the Service and accepted by {_names(accepting)} of {_replicas(len(voices), name)}"
    cause = f"{by}, for {span(lasting)}: a part of the calls fails. Those who refuse say: {refused.cause}"
    return replace(refused, status=Status.REJECTED, cause=cause, remedy=remedy(refusing, accepting, service))


def remedy(refusing: Sequence[Voice], accepting: Sequence[Voice], service: str) -> str:
    """What to do where replicas disagree."""
    if not refusing or not accepting:
        return (
            "See which pods the Service leads to (the selector of the Service, proxies on the way), and look at the log of"
            " argocd-server."
        )
    return (
        f"If the token is meant to work, restart those that refuse it: {_restart(refusing, service)}. If it was revoked,"
        f" restart those that accept it: {_restart(accepting, service)}. Then put a new token in its place."
    )


def problem(voices: Sequence[Voice], service: str, memory: Memory, seconds: float) -> str:
    """What a person has to know beside the verdict; "" for nothing."""
    said = []
    name = service.rpartition("/")[2]
    if memory.split is not None and not lasts(memory.split, seconds):
        refusing, accepting = _of(voices, Said.REFUSED), _of(voices, Said.ACCEPTED)
        by = f"by {len(refusing)} of {_replicas(len(voices), name)} ({_names(refusing)})"
        if not refusing:
            by = "by the Service, not by its replicas"
        elif not accepting:
            by += ", not by the Service"
        said.append(
            f"the token is refused {by}: a cache that is behind heals by itself;"
            f" what stays for {span(STAYS)} is told as a refusal"
        )
    if lasts(memory.silent, seconds):
        said += _silence(voices, name)
    return "; ".join(said)


def after_one_look(report: ReplicasReport) -> str:
    """The same where nobody looks again: who cannot be asked is told at once; "" for nothing."""
    silence = _silence(report.voices, report.service.rpartition("/")[2])
    return "; ".join((*filter(None, (report.problem,)), *silence))


def advice(report: ReplicasReport) -> str:
    """What to do where the replicas of a report disagree."""
    return remedy(_of(report.voices, Said.REFUSED), _of(report.voices, Said.ACCEPTED), report.service)


def in_words(report: ReplicasReport) -> str:
    """`3 of 3 accept it`, `2 of 3 accept it, 1 refuses it (argocd-server-b)`."""
    if not report.voices:
        return "not known"
    refusing, silent = _of(report.voices, Said.REFUSED), _of(report.voices, Said.UNKNOWN)
    accepting = report.count(Said.ACCEPTED)
    words = [f"{accepting} of {len(report.voices)} {'accepts' if accepting == 1 else 'accept'} it"]
    if refusing:
        words.append(f"{len(refusing)} {'refuses' if len(refusing) == 1 else 'refuse'} it ({_names(refusing)})")
    if silent:
        words.append(f"{len(silent)} cannot be asked ({_names(silent)})")
    if report.total > len(report.voices):
        words.append(f"{report.total - len(report.voices)} more are not asked")
    return ", ".join(words)


def _lasting(present: bool, before: Lasting | None, token: str | None, seconds: float, at: float) -> Lasting | None:
    if not present:
        return None
    return before if before is not None and before.of == token else Lasting(seconds, at, token)


def _silence(voices: Sequence[Voice], name: str) -> list[str]:
    silent = _of(voices, Said.UNKNOWN)
    if not silent:
        return []
    return [
        f"{len(silent)} of {_replicas(len(voices), name)} cannot be asked ({_names(silent)}): see that a NetworkPolicy"
        f" lets the monitor reach the pods on port {silent[0].replica.port}, and look at their log"
    ]


def _of(voices: Iterable[Voice], said: Said) -> list[Voice]:
    return [voice for voice in voices if voice.said is said]


def _names(voices: Sequence[Voice]) -> str:
    shown = ", ".join(printable(str(voice), MAX_NAME) for voice in voices[:NAMED])
    return f"{shown} and {len(voices) - NAMED} more" if len(voices) > NAMED else shown


def _replicas(count: int, name: str) -> str:
    return f"{count} {'replica' if count == 1 else 'replicas'} of {name}"


def _restart(voices: Sequence[Voice], service: str) -> str:
    namespace = service.partition("/")[0]
    pods = [voice.replica.name for voice in voices if _PLAIN_NAME.fullmatch(voice.replica.name)][:NAMED]
    if not pods or not _PLAIN_NAME.fullmatch(namespace):
        return f"the pods at {_names(voices)}"
    more = ", and so on" if len(voices) > len(pods) else ""
    return f"`kubectl -n {namespace} delete pod {' '.join(pods)}`{more}"
