"""Every query of the dashboards, asked of a real Prometheus that scrapes two replicas: it gives data, and the right."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from monitor.core.report import STOOD_DOWN
from monitor.core.status import Kind, Status
from scripts.grafana.panels import WORDS
from scripts.grafana.queries import (
    FAILING,
    IDLE,
    MANY,
    MOST_DRAWN,
    ROTATION_CODES,
    STATUS_CODES,
    count,
    drawn,
    in_class,
    status_code,
    value,
)

from tests.dashboards.files import BOARDS, PANELS, panels, variables
from tests.dashboards.promql import interpolated
from tests.dashboards.story import SCRAPES, fleet, told
from tests.end_to_end.programs import get, until
from tests.end_to_end.prometheus import Prometheus, prometheus

# One Prometheus, filled once: all of these in one process.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dashboards")]

# The one target that the other dashboard is looked at with; its rotation goes from the beginning to the end.
CHOSEN = {"overview.json": {}, "target.json": {"target": "staging"}}
OVERVIEW = BOARDS["overview.json"]
TARGETS = {one.name for one in fleet("a", SCRAPES)}
DRAWN = drawn(status_code(MANY), MANY)
FEW_DRAWN = DRAWN.replace(f"<= {MOST_DRAWN}", "<= 3")
# Of one target that is valid: how many are refused.
OF_ONE = interpolated(count(in_class(Kind.REFUSED, MANY), value("token_status", MANY)), {"target": "staging"})
# A story takes a quarter of a minute.
WITHIN = 90.0
ATTEMPTS = 3
# No scrape was there yet.
LONG_AGO = 3600.0

# Much shorter than the second between two scrapes: one that came late is not skipped.
STEP = "0.2"

Result = list[dict[str, Any]]


@dataclass
class Answers:
    """What Prometheus said. An answer with a warning is none."""

    moments: dict[tuple[str, float], Result] = field(default_factory=dict)
    courses: dict[str, Result] = field(default_factory=dict)
    series: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def of(self, query: Any, name: str) -> Result:
        """The answer to a query of a panel of that file."""
        expression = interpolated(query["expr"], CHOSEN[name])
        return self.moments[expression, 0] if query["instant"] else self.courses[expression]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Everything that the tests below want to know, asked once."""
    return asyncio.run(_all_answers(tmp_path_factory.mktemp("dashboards")))


async def _all_answers(folder: Path) -> Answers:
    found = Answers()
    async with _scraped(folder) as (prom, began):
        now = time.time()
        for name, board in BOARDS.items():
            for query in [query for panel in panels(board) for query in panel.get("targets", ())]:
                expression = interpolated(query["expr"], CHOSEN[name])
                if query["instant"]:
                    await _ask_at(prom, found, expression, now, 0)
                    await _ask_at(prom, found, expression, now, LONG_AGO)
                else:
                    found.courses[expression] = await _course(prom, expression, began, now)
            for variable in variables(board).values():
                if asked := re.fullmatch(r"label_values\((.+), \w+\)", variable["query"]):
                    answer = await get(f"{prom.url}/api/v1/series", {"match[]": interpolated(asked[1])})
                    found.series[asked[1]] = answer["data"]
        await _ask_at(prom, found, OF_ONE, now, 0)
        few = interpolated(FEW_DRAWN)
        found.courses[few] = await _course(prom, few, began, now)
    return found


@asynccontextmanager
async def _scraped(folder: Path) -> AsyncIterator[tuple[Prometheus, float]]:
    """A Prometheus that has seen the whole story, and when it began. It adds a namespace, and no cluster.

    A scrape that a busy machine answers too late is lost, and with it a part of the story: it is told once more then.
    """
    for attempt in range(ATTEMPTS):
        home = folder / str(attempt)
        home.mkdir()
        with told() as replicas:
            began = time.time()
            urls = [replica.url for replica in replicas]
            async with prometheus(home, scrape=urls, labels={"namespace": "codefresh"}) as prom:
                await until(lambda prom=prom: _over(prom, len(replicas)), WITHIN)  # type: ignore[misc]
                if attempt == ATTEMPTS - 1 or not await prom.query("min_over_time(up[10m]) == 0"):
                    yield prom, began
                    return


