"""What the program gets: every default resolved, the sources of credentials by Codefresh's rules."""

from __future__ import annotations

import json
import time
import traceback
from typing import Any

import pytest
from monitor.config.load import load, settings_of
from monitor.config.model import MAX_TARGETS, Document
from monitor.config.problems import ConfigurationError
from monitor.config.settings import (
    InClear,
    InFile,
    InSecret,
    LeaseSettings,
    RotationSettings,
    Settings,
    TargetSettings,
    WorkloadSettings,
)
from monitor.core.model import Mode
from monitor.core.secret import Secret
from pydantic import ValidationError

REF = {"name": "mine", "key": "k"}


def target(auth: dict[str, Any], **more: Any) -> TargetSettings:
    document = {"targets": [{"name": "a", "server": {"svc": "argocd"}, "auth": auth, **more}]}
    return settings_of(document).targets[0]


@pytest.mark.parametrize(
    ("auth", "source"),
    [
        ({"type": "token", "token": "t"}, InClear(Secret("t"))),
        ({"type": "token", "token": "t", "tokenSecretKeyRef": REF}, InClear(Secret("t"))),
        ({"type": "token", "token": "t", "tokenFile": "/t"}, InClear(Secret("t"))),
        ({"type": "token", "token": "", "tokenSecretKeyRef": REF}, InSecret("mine", "k")),
        ({"type": "token", "tokenFile": "/t", "tokenSecretKeyRef": {}}, InFile("/t")),
        ({"type": "password"}, InSecret("argocd-token", "token")),
        ({"type": "password", "token": "t"}, InSecret("argocd-token", "token")),
        ({"type": "password", "tokenSecretKeyRef": REF}, InSecret("mine", "k")),
        ({"type": "password", "tokenFile": "/t"}, InFile("/t")),
    ],
)
def test_where_the_token_is(auth: dict[str, Any], source: object) -> None:
    assert target(auth).token_source == source


@pytest.mark.parametrize(
    ("auth", "source"),
    [
        ({"type": "password"}, InSecret("argocd-initial-admin-secret", "password")),
        ({"type": "password", "passwordSecretKeyRef": {}}, InSecret("argocd-initial-admin-secret", "password")),
        ({"type": "password", "password": "p", "passwordSecretKeyRef": REF}, InClear(Secret("p"))),
        ({"type": "password", "passwordSecretKeyRef": REF}, InSecret("mine", "k")),
        ({"type": "password", "passwordFile": "/p"}, InFile("/p")),
        ({"type": "token", "token": "t", "password": "p"}, None),
    ],
)
def test_where_the_password_is(auth: dict[str, Any], source: object) -> None:
    assert target(auth).password_source == source


@pytest.mark.parametrize(
    ("auth", "mode", "username", "account"),
    [
        ({"type": "token", "token": "t"}, Mode.TOKEN, None, None),
        ({"type": "token", "token": "t", "username": ""}, Mode.TOKEN, None, None),
        ({"type": "token", "token": "t", "username": "proj:p:ci"}, Mode.TOKEN, None, "proj:p:ci"),
        ({"type": "password"}, Mode.PASSWORD, "admin", "admin"),
        ({"type": "password", "username": "monitor"}, Mode.PASSWORD, "monitor", "monitor"),
    ],
)
def test_whose_token_it_must_be(auth: dict[str, Any], mode: Mode, username: str | None, account: str | None) -> None:
    found = target(auth)
    assert (found.mode, found.username, found.expected_account) == (mode, username, account)


