"""What replicas of argocd-server say, each for itself: agreement, a split, how long it may be one, and the words for it."""

from __future__ import annotations

import pytest
from monitor.core.endpoint_slices import Replica
from monitor.core.exchange import MAX_TEXT, line, read_line
from monitor.core.model import Answer, Fault, FaultKind, Mode, Reply, Verdict
from monitor.core.replicas import (
    STAYS,
    Course,
    Memory,
    ReplicasReport,
    Said,
    Voice,
    hear,
    in_words,
    judge,
    problem,
    refusal,
)
from monitor.core.report import TargetReport
from monitor.core.status import Status

YES, NO, DUMB = Said.ACCEPTED, Said.REFUSED, Said.UNKNOWN
SERVICE = "argocd/argocd-server"
REVOKED = Verdict(Status.REVOKED, "account ci does not have token with id tm-1", "Make a new one.", token_id="tm-1")


def voices(*said: Said) -> tuple[Voice, ...]:
    return tuple(
        Voice(Replica(f"argocd-server-{name}", f"10.0.0.{number}", 8080), one, "timeout" if one is DUMB else "")
        for number, (name, one) in enumerate(zip("abcdefgh", said, strict=False))
    )


def courses(*checks: tuple[float, Said, tuple[Said, ...]], tokens: str = "") -> list[Course]:
    """What is shown after each check: (second, the Service's answer, those of the replicas)."""
    memory, found = Memory(), []
    for number, (second, service, said) in enumerate(checks):
        token = tokens[number] if tokens else "t"
        judged = judge(service, voices(*said), memory, token, second, 1_000.0 + second)
        memory = judged.memory
        found.append(judged.course)
    return found


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"loggedIn":true,"username":"ci","iss":"argocd"}', YES),
        (b"{}", NO),
        (b'{"loggedIn":"true"}', DUMB),
        (b"<html>Sign in</html>", DUMB),
        (b"", DUMB),
    ],
)
def test_only_argo_cd_s_own_answer_is_a_voice(body: bytes, said: Said) -> None:
    assert hear(voices(YES)[0].replica, Reply(200, body)).said is said


@pytest.mark.parametrize("answer", [Reply(503, b"{}"), Reply(307), Reply(429), *map(Fault, FaultKind)])
def test_who_cannot_be_asked_says_nothing_about_the_token_and_why(answer: Answer) -> None:
    voice = hear(voices(YES)[0].replica, answer)
    assert voice.said is DUMB
    assert voice.why


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (YES, (YES, YES)),
        (NO, (NO, NO)),
        (NO, (NO, DUMB)),
        (NO, (DUMB, DUMB)),
        (YES, (DUMB, DUMB)),
        (NO, ()),
        (DUMB, (NO, NO)),
        (DUMB, (YES, NO)),
    ],
)
def test_the_service_s_answer_stands_where_nobody_contradicts_it(service: Said, said: tuple[Said, ...]) -> None:
    assert courses((0, service, said), (10 * STAYS, service, said)) == [Course.SERVICE, Course.SERVICE]


@pytest.mark.parametrize("said", [(YES, NO), (NO, YES, DUMB), (YES,), (NO, NO, NO, YES)])
def test_a_refusal_through_the_service_is_held_while_a_replica_accepts_and_shown_once_that_has_stayed(
    said: tuple[Said, ...],
) -> None:
    assert courses((0, NO, said), (STAYS - 1, NO, said), (STAYS, NO, said)) == [
        Course.HELD,
        Course.HELD,
        Course.REFUSED,
    ]


def test_a_token_that_the_service_accepts_is_refused_when_a_replica_refuses_it_for_long() -> None:
    split = (YES, NO)
    assert courses((0, YES, split), (STAYS - 1, YES, split), (STAYS, YES, split))[-2:] == [
        Course.SERVICE,
        Course.REFUSED,
    ]


def test_a_split_that_heals_begins_anew_when_it_comes_again() -> None:
    split, whole = (YES, NO), (YES, YES)
    assert courses((0, NO, split), (60, YES, whole), (STAYS + 1, NO, split))[-1] is Course.HELD


def test_a_split_is_about_one_token_another_one_has_its_own_time() -> None:
    assert courses((0, NO, (YES, NO)), (STAYS, NO, (YES, NO)), tokens="ab")[-1] is Course.HELD


def test_when_the_last_one_refuses_it_is_the_service_s_refusal_at_once() -> None:
    assert courses((0, NO, (YES, NO)), (15, NO, (NO, NO)))[-1] is Course.SERVICE


def refused(*said: Said) -> Verdict:
    return refusal(REVOKED, voices(*said), SERVICE, 125.0)