async def _over(prom: Prometheus, replicas: int) -> bool:
    """Whether it has seen everything: what was answered last, too, is stored."""
    return len(await prom.query(f"count_over_time(up[10m]) > {SCRAPES}")) == replicas


async def _ask_at(prom: Prometheus, found: Answers, expression: str, now: float, ago: float) -> None:
    answer = await get(f"{prom.url}/api/v1/query", {"query": expression, "time": f"{now - ago:.3f}"})
    found.moments[expression, ago] = _result(expression, answer)


async def _course(prom: Prometheus, expression: str, began: float, now: float) -> Result:
    asked = {"query": expression, "start": f"{began:.3f}", "end": f"{now:.3f}", "step": STEP}
    return _result(expression, await get(f"{prom.url}/api/v1/query_range", asked))


def _result(expression: str, answer: Any) -> Result:
    assert answer["status"] == "success", f"{expression}: {answer}"
    assert not answer.get("warnings"), f"{expression}: {answer}"
    found: Result = answer["data"]["result"]
    return found


def numbers(result: Result) -> list[float]:
    """All values, those that are none left out."""
    samples = [sample for one in result for sample in one.get("values", [one.get("value")])]
    return [value for value in (float(sample[1]) for sample in samples) if value == value]


def panel(title: str, board: Any = OVERVIEW) -> Any:
    (found,) = [one for one in panels(board) if one["title"] == title]
    return found


def now_in(answers: Answers, title: str) -> Result:
    """What a panel of the overview shows of this moment, by its first query."""
    return answers.of(panel(title)["targets"][0], "overview.json")


def asked() -> Iterator[tuple[str, str, Any, Any]]:
    """File, name for people, panel and query, for every query."""
    for name, _, one in PANELS:
        for query in one.get("targets", ()):
            yield name.split(":")[0], f"{name} {query['refId']}", one, query


def series_named(query: Any, result: Result) -> set[str]:
    """What a legend calls the series."""
    return {re.sub(r"\{\{(\w+)\}\}", r"{\1}", query["legendFormat"]).format_map(one["metric"]) for one in result}


def test_no_panel_stays_empty_on_real_data(answers: Answers) -> None:
    empty = [name for file, name, _, query in asked() if not numbers(answers.of(query, file))]
    assert empty == []


def test_every_variable_has_values(answers: Answers) -> None:
    for board in BOARDS.values():
        for name, variable in variables(board).items():
            if variable["type"] == "query":
                selector = variable["query"].removeprefix("label_values(").rsplit(", ", 1)[0]
                values = {one[name] for one in answers.series[selector] if name in one}
                # This Prometheus adds no cluster: the variable stays at All, and everything is found all the same.
                assert values or name == "cluster"


def test_a_monitor_that_is_gone_shows_nothing_rather_than_nothing_wrong(answers: Answers) -> None:
    ago = [result for (_, ago), result in answers.moments.items() if ago == LONG_AGO]
    assert len(ago) > 30
    assert not any(ago)


def test_none_is_shown_as_zero(answers: Answers) -> None:
    assert numbers(answers.moments[OF_ONE, 0]) == [0]


def test_every_series_has_a_name_and_the_colours_are_for_series_that_exist(answers: Answers) -> None:
    for file, name, one, query in asked():
        if one["type"] == "timeseries":
            named = {series for other in one["targets"] for series in series_named(other, answers.of(other, file))}
            coloured = {override["matcher"]["options"] for override in one["fieldConfig"]["overrides"]}
            assert coloured <= named, name
            assert len(series_named(query, answers.of(query, file))) == len(answers.of(query, file)), name


