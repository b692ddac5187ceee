"""A token read by name: what the API says of the Secret, and what is no word of the API's about it."""

from __future__ import annotations

from typing import Any

import pytest
from monitor.adapters.kubernetes.secrets import KubernetesSecretSource, SecretReader
from monitor.cluster import Answer
from monitor.core.secret import Secret

from tests.adapters.kubernetes.stage import NAMESPACE, Stage, encode

NAME = "argocd-token"


@pytest.fixture
def source(stage: Stage) -> KubernetesSecretSource:
    return KubernetesSecretSource(SecretReader(stage.api), NAMESPACE, NAME, "token")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, {}),
        Answer(200, {}),
        Answer(200, {"kind": "Status"}),
        Answer(200, {"kind": "ConfigMap", "metadata": {}, "data": {"token": encode("abc")}}),
        Answer(302, {}),
        Answer(400, {}),
    ],
    ids=["404", "200", "a Status", "a ConfigMap", "a redirect", "400"],
)
async def test_the_page_of_a_proxy_never_looks_like_a_secret_that_is_gone(
    stage: Stage, source: KubernetesSecretSource, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    await stage.put(NAME, {"token": "abc"})
    assert (await source.read()).token == Secret("abc")

    async def behind_a_proxy(*_: Any, **__: Any) -> Answer:
        return answer

    monkeypatch.setattr(stage.api, "request", behind_a_proxy)
    credential = await source.read()
    assert (credential.token, credential.readable) == (Secret("abc"), False)
    assert "check the address" in credential.problem


async def test_a_secret_that_is_gone_is_told_with_the_command_that_makes_it(source: KubernetesSecretSource) -> None:
    credential = await source.read()
    assert (credential.token, credential.readable) == (None, True)
    assert f"`kubectl create secret generic {NAME} -n {NAMESPACE} --from-file=token=FILE`" in credential.problem


async def test_a_key_that_is_missing_is_added_and_the_secret_not_made_again(
    stage: Stage, source: KubernetesSecretSource
) -> None:
    await stage.put(NAME, {"tokken": "abc"})
    credential = await source.read()
    assert credential.token is None
    assert "has no key token (there are: tokken)" in credential.problem
    assert "kubectl apply --server-side" in credential.problem


@pytest.mark.parametrize(
    ("value", "told"), [("abc", False), ("abc\n", True), ("abc\r\n", True), (" abc", False), ("\n", False)]
)
async def test_a_line_end_is_left_out_and_told_since_a_consumer_may_send_it(
    stage: Stage, source: KubernetesSecretSource, value: str, told: bool
) -> None:
    await stage.put(NAME, {"token": value})
    credential = await source.read()
    assert credential.token is not None
    assert ("ends with a line end" in credential.problem) is told