def test_a_target_s_own_times_win_over_those_for_all() -> None:
    settings = load(
        """
interval: 20s
expiringWithin: 3d
kubernetes: {namespace: codefresh}
targets:
  - {name: a, url: 'https://a.example.com', auth: {type: password}}
  - name: b
    url: https://b.example.com
    namespace: other
    interval: 1m
    timeout: 2s
    accountInterval: 10m
    expiringWithin: 0
    auth: {type: password}
"""
    )
    a, b = settings.targets
    assert (a.interval, a.timeout, a.account_interval, a.expiring_within) == (20, 10, 300, 3 * 86400)
    assert (b.interval, b.timeout, b.account_interval, b.expiring_within) == (60, 2, 600, 0)
    assert a.token_source == InSecret("argocd-token", "token", "codefresh")
    assert b.token_source == InSecret("argocd-token", "token", "other")


@pytest.mark.parametrize(
    ("auth", "more", "rotates"),
    [
        ({"type": "password"}, {}, True),
        ({"type": "password"}, {"rotation": {"enabled": False}}, False),
        ({"type": "token", "tokenFile": "/t", "username": "ci"}, {}, False),
        ({"type": "token", "tokenFile": "/t", "username": "ci"}, {"rotation": {"expiresIn": "1d"}}, False),
        ({"type": "token", "tokenFile": "/t", "username": "ci"}, {"renew": True}, True),
    ],
)
def test_nothing_is_rotated_in_token_mode_unless_renew_says_so(
    auth: dict[str, Any], more: dict[str, Any], rotates: bool
) -> None:
    assert (target(auth, **more).rotation is not None) is rotates


def test_how_a_key_is_replaced() -> None:
    rotation = {"expiresIn": "30d", "renewBefore": "10d", "every": "7d", "drillEvery": "1d", "grace": "15m"}
    workloads = [{"name": "portal"}, {"kind": "StatefulSet", "selector": "app=portal", "live": True}]
    consumers = {"preset": "codefresh", "restartConsumers": True, "longestWait": "2h", "workloads": workloads}
    found = target({"type": "password"}, rotation=rotation, consumers=consumers)
    assert found.rotation == RotationSettings(
        expires_in=30 * 86_400,
        renew_before=10 * 86_400,
        every=7 * 86_400,
        drill_every=86_400,
        grace=900,
        longest_wait=7200,
        restart_consumers=True,
        codefresh=True,
        workloads=(
            WorkloadSettings("Deployment", "portal"),
            WorkloadSettings("StatefulSet", None, "app=portal", live=True),
        ),
    )
    assert found.journal_name == "token-monitor-journal-a"


@pytest.mark.parametrize(
    ("auth", "state_dir", "journal"),
    [
        ({"tokenSecretKeyRef": REF}, None, InSecret("token-monitor-journal-a", "journal")),
        ({"tokenSecretKeyRef": REF}, "/state", InSecret("token-monitor-journal-a", "journal")),
        ({"tokenFile": "/etc/argocd/token"}, None, InFile("/etc/argocd/token-monitor-journal-a")),
        ({"tokenFile": "token"}, None, InFile("token-monitor-journal-a")),
        ({"tokenFile": "/etc/argocd/token"}, "/state", InFile("/state/token-monitor-journal-a")),
        ({"token": "t"}, "/state", None),
    ],
    ids=["Secret", "Secret with stateDir", "file", "file here", "file with stateDir", "in clear"],
)
def test_a_journal_is_kept_beside_the_token_or_where_files_of_that_kind_are_wanted(
    auth: dict[str, Any], state_dir: str | None, journal: InSecret | InFile | None
) -> None:
    found = {"name": "a", "server": {"svc": "argocd"}, "auth": {"type": "token", **auth}}
    settings = settings_of({"targets": [found], **({"stateDir": state_dir} if state_dir else {})})
    assert settings.journal_of(settings.targets[0]) == journal


def test_without_a_word_a_rotation_strands_nobody() -> None:
    found = target({"type": "password"}).rotation
    assert found == RotationSettings(expires_in=None, grace=600, longest_wait=3600, restart_consumers=False)


def test_a_token_may_be_watched_by_one_target_and_rotated_by_another() -> None:
    watched = {"type": "token", "tokenSecretKeyRef": {"name": "argocd-token", "key": "token"}}
    url = "https://a.example.com"
    targets = [{"name": name, "url": url, "auth": auth} for name, auth in (("a", {"type": "password"}), ("b", watched))]
    assert [found.rotation is not None for found in settings_of({"targets": targets}).targets] == [True, False]