def test_every_number_that_stands_for_a_word_has_one(answers: Answers) -> None:
    for file, name, one, query in asked():
        mappings = one["fieldConfig"]["defaults"].get("mappings", [])
        if one["type"] == "table" and query["refId"] == "A":
            changes = [change for override in one["fieldConfig"]["overrides"] for change in override["properties"]]
            mappings = [mapping for change in changes if change["id"] == "mappings" for mapping in change["value"]]
        if mappings:
            words = {float(code) for mapping in mappings for code in mapping["options"]}
            assert set(numbers(answers.of(query, file))) <= words, name


def fields(one: Any, file: str, answers: Answers) -> set[str]:
    """The fields that Grafana's Prometheus data source makes of the answers to a table's queries."""
    several = len(one["targets"]) > 1
    found = {"Time"}
    for query in one["targets"]:
        result = answers.of(query, file)
        found |= {label for row in result for label in row["metric"]}
        found.add(f"Value #{query['refId']}" if several else "Value")
    return found


def test_every_field_of_a_table_is_a_column_with_a_title_or_hidden(answers: Answers) -> None:
    for name, _, one in PANELS:
        if one["type"] != "table":
            continue
        steps = {step["id"]: step["options"] for step in one["transformations"]}
        organized = steps["organize"]
        there, titled = fields(one, name.split(":")[0], answers), set(organized["renameByName"])
        assert there - set(organized["excludeByName"]) <= titled, name
        # A cluster is not added here; `Value` is what the first query's value is called when no other has rows.
        assert titled - there <= {"cluster", "Value"}, name
        assert set(organized["indexByName"]) == titled, name
        titles = set(organized["renameByName"].values())
        assert {override["matcher"]["options"] for override in one["fieldConfig"]["overrides"]} <= titles, name
        assert {sort["displayName"] for sort in one["options"]["sortBy"]} <= titles, name
        assert list(steps) == [
            *(["merge"] if len(one["targets"]) > 1 else []),
            "organize",
            *sorted(set(steps) & {"filterByValue"}),
        ]
        for condition in steps.get("filterByValue", {}).get("filters", ()):
            assert condition["fieldName"] in titles, name


def test_the_rows_of_a_table_are_joined_by_what_all_its_queries_have(answers: Answers) -> None:
    for name, _, one in PANELS:
        if one["type"] == "table":
            for query in one["targets"]:
                result = answers.of(query, name.split(":")[0])
                rows = Counter((row["metric"]["namespace"], row["metric"]["target"]) for row in result)
                assert set(rows.values()) == {1}, name


def test_every_target_counts_once_however_many_replicas_see_it(answers: Answers) -> None:
    counted = {word: numbers(now_in(answers, word)) for word in WORDS.values()}
    assert counted == {
        WORDS[Kind.REFUSED]: [2],  # production, old
        WORDS[Kind.UNKNOWN]: [2],  # edge, new
        WORDS[Kind.ATTENTION]: [2],  # sandbox, other
        WORDS[Kind.ACCEPTED]: [5],
    }
    assert numbers(now_in(answers, "Targets")) == [len(TARGETS)] == [11]


def test_a_replica_that_can_tell_outranks_one_that_cannot(answers: Answers) -> None:
    needing = {row["metric"]["target"] for row in now_in(answers, "Who needs somebody, and why")}
    assert "behind-a-wall" not in needing
    codes = {one["metric"]["target"]: float(one["values"][-1][1]) for one in now_in(answers, "Statuses")}
    assert codes["behind-a-wall"] == STATUS_CODES[Status.VALID]


