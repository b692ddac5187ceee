"""A values file of Codefresh's runtime becomes the address, mode, Secret and key that its chart makes of it.

Each row restates what the chart (codefresh-io/gitops-runtime-helm, 2026-08, and 2025-10 for the older spellings)
renders for these values, or the words with which it refuses them.
"""

from __future__ import annotations

from typing import Any

import pytest
from monitor.config.codefresh import CodefreshError, from_codefresh, read_values, render
from monitor.config.load import load, settings_of
from monitor.config.settings import InSecret, TargetSettings
from monitor.config.warnings import warnings_of
from monitor.core.model import Mode

Values = dict[str, Any]

EXTERNAL: Values = {"argo-cd": {"enabled": False}}
MINE = {"name": "my-argocd-secret", "key": "my-token"}
ADMIN = ("argocd-initial-admin-secret", "password")
MADE = ("argocd-token", "token")
PATH = ".Values.global.integrations.argo-cd.server"
OLD = ".Values.global.external-argo-cd"


def today(server: Any = None, auth: Any = None, **more: Any) -> Values:
    """Values of an Argo CD that the runtime did not bring, in today's spelling."""
    block = dict(server or {})
    if auth is not None:
        block["auth"] = auth
    return {"global": {"integrations": {"argo-cd": {"server": block}}}, **EXTERNAL, **more}


def older(spelling: str = "external-argo-cd", **block: Any) -> Values:
    return {"global": {spelling: block}, **EXTERNAL}


def bundled(**argo_cd: Any) -> Values:
    return {"argo-cd": argo_cd}


def converted(values: Values) -> TargetSettings:
    return settings_of(from_codefresh(values).config).targets[0]


@pytest.mark.parametrize(
    ("values", "url"),
    [
        # the runtime brings its Argo CD: plain http unless server.insecure is taken away
        pytest.param({}, "http://argo-cd-server", id="chart defaults"),
        pytest.param(bundled(enabled=True), "http://argo-cd-server", id="bundled"),
        pytest.param(bundled(fullnameOverride="argo-cd-test"), "http://argo-cd-test-server", id="bundled, renamed"),
        pytest.param(
            bundled(fullnameOverride="x", configs={"params": {"server.insecure": False}}),
            "https://x-server",
            id="bundled, https",
        ),
        pytest.param(
            bundled(configs={"params": {"server.insecure": None}}), "https://argo-cd-server", id="bundled, key removed"
        ),
        pytest.param(
            bundled(configs={"params": {"server.insecure": "false"}}),
            "http://argo-cd-server",
            id="bundled, any text is true",
        ),
        pytest.param(
            bundled(fullnameOverride="myargocd", configs={"params": {"server.rootpath": "/some-path"}}),
            "http://myargocd-server/some-path",
            id="bundled, rootpath",
        ),
        pytest.param(
            bundled(configs={"params": {"server.insecure": False, "server.rootpath": "/p"}}),
            "https://argo-cd-server/p",
            id="bundled, https, rootpath",
        ),
        pytest.param(bundled(server={"name": "api"}), "http://argo-cd-api", id="bundled, server renamed"),
        pytest.param(
            {**today({"svc": "elsewhere"}), "argo-cd": {"enabled": True}},
            "http://argo-cd-server",
            id="bundled wins over an external address",
        ),
        # an Argo CD of one's own: always http, whatever the port; 80 left out
        pytest.param(EXTERNAL, "http://argo-cd-server", id="external, chart defaults"),
        pytest.param(today({"svc": "my-argocd-server", "port": 80}), "http://my-argocd-server", id="external"),
        pytest.param(today({"svc": "a", "protocol": "https"}), "http://a", id="external, protocol is not read"),
        pytest.param(today({"svc": "a", "port": "80"}), "http://a", id="external, port in quotes"),
        pytest.param(today({"svc": "a", "port": 8080}), "http://a:8080", id="external, other port"),
        pytest.param(today({"svc": "a", "port": 443}), "http://a:443", id="external, 443 is http too"),
        pytest.param(today({"svc": "a", "rootpath": "/argocd"}), "http://a/argocd", id="external, rootpath"),
        pytest.param(today({"port": 81, "rootpath": "/r"}), "http://argo-cd-server:81/r", id="external, default svc"),
        pytest.param(today({"svc": "a", "rootpath": None}), "http://a", id="external, rootpath removed"),
        pytest.param(today({"svc": "argocd.argocd"}), "http://argocd.argocd", id="external, other namespace"),
        pytest.param(today({"svc": "argocd:8443"}), "http://argocd:8443", id="external, pasted port"),
        # what app-proxy is told to use wins
        pytest.param(
            {"app-proxy": {"config": {"argoCdUrl": "https://test-argocd"}}}, "https://test-argocd", id="argoCdUrl"
        ),
        # older spellings
        pytest.param(older(server={"svc": "old", "port": 8080}), "http://old:8080", id="older"),
        pytest.param(older(server={"rootpath": "/argocd"}), "http://argocd-server/argocd", id="older, its default svc"),
        pytest.param(older("external-arg-cd", server={"svc": "doc"}), "http://doc", id="documentation's spelling"),
        pytest.param(
            {
                **EXTERNAL,
                "global": {"external-argo-cd": {"server": {"svc": "b"}}, "external-arg-cd": {"server": {"svc": "c"}}},
            },
            "http://b",
            id="older before documentation's",
        ),
        pytest.param(
            {
                **EXTERNAL,
                "global": {
                    "integrations": {"argo-cd": {"server": {"svc": "a"}}},
                    "external-argo-cd": {"server": {"svc": "b", "port": 8080}},
                },
            },
            "http://a",
            id="today's first",
        ),
        pytest.param(
            {
                **EXTERNAL,
                "global": {
                    "integrations": {"argo-cd": {"server": {"auth": {"type": "password"}}}},
                    "external-argo-cd": {"server": {"svc": "b"}},
                },
            },
            "http://b",
            id="the months between: auth moved, address not yet",
        ),
    ],
)
def test_the_address_is_the_one_the_chart_makes(values: Values, url: str) -> None:
    assert converted(values).address.url == url


