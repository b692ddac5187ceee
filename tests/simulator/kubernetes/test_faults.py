"""The levers: what a client learns, and what really happened. In virtual time."""

from __future__ import annotations

import asyncio

import pytest
from monitor.cluster import MERGE_PATCH, Answer, NoAnswer
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.kubernetes.api import SimulatedKubernetes
from monitor.simulator.kubernetes.faults import Plan
from monitor.simulator.kubernetes.wire import Attributes

from tests.simulator.kubernetes.stage import ADMIN, NAMESPACE, SECRETS, World, in_virtual_time, secret

RESET = "the Kubernetes API cannot be reached: ServerDisconnectedError"


async def create(world: World, name: str = "token") -> Answer | NoAnswer:
    return await world.api.request("POST", SECRETS, body=secret(name))


def status(answer: Answer | NoAnswer) -> int:
    assert isinstance(answer, Answer)
    return answer.status


def there(world: World, name: str = "token") -> bool:
    return kubectl.get(world.state, "secrets", NAMESPACE, name) is not None


def test_of_a_lost_answer_nobody_knows_that_it_happened() -> None:
    async def story(world: World) -> None:
        world.state.faults.lose_answers("create")
        assert await create(world) == NoAnswer(RESET, sent=True)
        assert there(world)
        assert status(await create(world)) == 409

    in_virtual_time(story)


def test_of_a_lost_request_nobody_knows_that_it_did_not_happen() -> None:
    async def story(world: World) -> None:
        world.state.faults.lose_requests("create")
        assert await create(world) == NoAnswer(RESET, sent=True)
        assert not there(world)
        assert status(await create(world)) == 201

    in_virtual_time(story)


def test_a_lost_answer_can_keep_its_client_waiting_until_the_deadline() -> None:
    async def story(world: World) -> None:
        world.state.faults.lose_answers(hang=True)
        assert await create(world) == NoAnswer("the Kubernetes API did not answer within 10 s", sent=True)
        assert world.clock.monotonic() == pytest.approx(10.0)
        world.state.faults.lose_requests(hang=True)
        await world.api.request("GET", SECRETS, deadline=2.5)
        assert world.clock.monotonic() == pytest.approx(12.5)

    in_virtual_time(story)


def test_a_refused_connection_sent_nothing() -> None:
    async def story(world: World) -> None:
        world.state.faults.refuse()
        answer = await create(world)
        assert isinstance(answer, NoAnswer)
        assert not answer.sent
        assert not there(world)

    in_virtual_time(story)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(429, "TooManyRequests"), (500, "InternalError"), (503, "ServiceUnavailable"), (504, "Timeout")],
)
def test_a_server_with_a_fault_of_its_own_says_so_and_does_nothing(code: int, reason: str) -> None:
    async def story(world: World) -> None:
        world.state.faults.answer(code, "create", times=2)
        for _ in range(2):
            answer = await create(world)
            assert isinstance(answer, Answer)
            assert (answer.status, answer.body["reason"]) == (code, reason)
        assert not there(world)
        assert status(await create(world)) == 201

    in_virtual_time(story)


def test_a_server_can_say_500_of_what_it_did_all_the_same() -> None:
    async def story(world: World) -> None:
        world.state.faults.answer(500, "create", effect=True)
        assert status(await create(world)) == 500
        assert there(world)

    in_virtual_time(story)


def test_a_late_request_arrives_though_its_client_has_given_up() -> None:
    async def story(world: World) -> None:
        world.state.faults.delay_requests(25.0, "create")
        answer = await create(world)
        assert isinstance(answer, NoAnswer)
        assert not there(world)
        await asyncio.sleep(14.9)
        assert not there(world)
        await asyncio.sleep(0.2)
        assert there(world)

    in_virtual_time(story)


def test_a_late_request_arrives_though_its_client_was_cancelled() -> None:
    async def story(world: World) -> None:
        world.state.faults.delay_requests(5.0)
        task = asyncio.create_task(create(world))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(5)
        assert there(world)

    in_virtual_time(story)


def test_a_late_answer_is_of_what_happened_before() -> None:
    async def story(world: World) -> None:
        world.state.faults.delay_answers(4.0)
        task = asyncio.create_task(create(world))
        await asyncio.sleep(0.1)
        assert there(world)
        assert not task.done()
        assert status(await task) == 201
        assert world.clock.monotonic() == pytest.approx(4.0)

    in_virtual_time(story)


def test_a_stale_read_shows_what_was_true_some_writes_ago() -> None:
    async def story(world: World) -> None:
        for value in ("one", "two", "three"):
            kubectl.put_secret(world.state, NAMESPACE, "token", {"token": value})
        world.state.faults.stale_reads(1, "get")
        world.state.faults.stale_reads(3, "list")
        got = await world.api.request("GET", f"{SECRETS}/token")
        listed = await world.api.request("GET", SECRETS)
        assert isinstance(got, Answer)
        assert isinstance(listed, Answer)
        assert got.body["data"]["token"] == "dHdv"
        assert listed.body["items"] == []
        assert listed.body["metadata"]["resourceVersion"] == str(world.state.version - 3)
        # A write is never stale: what was read long ago does not pass for the present.
        swap = {"metadata": {"resourceVersion": got.body["metadata"]["resourceVersion"]}, "data": {}}
        assert status(await world.api.request("PATCH", f"{SECRETS}/token", body=swap, content_type=MERGE_PATCH)) == 409

    in_virtual_time(story)


