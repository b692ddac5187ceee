"""The chart reads a runtime's values as `token-monitor config from-codefresh` does: the same target, the same refusals.

The tables of tests/config/test_codefresh.py, which say what the runtime's own chart makes of its values, are asked here
of the template.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from monitor.config.codefresh import from_codefresh, read_values
from monitor.config.load import settings_of
from monitor.config.settings import TargetSettings

from tests.chart.objects import configuration, texts
from tests.chart.tools import HELMS, refusal, render
from tests.config import test_codefresh as written

Values = dict[str, Any]
RUNTIMES = Path(__file__).parent / "runtimes"


def table(test: Any, names: str) -> list[Any]:
    """The rows of a table, by the first of its columns."""
    (rows,) = (mark.args[1] for mark in test.pytestmark if mark.name == "parametrize" and mark.args[0][0] == names)
    return list(rows)


def rendered(values: Values, **options: Any) -> TargetSettings:
    """The target that the chart makes of a runtime's values."""
    found = settings_of(configuration(render({**values, "codefresh": {"enabled": True}}, **options)))
    assert len(found.targets) == 1
    return found.targets[0]


def converted(values: Values, *arguments: str) -> TargetSettings:
    """The target that `token-monitor config from-codefresh` makes of them."""
    return settings_of(from_codefresh(values, *arguments).config).targets[0]


ADDRESSES = table(written.test_the_address_is_the_one_the_chart_makes, "values")
REFUSALS = [
    *table(written.test_what_the_chart_refuses_is_refused_in_its_words, "values"),
    *table(written.test_what_could_never_run_is_refused_too, "values"),
]
NOTED = table(written.test_what_a_person_should_know_is_noted_without_the_credential, "values")


@pytest.mark.parametrize(("values", "url"), ADDRESSES)
def test_the_address_is_the_one_that_from_codefresh_finds(values: Values, url: str) -> None:
    found = rendered(values)
    assert found.address.url == url
    assert found == converted(values)


@pytest.mark.parametrize("spelling", written.SPELLINGS)
@pytest.mark.parametrize(
    "auth", [row.values[0] for row in written.CREDENTIALS], ids=[row.id for row in written.CREDENTIALS]
)
def test_the_credential_is_the_one_that_from_codefresh_finds(spelling: str, auth: Any) -> None:
    values = written.SPELLINGS[spelling](auth)
    assert rendered(values) == converted(values)


@pytest.mark.parametrize(("values", "words"), REFUSALS)
def test_what_from_codefresh_refuses_is_refused_in_the_same_words(values: Values, words: str) -> None:
    said = refusal({**values, "codefresh": {"enabled": True}})
    assert words in said
    assert "hunter2" not in said


@pytest.mark.parametrize("values", [row[0] for row in NOTED])
def test_what_is_unusual_is_understood_alike_and_no_credential_of_the_runtime_is_copied(values: Values) -> None:
    assert rendered(values) == converted(values)
    assert "hunter2" not in " ".join(texts(render({**values, "codefresh": {"enabled": True}})))


@pytest.mark.parametrize("full", ["", None])
@pytest.mark.parametrize("release", ["codefresh-gitops-runtime", "cf", "my-argocd", "x" * 70])
def test_a_service_that_is_named_after_the_release_is_found(full: str | None, release: str) -> None:
    values = written.bundled(fullnameOverride=full)
    chart = {**values, "codefresh": {"enabled": True, "releaseName": release}}
    found = settings_of(configuration(render(chart))).targets[0]
    assert found.address == settings_of(from_codefresh(values, release_name=release).config).targets[0].address


@pytest.mark.parametrize("name", ["prod-1", "a.b", "Not A Name", "a..b", "", "x" * 63, "x" * 64, None])
def test_the_target_is_called_like_the_runtime(name: str | None) -> None:
    values: Values = {"global": {"runtime": {"name": name}}}
    assert rendered(values).name == converted(values).name


@pytest.mark.parametrize("file", sorted(RUNTIMES.glob("*.yaml")), ids=lambda file: file.stem)
@pytest.mark.parametrize("helm", HELMS)
def test_the_values_file_of_a_runtime_is_taken_as_it_is(file: Path, helm: str) -> None:
    found = settings_of(configuration(render(None, file, helm=helm)))
    assert found.targets == (converted(dict(read_values(file.read_text()))),)


@pytest.mark.parametrize("heading", ["USER-SUPPLIED VALUES:", "COMPUTED VALUES:"])
def test_the_heading_that_helm_get_values_writes_does_not_matter(heading: str, tmp_path: Path) -> None:
    (file := tmp_path / "runtime.yaml").write_text(f"{heading}\n{(RUNTIMES / 'external.yaml').read_text()}")
    assert configuration(render(None, file)) == configuration(render(None, RUNTIMES / "external.yaml"))


