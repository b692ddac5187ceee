"""The Alertmanager of the tests (`tests/services`) and a real one do the same with what they are told."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from monitor.adapters.alertmanager import AlertmanagerSink
from monitor.adapters.argocd.tls import Trust
from monitor.adapters.clock import SystemClock
from monitor.adapters.http_call import HttpCaller
from monitor.core.alert_texts import Outgoing
from monitor.core.delivery import Accepted, Active, Failed, Unacceptable
from monitor.ports import AlertSink

from tests.end_to_end.alertmanager import alertmanager
from tests.services.fake_alertmanager import FakeAlertmanager

LABELS = {"alertname": "TokenMonitorTokenRefused", "severity": "critical", "target": "production"}


def alert(
    *, begun: float = 60, lasts: float = 240, labels: dict[str, str] | None = None, **annotations: str
) -> Outgoing:
    now = float(int(time.time()))
    return Outgoing(labels or LABELS, {"summary": "s", **annotations}, now - begun, now + lasts)


@dataclass
class Told:
    """One Alertmanager."""

    sink: AlertSink

    async def firing(self) -> list[Active]:
        found = await self.sink.active()
        assert not isinstance(found, Failed)
        return sorted(found, key=lambda one: sorted(one.labels.items()))


@pytest.fixture(params=["fake", "real"])
async def told(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Told]:
    if request.param == "fake":
        yield Told(FakeAlertmanager(SystemClock()))
        return
    async with alertmanager(tmp_path, "a") as real:
        caller = HttpCaller(Trust(), None, 5.0)
        try:
            yield Told(AlertmanagerSink(real.url, caller))
        finally:
            await caller.close()


async def test_an_alert_fires_until_it_is_told_with_an_end_that_has_passed(told: Told) -> None:
    firing = alert()
    assert await told.sink.tell([firing]) == Accepted()
    assert await told.firing() == [Active(firing.labels, firing.annotations, firing.starts_at)]
    assert await told.sink.tell([alert(lasts=0)]) == Accepted()
    assert await told.firing() == []
    assert await told.sink.tell([alert(begun=0)]) == Accepted()
    assert len(await told.firing()) == 1


async def test_an_alert_is_its_labels_and_the_newest_words_and_the_earliest_start_count(told: Told) -> None:
    later, earlier = alert(begun=30), alert(begun=300, summary="changed")
    await told.sink.tell([later])
    await told.sink.tell([earlier])
    await told.sink.tell([replace(later, annotations={"summary": "at last"})])
    assert await told.firing() == [Active(LABELS, {"summary": "at last"}, earlier.starts_at)]


async def test_of_a_batch_with_one_invalid_alert_the_others_are_taken(told: Told) -> None:
    bad = alert(labels={"alertname": "TokenMonitorBad", "0bad": "x"})
    receipt = await told.sink.tell([bad, alert()])
    assert isinstance(receipt, Unacceptable)
    assert "0bad" in receipt.why
    assert [one.labels for one in await told.firing()] == [LABELS]


async def test_a_start_after_the_end_is_refused_and_the_same_moment_is_not(told: Told) -> None:
    assert isinstance(await told.sink.tell([alert(begun=-10, lasts=0)]), Unacceptable)
    assert await told.sink.tell([alert(begun=0, lasts=0)]) == Accepted()


async def test_two_labels_more_make_another_alert(told: Told) -> None:
    other = {**LABELS, "namespace": "codefresh", "cluster": "eu"}
    await told.sink.tell([alert(), alert(labels=other)])
    assert [one.labels for one in await told.firing()] == [other, LABELS]


async def test_nothing_to_tell_is_no_error(told: Told) -> None:
    assert await told.sink.tell([]) == Accepted()