TOKEN, PASSWORD = Mode.TOKEN, Mode.PASSWORD
CREDENTIALS = [
    # (auth, mode, where the token is, where the password is, account)
    pytest.param(None, PASSWORD, MADE, ADMIN, "admin", id="defaults"),
    pytest.param({"type": "password"}, PASSWORD, MADE, ADMIN, "admin", id="password"),
    pytest.param({"username": "adminoverride"}, PASSWORD, MADE, ADMIN, "adminoverride", id="username"),
    pytest.param({"passwordSecretKeyRef": MINE}, PASSWORD, MADE, ("my-argocd-secret", "my-token"), "admin", id="ref"),
    pytest.param({"passwordSecretKeyRef": {"name": "x"}}, PASSWORD, MADE, ("x", "password"), "admin", id="ref, default key"),
    pytest.param(
        {"passwordSecretKeyRef": {"key": "k"}}, PASSWORD, MADE, ("argocd-initial-admin-secret", "k"), "admin", id="ref, default name"
    ),
    pytest.param({"password": "p"}, PASSWORD, MADE, ("gitops-runtime-argo-cd-password", "token"), "admin", id="in clear"),
    pytest.param(
        {"password": "p", "passwordSecretKeyRef": MINE},
        PASSWORD, MADE, ("gitops-runtime-argo-cd-password", "token"), "admin", id="in clear wins over ref",
    ),
    pytest.param({"password": ""}, PASSWORD, MADE, ADMIN, "admin", id="empty password"),
    pytest.param({"password": None}, PASSWORD, MADE, ADMIN, "admin", id="null password"),
    pytest.param(
        {"type": "password", "token": "t", "tokenSecretKeyRef": MINE}, PASSWORD, MADE, ADMIN, "admin", id="token not used"
    ),
    pytest.param({"type": "token", "token": "t"}, TOKEN, ("gitops-runtime-argo-cd-token", "token"), None, None, id="token in clear"),
    pytest.param({"type": "token", "tokenSecretKeyRef": MINE}, TOKEN, ("my-argocd-secret", "my-token"), None, None, id="token ref"),
    pytest.param(
        {"type": "token", "token": "t", "tokenSecretKeyRef": MINE},
        TOKEN, ("gitops-runtime-argo-cd-token", "token"), None, None, id="token in clear wins over ref",
    ),
    pytest.param(
        {"type": "token", "token": "", "tokenSecretKeyRef": MINE}, TOKEN, ("my-argocd-secret", "my-token"), None, None, id="token empty"
    ),
    pytest.param(
        {"type": "token", "token": "t", "username": "u", "password": "p"},
        TOKEN, ("gitops-runtime-argo-cd-token", "token"), None, None, id="no username in token mode",
    ),
]  # fmt: skip
SPELLINGS = {
    "today": lambda auth: today({"svc": "a"}, auth),
    "today, bundled": lambda auth: {**today({}, auth), "argo-cd": {"enabled": True}},
    "external-argo-cd": lambda auth: older(**({} if auth is None else {"auth": auth})),
    "external-arg-cd": lambda auth: older("external-arg-cd", **({} if auth is None else {"auth": auth})),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("auth", "mode", "token", "password", "account"), CREDENTIALS)
