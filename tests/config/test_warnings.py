"""What works but should not stay is said, and what is fine is not."""

from __future__ import annotations

from typing import Any

import pytest
from monitor.config.load import settings_of
from monitor.config.warnings import warnings_of

TOKEN = {"type": "token", "tokenFile": "/t"}
PASSWORD = {"type": "password"}
CODEFRESH = {"preset": "codefresh"}
HTTPS = {"url": "https://a.example.com"}


def warned(target: dict[str, Any]) -> list[str]:
    settings = settings_of({"targets": [{"name": "a", "auth": TOKEN, **target}]})
    notices = warnings_of(settings)
    assert all(notice.what and notice.instead for notice in notices), "each says what to write instead"
    return [notice.path.partition(".")[2].partition(" ")[0] for notice in notices]


@pytest.mark.parametrize(
    ("target", "paths"),
    [
        (HTTPS, []),
        ({"server": {"svc": "argocd"}}, []),
        ({"server": {"svc": "argocd.argocd.svc"}}, []),
        ({"url": "http://localhost:8080"}, []),
        ({"url": "http://[::1]:8080"}, []),
        ({"url": "http://a.example.com"}, ["server"]),
        ({"url": "http://10.0.0.1"}, ["server"]),
        ({**HTTPS, "tls": {"insecure": True}}, ["tls.insecure"]),
        ({**HTTPS, "tls": {"insecure": True, "caFile": "/c"}}, ["tls.insecure", "tls.caFile"]),
        ({"server": {"svc": "argocd"}, "tls": {"insecure": True}}, ["tls.insecure"]),
        ({"server": {"svc": "argocd"}, "tls": {"caFile": "/c"}}, ["tls.caFile"]),
        ({**HTTPS, "auth": {"type": "token", "token": "t"}}, ["auth.token"]),
        ({**HTTPS, "auth": {"type": "password", "password": "p"}}, ["auth.password"]),
        ({**HTTPS, "auth": {**TOKEN, "password": "p"}}, ["auth.password"]),
        ({**HTTPS, "auth": {"type": "password", "token": "t"}}, ["auth.token"]),
        (
            {**HTTPS, "auth": {"type": "password", "tokenSecretKeyRef": {"name": "x", "key": "y"}}},
            ["auth.tokenSecretKeyRef"],
        ),
        ({**HTTPS, "rotation": {"expiresIn": "1d"}}, ["rotation"]),
        ({**HTTPS, "rotation": {}, "consumers": CODEFRESH}, ["rotation", "consumers"]),
        ({**HTTPS, "auth": PASSWORD, "rotation": {"enabled": False}, "consumers": CODEFRESH}, []),
        ({**HTTPS, "auth": PASSWORD}, []),
        ({**HTTPS, "renew": True}, []),
        ({**HTTPS, "auth": PASSWORD, "consumers": CODEFRESH}, ["consumers.restartConsumers"]),
        ({**HTTPS, "auth": PASSWORD, "consumers": {**CODEFRESH, "restartConsumers": True}}, []),
        ({**HTTPS, "auth": PASSWORD, "consumers": {"workloads": [{"name": "a", "live": True}]}}, []),
        ({**HTTPS, "auth": PASSWORD, "consumers": {"workloads": [{"name": "a"}]}}, ["consumers.restartConsumers"]),
        ({**HTTPS, "requiredPermissions": ["applications/get/*/*", "projects/get/*"]}, []),
        ({**HTTPS, "requiredPermissions": ["projects/get/*", "applications/get/*"]}, ["requiredPermissions[1]"]),
    ],
)
def test_what_is_warned_of(target: dict[str, Any], paths: list[str]) -> None:
    assert warned(target) == paths


def test_a_warning_names_its_target_and_no_credential() -> None:
    settings = settings_of({"targets": [{"name": "prod", **HTTPS, "auth": {"type": "token", "token": "hunter2"}}]})
    (notice,) = warnings_of(settings)
    assert str(notice).startswith("targets[0].auth.token (prod): the token is in clear")
    assert "hunter2" not in str(notice)


@pytest.mark.parametrize(
    ("auth", "told"),
    [
        ({**PASSWORD, "tokenFile": "/t"}, []),
        (PASSWORD, ["stateDir: has no effect: no target whose token is in a file is rotated; remove it"]),
        (TOKEN, ["stateDir: has no effect: no target whose token is in a file is rotated; remove it"]),
    ],
)
def test_a_directory_of_journals_that_nobody_uses_is_told(auth: dict[str, Any], told: list[str]) -> None:
    settings = settings_of({"stateDir": "/s", "targets": [{"name": "a", **HTTPS, "auth": auth}]})
    assert [str(notice) for notice in warnings_of(settings)] == told
