"""A checker remembers the last token and the last answer; nobody can tell it from one that begins anew each time."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from monitor.core.model import Answer, Expectation, Fault, FaultKind, Reply
from monitor.core.questions import Question, Topic
from monitor.core.secret import Secret
from monitor.core.status import Status
from monitor.ports import Credential
from monitor.services.checker import Checked, Checker

from tests.core.samples import DAY, NO, NOT_LOGGED_IN, NOW, YES, account_page, api_key, refusal, userinfo

TOKENS = (
    Credential(Secret(api_key(exp=int(NOW + 8 * DAY)))),
    Credential(Secret(api_key(exp=int(NOW + 8 * DAY)))),  # the same once more, as a source that was read again gives it
    Credential(Secret(api_key(key_id="tm-2")), problem="the value is that of before"),
    Credential(Secret(f"{api_key()}\n")),
    Credential(Secret("no token")),
    Credential(None, "there is none"),
    Credential(None, "unreadable", readable=False),
)
ANSWERS: tuple[Answer, ...] = (
    userinfo(),
    userinfo(),
    userinfo("somebody-with-a-long-name"),
    NOT_LOGGED_IN,
    refusal("token is expired"),
    Reply(503),
    Fault(FaultKind.TIMEOUT),
)


@dataclass(frozen=True)
class Step:
    """One check: how much later, with which token and which answers, and what it is asked to look at."""

    later: float
    token: int
    answer: int
    permission: Reply
    control_passes: bool
    full: bool
    fresh: bool


STEPS = st.builds(
    Step,
    later=st.sampled_from([0.0, 15.0, 15.0, DAY / 2, DAY]),
    token=st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]),
    answer=st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4, 5, 6]),
    permission=st.sampled_from([YES, YES, NO]),
    control_passes=st.sampled_from([False, False, False, True]),
    full=st.sampled_from([False, False, False, False, True]),
    fresh=st.booleans(),
)


class World:
    """Time, source and server as the present step says."""

    where = "the test"

    def __init__(self) -> None:
        self.at = 0.0
        self.step = Step(0.0, 0, 0, YES, control_passes=False, full=False, fresh=False)

    def now(self) -> float:
        return NOW + self.at

    def monotonic(self) -> float:
        return self.at

    async def read(self, *, ask: bool = False) -> Credential:
        return TOKENS[self.step.token]

    async def ask(self, question: Question, token: Secret, *, fresh: bool = False) -> Answer:
        match question.topic:
            case Topic.USERINFO:
                return ANSWERS[self.step.answer]
            case Topic.CONTROL_USERINFO:
                return userinfo() if self.step.control_passes else NOT_LOGGED_IN
            case Topic.ACCOUNT:
                return account_page("ci", "tm-1")
            case Topic.PERMISSION:
                return self.step.permission
        return refusal("invalid session")


@given(st.lists(STEPS, min_size=2, max_size=12), st.sampled_from([(), ("applications/get/*/*",)]))
async def test_a_checker_with_a_memory_says_what_one_without_says(
    steps: list[Step], permissions: tuple[str, ...]
) -> None:
    world, expected = World(), Expectation(account="ci", permissions=permissions)
    remembering = Checker(world, world, expected, world)
    last: Checked | None = None
    for step in steps:
        world.step = step
        world.at += step.later
        found = await remembering.check(full=step.full, fresh=step.fresh, last=last)
        anew = Checker(world, world, expected, world)
        assert found == await anew.check(full=step.full, fresh=step.fresh, last=last)
        last = found


async def test_a_permission_that_was_taken_away_is_not_covered_by_an_older_answer() -> None:
    world, expected = World(), Expectation(account="ci", permissions=("applications/get/*/*",))
    check = Checker(world, world, expected, world)
    seen, last = [], None
    for full, permission in (
        (True, YES),
        (False, YES),
        (False, YES),
        (True, NO),
        (False, NO),
        (True, YES),
        (False, YES),
    ):
        world.step = Step(0.0, 0, 0, permission, control_passes=False, full=full, fresh=False)
        last = await check.check(full=full, last=last)
        seen.append(last.verdict.status)
    lacks, valid = Status.INSUFFICIENT_PERMISSIONS, Status.VALID
    assert seen == [valid, valid, valid, lacks, lacks, valid, valid]


async def test_what_was_good_a_hundred_times_is_judged_by_what_is_answered_now() -> None:
    world, expected = World(), Expectation(account="ci")
    check, last = Checker(world, world, expected, world), None
    now = ((4, Status.EXPIRED), (3, Status.SERVER_ERROR), (5, Status.SERVER_ERROR), (2, Status.WRONG_ACCOUNT))
    for answered, status in now:
        for answer in (0, 0, 0, answered):
            world.step = Step(15.0, 0, answer, YES, control_passes=False, full=False, fresh=False)
            last = await check.check(full=False, last=last)
            assert last.verdict.status is (Status.VALID if answer == 0 else status)
