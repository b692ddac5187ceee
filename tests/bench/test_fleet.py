"""The benches of a fleet measure what they say: quantiles, and a fleet whose tokens are all accepted."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.fleet.load import address, measure
from bench.fleet.scrape import Histogram, histogram, pending
from bench.fleet.tokens import key_id, token

TEXT = b"""# TYPE tokenmonitor_schedule_lateness_seconds histogram
tokenmonitor_schedule_lateness_seconds_bucket{le="0.01"} 90.0
tokenmonitor_schedule_lateness_seconds_bucket{le="0.05"} 99.0
tokenmonitor_schedule_lateness_seconds_bucket{le="+Inf"} 100.0
tokenmonitor_check_duration_seconds_bucket{le="0.01"} 7.0
tokenmonitor_token_status{target="a",status="pending"} 1.0
tokenmonitor_token_status{target="b",status="valid"} 1.0
"""


def test_a_histogram_is_read_by_its_name_and_the_part_between_two_scrapes_is_looked_at() -> None:
    found = histogram(TEXT, "schedule_lateness_seconds")
    assert (found.count, found.within(0.05)) == (100.0, 0.99)
    assert found.quantile(0.5) == pytest.approx(0.01 * 50 / 90)
    since = found.since(Histogram({0.01: 90.0, 0.05: 90.0, float("inf"): 90.0}))
    assert (since.count, since.within(0.01), since.within(0.05)) == (10.0, 0.0, 0.9)
    assert since.quantile(0.99) == 0.05, "the last bound, where more is not known"


def test_targets_that_were_not_checked_yet_are_counted() -> None:
    assert pending(TEXT) == 1


def test_ten_thousand_targets_have_ten_thousand_addresses_and_tokens() -> None:
    assert len({address(number) for number in range(10_000)}) == 10_000
    assert len({key_id(token(number).encode()) for number in range(10_000)}) == 10_000
    assert all(0 <= int(part) <= 255 for number in range(10_000) for part in address(number).split("."))


@pytest.mark.slow
async def test_a_small_fleet_is_measured_with_http_and_https(tmp_path: Path) -> None:
    found = await measure(8, tmp_path, lambda _: None, https=4, seconds=0.5, regimes=("scraped", "pages"))
    assert found.rss > 10
    assert found.regimes["scraped"].fetch_bytes > 1000
    assert found.regimes["pages"].fetches >= 3