def test_the_credential_is_the_one_the_chart_hands_out(
    spelling: str,
    auth: Any,
    mode: Mode,
    token: tuple[str, str],
    password: tuple[str, str] | None,
    account: str | None,
) -> None:
    found = converted(SPELLINGS[spelling](auth))
    assert found.mode is mode
    assert found.token_source == InSecret(*token)
    assert found.password_source == (None if password is None else InSecret(*password))
    assert found.expected_account == account


def test_the_auth_block_of_today_comes_first() -> None:
    values = today({"svc": "a"}, {"type": "token", "tokenSecretKeyRef": MINE})
    values["global"]["external-argo-cd"] = {"auth": {"type": "password"}}
    assert converted(values).mode is Mode.TOKEN


def test_older_auth_is_not_read_with_the_bundled_argo_cd() -> None:
    values = {"global": {"external-argo-cd": {"auth": {"type": "token", "tokenSecretKeyRef": MINE}}}}
    conversion = from_codefresh(values)
    found = settings_of(conversion.config).targets[0]
    assert (found.mode, found.token_source) == (Mode.PASSWORD, InSecret(*MADE))
    assert any("is not used" in note for note in conversion.notes)


def test_the_username_of_app_proxy_comes_first() -> None:
    values = today({}, {"username": "external"}, **{"app-proxy": {"config": {"argoCdUsername": "app-proxy"}}})
    assert converted(values).username == "app-proxy"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            today({}, {"type": "invalid"}),
            f"Invalid value for {PATH}.auth.type: invalid. Allowed values are: [password token]",
        ),
        (
            today({}, {"type": "Token"}),
            f"Invalid value for {PATH}.auth.type: Token. Allowed values are: [password token]",
        ),
        (today({}, {"type": ""}), f"Invalid value for {PATH}.auth.type: . Allowed values are: [password token]"),
        (
            today({}, {"type": "token"}),
            f"{PATH}.auth.type is set to 'token' therefore {PATH}.auth.tokenSecretKeyRef.name is required",
        ),
        (
            today({}, {"type": "token", "token": None, "tokenSecretKeyRef": {"name": None, "key": None}}),
            f"{PATH}.auth.type is set to 'token' therefore {PATH}.auth.tokenSecretKeyRef.name is required",
        ),
        (
            today({}, {"type": "token", "tokenSecretKeyRef": {"name": "a"}}),
            f"{PATH}.auth.type is set to 'token' therefore {PATH}.auth.tokenSecretKeyRef.key is required\n"
            f"Both 'name' and 'key' must be set in {PATH}.auth.tokenSecretKeyRef",
        ),
        (
            today({}, {"type": "token", "tokenSecretKeyRef": {"key": "a"}}),
            f"{PATH}.auth.type is set to 'token' therefore {PATH}.auth.tokenSecretKeyRef.name is required\n"
            f"Both 'name' and 'key' must be set in {PATH}.auth.tokenSecretKeyRef",
        ),
        (today({"svc": ""}), f"{PATH}.svc is not set"),
        (today({"svc": None}), f"{PATH}.svc is not set"),
        (today({"port": None}), f"{PATH}.port is not set"),
        (older(server=None), f"ArgoCD is not enabled and {OLD}.server is not set"),
        (older(server={"svc": None, "port": 80}), f"ArgoCD is not enabled and {OLD}.server.svc is not set"),
        (older(server={"port": ""}), f"ArgoCD is not enabled and {OLD}.server.port is not set"),
        (older(auth={"type": "no"}), f"Invalid value for {OLD}.auth.type: no. Allowed values are: [password token]"),
        (
            older(auth={"type": "token"}),
            f"{OLD}.auth.type is 'token' and {OLD}.auth.token or {OLD}.auth.tokenSecretKeyRef are not set",
        ),
    ],
)
def test_what_the_chart_refuses_is_refused_in_its_words(values: Values, message: str) -> None:
    with pytest.raises(CodefreshError) as caught:
        from_codefresh(values)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (today({}, {"passwordSecretKeyRef": None}), "needs both name and key"),
        (today({}, {"passwordSecretKeyRef": {"key": None}}), "needs both name and key"),
        (today({"port": 0}), "port must be a number from 1 to 65535"),
        (today({"port": True}), "port must be a number from 1 to 65535"),
        (today({"svc": "a b"}), "the address that the chart makes of these values"),
        (today({"svc": "https://argocd.example.com"}), "svc is an address; write the name of the Service alone"),
        (today({"svc": "argocd:"}), "the address that the chart makes of these values"),
        (today({"svc": "argocd:0"}), "the address that the chart makes of these values"),
        (today({"svc": "argocd:99999"}), "the address that the chart makes of these values"),
        (today({"svc": "a..b"}), "the address that the chart makes of these values"),
        (today({"svc": "-a"}), "the address that the chart makes of these values"),
        (today({"svc": "x" * 64}), "the address that the chart makes of these values"),
        (
            {"app-proxy": {"config": {"argoCdUrl": "https://u:hunter2@argocd"}}},
            "the address that the chart makes of these values",
        ),
        (today({"rootpath": "/a/../b"}), "rootpath:"),
        (today({}, "hunter2"), "must be a mapping"),
        ({"argo-cd": {"configs": "x"}}, "must be a mapping"),
    ],
)
def test_what_could_never_run_is_refused_too(values: Values, said: str) -> None:
    with pytest.raises(CodefreshError) as caught:
        from_codefresh(values)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (today({}, {"type": "token", "token": "hunter2"}), "auth.token is in clear"),
        (today({}, {"password": "hunter2"}), "auth.password is in clear"),
        (today({}, {"username": ""}), "admin is used here"),
        (today({"rootpath": "argocd"}), "no slash in front"),
        (older(server={"svc": "a"}), "spelling of older charts"),
        (bundled(configs={"params": {"server.insecure": "false"}}), 'the text "false"'),
        (bundled(configs={"params": {"server.insecure": False}}), "Better: tls.caFile"),
        ({"gitops-operator": {"env": {"ARGO_CD_URL": "x:1"}}}, "gitops-operator may talk to another address"),
        ({"app-proxy": {"env": {"ARGO_CD_TOKEN": "hunter2"}}}, "app-proxy.env.ARGO_CD_TOKEN is set"),
        ({}, "only from within its namespace"),
        ({"replicaCount": 3, "global": {"imageRegistry": "x"}}, "say nothing of Argo CD"),
    ],
)
def test_what_a_person_should_know_is_noted_without_the_credential(values: Values, said: str) -> None:
    conversion = from_codefresh(values)
    text = render(conversion)
    assert any(said in note for note in conversion.notes)
    assert "hunter2" not in text
    assert "hunter2" not in repr(conversion)


