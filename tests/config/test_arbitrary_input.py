"""Whatever is given as a configuration or as values, nothing but the error of that place comes out."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor.config.codefresh import CodefreshError, from_codefresh, read_values, render
from monitor.config.load import load, settings_of
from monitor.config.model import Document
from monitor.config.problems import ConfigurationError
from monitor.config.warnings import warnings_of

KEYS = (
    "targets", "name", "server", "svc", "port", "rootpath", "url", "tls", "caFile", "certFile", "keyFile", "insecure",
    "auth", "type", "token", "tokenSecretKeyRef", "key", "tokenFile", "username", "password", "interval", "timeout",
    "accountInterval", "expiringWithin", "http", "log", "kubernetes", "namespace", "requiredPermissions", "<<", "",
)  # fmt: skip
VALUES_KEYS = (
    "global", "integrations", "argo-cd", "server", "auth", "external-argo-cd", "external-arg-cd", "enabled", "configs",
    "params", "server.insecure", "server.rootpath", "fullnameOverride", "app-proxy", "config", "argoCdUrl",
    "argoCdUsername", "svc", "port", "rootpath", "type", "token", "tokenSecretKeyRef", "password", "name", "key",
)  # fmt: skip
WORDS = st.sampled_from(
    ["token", "password", "argocd", "15s", "https://a.example.com", "/t", "a/b/c", "*x", "&x", "!t", "${X}"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | WORDS


def values(keys: tuple[str, ...]) -> st.SearchStrategy[Any]:
    def wider(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=4) | st.dictionaries(
            st.sampled_from(keys) | st.text(max_size=5), inner, max_size=6
        )

    return st.recursive(SCALARS, wider, max_leaves=25)


TARGET = st.fixed_dictionaries(
    {"name": WORDS, "auth": st.fixed_dictionaries({"type": WORDS}, optional=dict.fromkeys(KEYS[15:20], SCALARS))},
    optional={"server": values(KEYS), "url": SCALARS | WORDS, "tls": values(KEYS), "interval": SCALARS},
)
INDENTED = st.lists(
    st.tuples(st.sampled_from(["", "  ", "    ", "  - ", "\t", "- "]), st.sampled_from(KEYS), st.sampled_from([": ", ":", " "]), st.text(max_size=8)),
    max_size=12,
).map(lambda rows: "\n".join("".join(row) for row in rows))  # fmt: skip


def loads_or_is_refused(text: str | bytes) -> None:
    refusal = None
    try:
        warnings_of(load(text))
    except ConfigurationError as error:
        refusal = error
    if refusal is not None:
        assert refusal.problems
        assert all("\n" not in str(problem) for problem in refusal.problems)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    loads_or_is_refused(text)


@given(st.binary(max_size=200))
def test_any_bytes(text: bytes) -> None:
    loads_or_is_refused(text)


@given(INDENTED)
def test_text_that_is_nearly_yaml(text: str) -> None:
    loads_or_is_refused(text)


@given(values(KEYS) | st.fixed_dictionaries({"targets": st.lists(TARGET, max_size=3)}, optional={"interval": SCALARS}))
@settings(max_examples=300)
def test_values_of_any_shape(value: Any) -> None:
    loads_or_is_refused(yaml.safe_dump(value))
    with contextlib.suppress(ConfigurationError):
        settings_of(value)
        json.dumps(Document.model_validate(value).model_dump())


@given(values(VALUES_KEYS))
@settings(max_examples=300)
def test_values_of_codefresh_of_any_shape(value: Any) -> None:
    converts_or_is_refused(value)


def nested(server: Any, auth: Any, argo_cd: Any) -> dict[str, Any]:
    inside = {**server, "auth": auth}
    return {"global": {"integrations": {"argo-cd": {"server": inside}}}, "argo-cd": argo_cd}


SMALL = st.dictionaries(
    st.sampled_from(VALUES_KEYS), SCALARS | st.dictionaries(st.sampled_from(["name", "key"]), SCALARS), max_size=4
)


@given(st.builds(nested, SMALL, SMALL, SMALL))
@settings(max_examples=300)
def test_values_of_codefresh_in_the_right_places(value: Any) -> None:
    converts_or_is_refused(value)


def converts_or_is_refused(value: Any) -> None:
    with contextlib.suppress(CodefreshError):
        conversion = from_codefresh(read_values(yaml.safe_dump(value)))
        assert load(render(conversion)) == settings_of(conversion.config)