def test_an_api_that_is_away_refuses_everything_and_drops_watches_until_it_is_back() -> None:
    async def story(world: World) -> None:
        await world.listen()
        world.state.go_away(600.0)
        answer = await create(world)
        assert isinstance(answer, NoAnswer)
        assert not answer.sent
        assert world.types() == ["broken: the watch broke: ClientPayloadError"]
        await asyncio.sleep(599)
        assert isinstance(await create(world), NoAnswer)
        await asyncio.sleep(1.1)
        assert status(await create(world)) == 201

    in_virtual_time(story)


def test_what_is_under_way_when_the_api_goes_away_is_lost() -> None:
    async def story(world: World) -> None:
        world.state.faults.delay_requests(2.0)
        task = asyncio.create_task(create(world))
        await asyncio.sleep(1)
        world.state.go_away(5.0)
        assert await task == NoAnswer(RESET, sent=True)
        world.state.come_back()
        assert not there(world)
        assert status(await create(world)) == 201

    in_virtual_time(story)


def test_a_lever_takes_the_requests_that_it_names_and_as_many_as_it_is_told() -> None:
    async def story(world: World) -> None:
        lever = world.state.faults.answer(503, "get", "*/secrets/one", times=2, skip=1)
        seen = [
            status(await world.api.request("GET", f"{SECRETS}/{name}"))
            for name in ("one", "two", "one", "two", "one", "one")
        ]
        assert seen == [404, 404, 503, 404, 503, 404]
        assert lever.hits == 2
        world.state.faults.answer(503, times=None)
        assert [status(await create(world)) for _ in range(3)] == [503] * 3
        world.state.faults.clear()
        assert status(await create(world)) == 201

    in_virtual_time(story)


def test_a_lever_can_be_for_one_user_alone() -> None:
    async def story(world: World) -> None:
        other = SimulatedKubernetes(world.state, "other", world.clock)
        world.state.faults.answer(503, user="other", times=None)
        assert status(await world.api.request("GET", SECRETS)) == 200
        assert status(await other.request("GET", SECRETS)) == 503

    in_virtual_time(story)


def test_chance_can_decide_of_each_request() -> None:
    async def story(world: World) -> None:
        def decide(asked: Attributes) -> Plan | None:
            return Plan(lost_answer=True) if asked.verb == "create" else None

        world.state.faults.decide = decide
        assert isinstance(await create(world), NoAnswer)
        assert status(await world.api.request("GET", f"{SECRETS}/token")) == 200

    in_virtual_time(story)


def test_each_request_is_in_the_log_with_its_user_verb_path_time_and_outcome() -> None:
    async def story(world: World) -> None:
        await asyncio.sleep(3)
        world.state.faults.refuse("delete")
        await world.api.request("POST", SECRETS, body=secret(), query={"fieldManager": "me"})
        await world.api.request("GET", f"{SECRETS}/token")
        await world.api.request("DELETE", f"{SECRETS}/token")
        await world.listen()
        log = [(each.user, each.verb, each.manager, each.status) for each in world.state.requests]
        assert log == [
            (ADMIN, "create", "me", 201),
            (ADMIN, "get", "token-monitor", 200),
            (ADMIN, "delete", "token-monitor", 0),
            (ADMIN, "watch", "token-monitor", 200),
        ]
        assert world.state.requests[0].at == pytest.approx(world.clock.now(), abs=0.1)
        assert (world.state.count("get"), world.state.count(path=f"{SECRETS}*"), world.state.count("list")) == (1, 4, 0)

    in_virtual_time(story)


def test_requests_and_answers_take_the_time_that_the_way_takes() -> None:
    async def story(world: World) -> None:
        slow = SimulatedKubernetes(world.state, ADMIN, world.clock, latency=lambda: 0.25)
        assert status(await slow.request("GET", SECRETS)) == 200
        assert world.clock.monotonic() == pytest.approx(0.5)

    in_virtual_time(story)


def test_two_requests_that_are_sent_together_meet_at_the_server() -> None:
    async def story(world: World) -> None:
        answers = await asyncio.gather(*(create(world) for _ in range(5)))
        assert sorted(status(answer) for answer in answers) == [201, 409, 409, 409, 409]

    in_virtual_time(story)


def test_without_a_configuration_nothing_is_asked() -> None:
    async def story(world: World) -> None:
        world.api.problem = "no way to the Kubernetes API"
        assert await world.api.ready() == world.api.problem
        assert await create(world) == NoAnswer(world.api.problem, sent=False)
        await world.listen()
        assert world.types() == ["broken: no way to the Kubernetes API"]
        assert not world.state.requests

    in_virtual_time(story)
