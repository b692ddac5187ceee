"""The JSON Schema (2020-12) of the configuration, from the same model that reads it.

A schema sees one value at a time: names that repeat, intervals that contradict each other and files that are missing
are only seen by `load`. Every key that may be left out may also be empty (`null`), as in the loader.
"""

from __future__ import annotations

import copy
from typing import Any

from monitor.config.model import Document

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema, ready to be printed as JSON."""
    schema = Document.model_json_schema(by_alias=True)
    sections = [schema, *schema.get("$defs", {}).values()]
    for section in sections:
        required = section.get("required", [])
        for key, value in section.get("properties", {}).items():
            if key not in required:
                section["properties"][key] = _or_empty(value)
    schema["$defs"]["Target"]["allOf"] = [*_one_address(), _renewable()]
    schema["$defs"]["Rotation"]["allOf"] = [_no_drill_without_rotation()]
    schema["$defs"]["Consumer"]["oneOf"] = [_given("name"), _given("selector")]
    schema["$defs"]["Consumers"]["allOf"] = [_somebody_to_restart()]
    schema["$defs"]["SecretKeyRef"]["allOf"] = [_with("name", "key"), _with("key", "name")]
    schema["$defs"]["Auth"]["allOf"] = [_token_mode_has_a_source()]
    schema["$defs"]["Heartbeat"]["oneOf"] = [_given("url"), _given("urlFile")]
    schema["$defs"]["Alertmanager"]["allOf"] = [_one_credential()]
    schema["$defs"]["Discovery"]["anyOf"] = [_given("directory"), _with_a_section("kubernetes")]
    schema["anyOf"] = [_with_some("targets"), _with_a_section("discovery")]
    for name in ("Tls", "ServingTls"):
        schema["$defs"][name]["allOf"] = [_with("certFile", "keyFile"), _with("keyFile", "certFile")]
    return {"$schema": DIALECT, "title": "Token Monitor configuration", **_without(schema, "title")}


def _without(schema: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}


def _or_empty(value: dict[str, Any]) -> dict[str, Any]:
    options = value.get("anyOf", [])
    if {"type": "null"} in options:
        return value
    described: dict[str, Any] = {key: value[key] for key in ("title", "description", "default") if key in value}
    inner = {key: item for key, item in value.items() if key not in described}
    return {**described, "anyOf": [inner, {"type": "null"}]}


def _given(key: str) -> dict[str, Any]:
    """The key is there and neither empty nor null."""
    return {"required": [key], "properties": {key: {"not": {"enum": [None, ""]}}}}


def _with_a_section(key: str) -> dict[str, Any]:
    return {"required": [key], "properties": {key: {"type": "object"}}}


def _with_some(key: str) -> dict[str, Any]:
    return {"required": [key], "properties": {key: {"type": "array", "minItems": 1}}}


def _with(key: str, other: str) -> dict[str, Any]:
    return {"if": _given(key), "then": _given(other)}


def _given_ref(key: str) -> dict[str, Any]:
    return {"required": [key], "properties": {key: {"type": "object", **copy.deepcopy(_given("name"))}}}


def _token_mode_has_a_source() -> dict[str, Any]:
    return {
        "if": {"required": ["type"], "properties": {"type": {"const": "token"}}},
        "then": {"anyOf": [_given("token"), _given_ref("tokenSecretKeyRef"), _given("tokenFile")]},
    }


def _renewable() -> dict[str, Any]:
    """`renew: true` takes a token that is not written here."""
    auth = {"type": "object", "properties": {"type": {"const": "token"}, "token": {"enum": [None, ""]}}}
    rotation = {"not": {"type": "object", "required": ["enabled"], "properties": {"enabled": {"const": False}}}}
    return {
        "if": {"required": ["renew"], "properties": {"renew": {"const": True}}},
        "then": {"properties": {"auth": auth, "rotation": rotation}},
    }


def _no_drill_without_rotation() -> dict[str, Any]:
    off = {"required": ["enabled"], "properties": {"enabled": {"const": False}}}
    return {"not": {"allOf": [off, _given("drillEvery")]}}


def _one_credential() -> dict[str, Any]:
    return {"not": {"allOf": [_with_a_section("basicAuth"), _given("bearerTokenFile")]}}


def _somebody_to_restart() -> dict[str, Any]:
    return {
        "if": {"required": ["restartConsumers"], "properties": {"restartConsumers": {"const": True}}},
        "then": {"anyOf": [_given("preset"), _with_some("workloads")]},
    }


def _one_address() -> list[dict[str, Any]]:
    def below(key: str) -> dict[str, Any]:
        return {"required": ["server"], "properties": {"server": {"type": "object", **_given(key)}}}

    by_url = {"anyOf": [below("url"), _given("url")]}
    return [
        {"oneOf": [below("svc"), below("url"), _given("url")]},
        {"if": by_url, "then": {"not": {"anyOf": [below("port"), below("rootpath")]}}},
    ]