def test_who_needs_somebody_is_listed_with_everything_that_is_known(answers: Answers) -> None:
    rows = {row["metric"]["target"]: row for row in now_in(answers, "Who needs somebody, and why")}
    assert set(rows) == {"production", "old", "edge", "new", "sandbox", "other"}
    assert float(rows["production"]["value"][1]) == STATUS_CODES[Status.REVOKED]
    assert rows["production"]["metric"] == {
        "namespace": "codefresh",
        "target": "production",
        "server": "https://argocd.production.example.com",
        "account": "ci",
        "auth_type": "password",
        "token_id": "production-key",
    }
    worst = sorted(rows, key=lambda name: -float(rows[name]["value"][1]))
    assert set(worst[:2]) == {"production", "old"}
    assert set(worst[-2:]) == {"sandbox", "other"}


def test_a_status_is_drawn_from_before_to_after_its_change(answers: Answers) -> None:
    (production,) = [one for one in now_in(answers, "Statuses") if one["metric"]["target"] == "production"]
    codes = [float(value) for _, value in production["values"]]
    assert set(codes) == {STATUS_CODES[Status.VALID], STATUS_CODES[Status.REVOKED]}
    assert codes == sorted(codes)


def test_of_very_many_targets_only_those_with_trouble_are_drawn(answers: Answers) -> None:
    every = {one["metric"]["target"] for one in answers.courses[interpolated(DRAWN)]}
    few = {one["metric"]["target"]: one for one in answers.courses[interpolated(FEW_DRAWN)]}
    assert every == TARGETS
    assert set(few) == {"production", "old", "edge", "sandbox", "other", "behind-a-wall"}
    # Also the time before the trouble is drawn.
    assert float(few["production"]["values"][0][1]) == STATUS_CODES[Status.VALID]


def test_the_tokens_that_end_first_are_listed_with_their_time_left(answers: Answers) -> None:
    left = {row["metric"]["target"]: float(row["value"][1]) for row in now_in(answers, "Tokens by expiry")}
    assert min(left, key=left.__getitem__) == "old"
    assert left["old"] < 0 < left["sandbox"] < 4 * 86_400
    assert numbers(now_in(answers, "Next expiry")) == [pytest.approx(left["old"], abs=5)]


def test_a_follower_says_nothing_about_rotations(answers: Answers) -> None:
    codes = {row["metric"]["target"]: float(row["value"][1]) for row in now_in(answers, "Rotations")}
    assert codes == {
        "contested": ROTATION_CODES[STOOD_DOWN],
        "failing": ROTATION_CODES[FAILING],
        "staging": ROTATION_CODES[IDLE],
    }
    states = answers.courses[interpolated(panel("Rotations by state")["targets"][0]["expr"])]
    for moment in {sample[0] for one in states for sample in one["values"]}:
        assert sum(float(value) for one in states for at, value in one["values"] if at == moment) == 3


def test_a_rotation_is_drawn_from_its_beginning_to_its_end(answers: Answers) -> None:
    drawn_as = answers.of(panel("State of the rotation", BOARDS["target.json"])["targets"][0], "target.json")
    (one,) = drawn_as
    codes = [float(value) for _, value in one["values"]]
    steps = [code for place, code in enumerate(codes) if place == 0 or code != codes[place - 1]]
    # `intent` is shown as failing here: an attempt before had failed.
    order = (IDLE, FAILING, "minted", "verified", "published", "adopted", "grace", "retired", IDLE)
    assert steps == [ROTATION_CODES[state] for state in order]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Rotated targets", 3),
        ("Stood down", 1),
        ("Failing", 1),
        ("Most live keys", 1),
        ("Open servers", 1),
        ("Configuration", 1),
    ],
)
def test_what_is_counted_is_what_is_there(answers: Answers, title: str, expected: float) -> None:
    assert numbers(now_in(answers, title)) == [expected]


@pytest.mark.parametrize("title", ["Replaced keys", "Refused logins"])
def test_what_happened_once_is_counted_about_once(answers: Answers, title: str) -> None:
    """Prometheus extrapolates to the ends of the window."""
    assert numbers(now_in(answers, title)) == [pytest.approx(1, abs=0.3)]