@pytest.mark.parametrize("values", [EXTERNAL, today({"svc": "a"}), older(server={"svc": "a"}), {"app-proxy": {}}])
def test_values_that_tell_of_argo_cd_are_not_taken_for_another_file(values: Values) -> None:
    assert not any("nothing of Argo CD" in note for note in from_codefresh(values).notes)


@pytest.mark.parametrize(
    ("full", "release", "host"),
    [
        ("", "codefresh-gitops-runtime", "codefresh-gitops-runtime-argocd-server"),
        (None, "cf", "cf-argocd-server"),
        ("", "my-argocd", "my-argocd-server"),
    ],
)
def test_without_a_full_name_the_service_is_named_after_the_release(full: str | None, release: str, host: str) -> None:
    conversion = from_codefresh(bundled(fullnameOverride=full), release_name=release)
    assert settings_of(conversion.config).targets[0].address.host == host


def test_in_password_mode_the_consumers_of_the_runtime_are_known_and_none_is_restarted_unasked() -> None:
    text = render(from_codefresh(today({}, {"type": "password"}), "codefresh"))
    rotation = load(text).targets[0].rotation
    assert rotation is not None
    assert (rotation.codefresh, rotation.restart_consumers) == (True, False)
    assert "consumers.restartConsumers: true" in " ".join(text.replace("\n#", "").split())


