"""The simulator answers what the real servers answered, exchange by exchange, for 3.6 and for 2.8."""

from __future__ import annotations

import pytest

from tests.recordings.load import VERSIONS, Scenario, load
from tests.simulator.replay import World, differences

# Every recorded exchange that the simulator does not reproduce, and why. An entry that it does reproduce is a mistake.
NOT_REPRODUCED: dict[tuple[str, str, str], str] = {
    ("3.6", "many-keys", "account"): "the recording itself is cut short after 300 characters",
    ("3.6", "server-stopped", "userinfo"): "nothing listens: there is no server to simulate",
    ("3.6", "server-stopped", "unknown-host"): "the name does not resolve: there is no server to simulate",
    ("3.6", "tls-self-signed", "verified"): "the client refuses the certificate: see test_app",
    ("3.6", "tls-self-signed", "https-on-plain-port"): "TLS to a plain port fails below HTTP: see test_app",
}
SCENARIOS = [scenario for version in VERSIONS for scenario in load(version)]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.version}-{scenario.name}")
def test_the_simulator_answers_as_the_real_server_did(scenario: Scenario) -> None:
    world = World(scenario)
    wrong = []
    for exchange in scenario.exchanges:
        found = differences(exchange, world.answer(exchange))
        place = (scenario.version, scenario.name, exchange.label)
        if place in NOT_REPRODUCED and not found:
            wrong.append(f"{exchange.label}: is reproduced, take it out of the table")
        if place not in NOT_REPRODUCED:
            wrong += [f"{exchange.label}: {difference}" for difference in found]
    assert wrong == []


def test_the_table_names_only_recorded_exchanges() -> None:
    recorded = {
        (scenario.version, scenario.name, exchange.label) for scenario in SCENARIOS for exchange in scenario.exchanges
    }
    assert set(NOT_REPRODUCED) <= recorded
