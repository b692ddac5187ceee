"""What stands between the service and its servers resets, cuts short or holds up real connections.

How the client takes each kind of broken answer: tests/adapters/argocd/test_client_hostile.py, and of broken handshakes:
test_client_tls.py there.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from monitor.config import address
from monitor.core.status import Status

from tests.behaviour.service import TARGET, Outside, service, until
from tests.behaviour.test_kubernetes_away import in_touch
from tests.faults.middle import middle


@pytest.fixture(autouse=True)
def _quickly(short_times: None) -> None:
    del short_times


async def test_connections_to_argo_cd_that_break_in_any_way_refuse_nothing_and_recover(world: Outside) -> None:
    world.put_token(world.new_token())
    async with middle(world.url) as between:
        target = replace(world.target(timeout=0.5), address=address.of_url(between.url))
        async with service(world.settings(target)) as running:
            await until(lambda: running.status() is Status.VALID)
            shown = set()

            async def goes_on() -> None:
                checks = running.report().checks
                await until(lambda: running.report().checks >= checks + 3)
                shown.add(running.status())

            between.reset()
            await goes_on()
            between.hold()
            await goes_on()
            between.cut_after = 40  # in the middle of the head of an answer
            between.reset()
            await goes_on()
            assert Status.UNREACHABLE in shown
            between.cut_after = None
            between.closed = True  # resets whoever connects
            between.reset()
            await goes_on()
            between.closed = False
            await until(lambda: running.status() is Status.VALID, 20.0)
            counted = running.report().failures_by_status
            assert {status for status, count in counted.items() if count} <= {Status.UNREACHABLE}
            assert shown <= {Status.VALID, Status.UNREACHABLE}


@pytest.mark.slow
async def test_connections_to_kubernetes_that_are_half_open_are_found_out_and_replaced(world: Outside) -> None:
    """A firewall that forgot them: neither a watch nor a read hears anything more, and nobody says so."""
    world.put_token(world.new_token("old"))
    async with middle(world.cluster_url) as between:
        world.cluster_url = between.url
        async with service(world.settings(world.target())) as running:
            await until(lambda: running.status() is Status.VALID)
            await in_touch(running)
            between.hold()
            world.put_token(world.new_token("new"))
            world.argocd.revoke_key("codefresh", "old")
            # The deadline of one read, and the next check; the watch itself notices after 90 s of silence.
            await until(lambda: running.report().verdict.token_id == "new", 20.0)
            await until(lambda: running.status() is Status.VALID)
            await until(lambda: running.report(TARGET).problem == "", 60.0)