def test_in_token_mode_nothing_is_rotated() -> None:
    (found,) = load(render(from_codefresh(today({}, {"type": "token", "tokenSecretKeyRef": MINE}), "x"))).targets
    assert found.rotation is None
    assert found.without_effect == ()


def test_the_self_signed_certificate_of_the_bundled_argo_cd_is_warned_of() -> None:
    conversion = from_codefresh(bundled(configs={"params": {"server.insecure": False}}), "codefresh")
    text = render(conversion)
    settings = load(text)
    assert settings.targets[0].tls.insecure
    assert settings.targets[0].namespace == "codefresh"
    assert "targets[0].tls.insecure (codefresh)" in [notice.path for notice in warnings_of(settings)]
    assert "caFile" in text


def test_the_target_is_called_like_the_runtime() -> None:
    assert converted({"global": {"runtime": {"name": "prod-1"}}}).name == "prod-1"
    assert converted({"global": {"runtime": {"name": "Not A Name"}}}).name == "codefresh"


def test_the_text_is_what_the_conversion_says() -> None:
    values = today(
        {"svc": "argocd-server", "port": 8080, "rootpath": "/argocd"}, {"type": "token", "tokenSecretKeyRef": MINE}
    )
    conversion = from_codefresh(values, "codefresh")
    text = render(conversion)
    assert load(text) == settings_of(conversion.config)
    assert text.partition("targets:")[2] == (
        "\n"
        "  - name: codefresh\n"
        "    server:\n"
        "      svc: argocd-server  # http://SVC[:PORT]ROOTPATH, as the chart reaches it\n"
        "      port: 8080\n"
        "      rootpath: /argocd\n"
        "    auth:\n"
        "      type: token\n"
        "      tokenSecretKeyRef:\n"
        "        name: my-argocd-secret\n"
        "        key: my-token\n"
        "    namespace: codefresh\n"
    )


def test_values_are_read_as_helm_reads_them() -> None:
    values = read_values(
        "common: &common {svc: argocd-server, port: 81}\n"
        "argo-cd: {enabled: no}\n"
        "global: {integrations: {argo-cd: {server: {<<: *common, port: 82}}}}\n"
    )
    assert converted(dict(values)).address.url == "http://argocd-server:82"


@pytest.mark.parametrize("text", ["- a\n", "word", "a: [", "a: 1\na: 2\n"])
def test_what_is_no_values_file_is_refused(text: str) -> None:
    with pytest.raises(CodefreshError):
        read_values(text)