@pytest.mark.parametrize(
    ("kubernetes", "lease", "events"),
    [
        ({}, LeaseSettings(None, "token-monitor", None), True),
        ({"namespace": "codefresh", "lease": {}}, LeaseSettings(None, "token-monitor", "codefresh"), True),
        ({"lease": {"enabled": False}, "events": False}, LeaseSettings(False, "token-monitor", None), False),
        (
            {"namespace": "codefresh", "lease": {"enabled": True, "name": "x", "namespace": "ops"}},
            LeaseSettings(True, "x", "ops"),
            True,
        ),
    ],
)
def test_replicas_and_events(kubernetes: dict[str, Any], lease: LeaseSettings, events: bool) -> None:
    one = {"name": "a", "url": "https://a.example.com", "auth": {"type": "password"}}
    found = settings_of({"kubernetes": kubernetes, "targets": [one]}).kubernetes
    assert (found.lease, found.events) == (lease, events)


def test_no_credential_shows_anywhere() -> None:
    value = {
        "targets": [
            {
                "name": "a",
                "url": "https://a.example.com",
                "auth": {"type": "token", "token": "hunter2", "password": "hunter3"},
            }
        ]
    }
    document = Document.model_validate(value)
    settings = settings_of(value)
    shown = [
        document.model_dump_json(),
        repr(document),
        str(document),
        json.dumps(document.model_dump()),
        repr(settings),
    ]
    assert not any("hunter" in text for text in shown)
    assert json.loads(shown[0])["targets"][0]["auth"]["token"] == "***"


def test_no_error_nor_its_traceback_shows_a_credential() -> None:
    text = "targets: [{name: a, auth: {type: tokn, token: hunter2, password: 42424242, tokenFile: [hunter2]}}]"
    with pytest.raises(ConfigurationError) as caught:
        load(text)
    printed = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in printed
    assert "42424242" not in printed
    with pytest.raises(ValidationError) as direct:
        Document.model_validate({"targets": [{"auth": {"type": "token", "token": ["hunter2"]}}]})
    assert "hunter2" not in str(direct.value)


def test_settings_cannot_be_changed() -> None:
    settings = Settings(())
    with pytest.raises(AttributeError):
        settings.interval = 1  # type: ignore[misc]


def test_a_target_too_many_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="20001 items, more than 20000"):
        settings_of({"targets": [{}] * (MAX_TARGETS + 1)})


def many(count: int, broken: bool = False) -> str:
    one = """  - name: t{}
    server: {{svc: argo-cd-server, port: 80, rootpath: "", url: null}}
    tls: {{caFile: null, certFile: null, keyFile: null, insecure: false, serverName: null}}
    auth:
      type: {}
      token: ""
      tokenSecretKeyRef: {{name: argocd-token, key: token}}
      tokenFile: null
      username: admin
      password: ""
      passwordSecretKeyRef: {{name: argocd-initial-admin-secret, key: password}}
      passwordFile: null
    namespace: null
    interval: null
    requiredPermissions: ["applications/get/*/*"]
"""
    return "targets:\n" + "".join(one.format(n, "tokn" if broken else "token") for n in range(count))


@pytest.mark.slow
def test_ten_thousand_targets_load_within_ten_seconds() -> None:
    text = many(10_000)
    start = time.process_time()
    assert len(load(text).targets) == 10_000
    assert time.process_time() - start < 10


@pytest.mark.slow
def test_ten_thousand_mistakes_are_all_found_and_a_hundred_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(many(10_000, broken=True))
    assert len(caught.value.problems) == 10_000
    assert caught.value.problems[-1].line == 2 + 15 * 9_999 + 4
    assert str(caught.value).splitlines()[-1] == "and 9900 more problems"