def test_in_another_namespace_the_runtime_s_secrets_and_service_are_named_with_it() -> None:
    values = written.today({"svc": "argocd-server"})
    here = {**values, "codefresh": {"namespace": "runtime"}}
    found = settings_of(configuration(render(here, namespace="monitoring"))).targets[0]
    expected = converted(values, "runtime")
    assert found.token_source == expected.token_source
    assert found.password_source == expected.password_source
    assert found.address == replace(expected.address, host="argocd-server.runtime.svc")
    https = {**written.bundled(configs={"params": {"server.insecure": False}}), "codefresh": {"namespace": "runtime"}}
    found = settings_of(configuration(render(https, namespace="monitoring"))).targets[0]
    assert found.address.url == "https://argo-cd-server.runtime.svc"
    # Where it is the release's own, the short name does.
    found = settings_of(configuration(render(here, namespace="runtime"))).targets[0]
    assert found.address.url == "http://argocd-server"


def test_values_without_a_runtime_make_no_target_and_nothing_to_watch_is_refused() -> None:
    target = {"name": "own", "server": {"svc": "a"}, "auth": {"type": "token", "tokenFile": "/t"}}
    names = [target["name"] for target in configuration(render({"targets": [target]}))["targets"]]
    assert names == ["own"]
    assert "there is nothing to monitor; give targets" in refusal({})
    off = {**written.today({"svc": "a"}), "codefresh": {"enabled": False}}
    assert "there is nothing to monitor" in refusal(off)
    assert "codefresh.target: there are no values of a runtime" in refusal(
        {"targets": [target], "codefresh": {"target": {"interval": "5s"}}}
    )


def test_a_target_of_ones_own_is_added_or_replaces_the_one_of_its_name() -> None:
    runtime = written.today({"svc": "a"}, {"type": "token", "token": "t"})
    own = {"name": "portal", "server": {"svc": "b"}, "auth": {"type": "token", "tokenFile": "/t"}}
    names = [target["name"] for target in configuration(render({**runtime, "targets": [own]}))["targets"]]
    assert names == ["codefresh", "portal"]
    (only,) = configuration(render({**runtime, "targets": [{**own, "name": "codefresh"}]}))["targets"]
    assert only["server"] == {"svc": "b"}
    assert 'targets: "portal" is there twice' in refusal({"targets": [own, own]})


@pytest.mark.parametrize(
    "target",
    [
        {"url": "https://argocd.example.com"},
        {"server": {"url": "https://argocd.example.com"}},
        {"server": {"svc": None, "port": None, "rootpath": None, "url": "https://argocd.example.com"}},
    ],
)
@pytest.mark.parametrize("runtime", [written.today({"svc": "a"}), written.bundled(configs={"params": {}})])
def test_an_address_takes_the_place_of_the_runtime_s(target: Values, runtime: Values) -> None:
    found = settings_of(configuration(render({**runtime, "codefresh": {"target": target}}))).targets[0]
    assert found.address.url == "https://argocd.example.com"


def test_a_service_takes_the_place_of_an_address_and_its_certificate_is_looked_at() -> None:
    runtime = written.bundled(configs={"params": {"server.insecure": False}})
    target = {"server": {"svc": "argocd-server.argocd"}}
    found = settings_of(configuration(render({**runtime, "codefresh": {"target": target}}))).targets[0]
    assert found.address.url == "http://argocd-server.argocd"
    target = {"url": "https://argocd.example.com"}
    (only,) = configuration(render({**runtime, "codefresh": {"target": target}}))["targets"]
    assert "tls" not in only, "that the runtime's own certificate is not checked says nothing of another server"


@pytest.mark.parametrize(
    ("auth", "file"), [({"type": "token", "token": "t"}, "tokenFile"), ({"type": "password"}, "passwordFile")]
)
def test_a_file_takes_the_place_of_the_runtime_s_secret(auth: Values, file: str) -> None:
    runtime = written.today({"svc": "a"}, auth)
    found = configuration(render({**runtime, "codefresh": {"target": {"auth": {file: "/files/it"}}}}))
    settings = settings_of(found).targets[0]
    assert "/files/it" in (str(settings.token_source) + str(settings.password_source))


def test_what_would_be_passed_over_in_silence_is_refused() -> None:
    runtime = written.today({"svc": "a"}, {"type": "token", "token": "t"})
    own = {"name": "codefresh", "server": {"svc": "b"}, "auth": {"type": "token", "tokenFile": "/t"}}
    said = refusal({**runtime, "targets": [own], "codefresh": {"target": {"interval": "5s"}}})
    assert (
        'codefresh.target: is not used, since targets has one that is called "codefresh", too; write it there' in said
    )


def test_the_target_of_the_runtime_can_be_changed_key_by_key() -> None:
    target = {"consumers": {"restartConsumers": True}, "rotation": {"expiresIn": "90d"}, "tls": None}
    https = written.bundled(configs={"params": {"server.insecure": False}})
    (found,) = configuration(render({**https, "codefresh": {"target": target}}))["targets"]
    assert found["consumers"] == {"preset": "codefresh", "restartConsumers": True}
    assert found["rotation"] == {"expiresIn": "90d"}
    assert "tls" not in found
    assert found["auth"]["type"] == "password"