def test_the_refusal_says_by_how_many_of_how_many_and_what_they_say() -> None:
    verdict = refused(YES, NO, YES)
    assert verdict.status is Status.REJECTED
    assert verdict.token_id == "tm-1"
    assert verdict.cause == (
        "refused by 1 of 3 replicas of argocd-server (argocd-server-b) and accepted by 2 (argocd-server-a,"
        " argocd-server-c), for 2 min: a part of the calls fails."
        " Those who refuse say: account ci does not have token with id tm-1"
    )
    assert verdict.remedy == (
        "If the token is meant to work, restart those that refuse it: `kubectl -n argocd delete pod argocd-server-b`."
        " If it was revoked, restart those that accept it:"
        " `kubectl -n argocd delete pod argocd-server-a argocd-server-c`. Then put a new token in its place."
    )


def test_minting_mends_no_split() -> None:
    assert not refused(YES, NO).status.facts.mended_by_minting


def test_a_service_that_contradicts_all_of_its_replicas_is_told_as_that() -> None:
    assert refused(YES, YES).cause.startswith("refused through the Service and accepted by argocd-server-a, ")
    assert "accepted through the Service" in refused(NO, NO).cause
    assert "selector of the Service" in refused(YES, YES).remedy


def test_a_name_that_is_no_pod_s_makes_no_command() -> None:
    wrong = (Voice(Replica("a; rm -rf /", "10.0.0.1", 80), NO), Voice(Replica("", "10.0.0.2", 80), YES))
    remedy = refusal(REVOKED, wrong, SERVICE, 125.0).remedy
    assert "`" not in remedy


def said_of(*said: Said, service: Said = YES, lasting: float = 0.0) -> str:
    memory = judge(service, voices(*said), Memory(), "t", 0.0, 0.0).memory
    return problem(voices(*said), SERVICE, memory, lasting)


def test_nothing_is_a_problem_where_all_agree() -> None:
    assert said_of(YES, YES) == said_of(NO, NO, service=NO) == ""


def test_a_split_is_told_at_once_as_what_it_is() -> None:
    assert said_of(YES, NO, YES) == (
        "the token is refused by 1 of 3 replicas of argocd-server (argocd-server-b): a cache that is behind heals by"
        " itself; what stays for 2 min is told as a refusal"
    )


def test_a_split_between_the_service_and_its_replicas_counts_only_those_that_said_so() -> None:
    assert said_of(NO, NO, DUMB).startswith(
        "the token is refused by 2 of 3 replicas of argocd-server (argocd-server-a, argocd-server-b), not by the Service:"
    )
    assert said_of(YES, DUMB, service=NO).startswith("the token is refused by the Service, not by its replicas:")


def test_a_split_that_stays_is_told_by_the_verdict_alone() -> None:
    assert said_of(YES, NO, lasting=STAYS) == ""


def test_a_replica_that_cannot_be_asked_is_told_when_that_lasts_with_what_to_do() -> None:
    assert said_of(YES, DUMB) == ""
    assert said_of(YES, DUMB, lasting=STAYS) == (
        "1 of 2 replicas of argocd-server cannot be asked (argocd-server-b: timeout): see that a NetworkPolicy lets the"
        " monitor reach the pods on port 8080, and look at their log"
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((), "not known"),
        ((YES, YES), "2 of 2 accept it"),
        ((YES, NO), "1 of 2 accepts it, 1 refuses it (argocd-server-b)"),
        ((NO, NO, DUMB), "0 of 3 accept it, 2 refuse it (argocd-server-a, argocd-server-b), 1 cannot be asked (argocd-server-c: timeout)"),
        ((NO,) * 5, "0 of 5 accept it, 5 refuse it (argocd-server-a, argocd-server-b, argocd-server-c and 2 more)"),
    ],
)  # fmt: skip
def test_the_page_says_it_in_a_few_words(said: tuple[Said, ...], words: str) -> None:
    assert in_words(ReplicasReport(SERVICE, voices(*said), len(said))) == words


def test_however_long_the_names_are_the_words_fit_where_reports_go() -> None:
    long = [f"{letter * 250}-{number}" for letter in "ab" for number in range(8)]
    many = tuple(Voice(Replica(name, "10.0.0.1", 80), YES if name[0] == "a" else NO) for name in long)
    verdict = refusal(REVOKED, many, SERVICE, STAYS)
    assert max(len(verdict.cause), len(verdict.remedy)) < MAX_TEXT
    assert f"delete pod {' '.join(long[8:11])}`" in verdict.remedy, "a name in a command is whole"


def test_what_one_monitor_knows_of_replicas_another_one_is_told() -> None:
    report = ReplicasReport(SERVICE, voices(YES, NO, DUMB), 3, 1_000.0, stays=True, problem="a problem")
    told = TargetReport("a", "http://cd", Mode.TOKEN, "Secret a/b", 15.0, 10.0, REVOKED, 1.0, replicas=report)
    assert read_line(line(told)) == told


def test_replicas_beyond_the_bound_are_told() -> None:
    assert in_words(ReplicasReport(SERVICE, voices(YES), 9)) == "1 of 1 accepts it, 8 more are not asked"
