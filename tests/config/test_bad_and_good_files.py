"""Every bad configuration is a file, with the exact message it earns beside it; good ones load, and the schema agrees."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml
from monitor.config.load import load, load_file
from monitor.config.problems import ConfigurationError
from monitor.config.schema import json_schema

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.yaml"))
GOOD = sorted((HERE / "good").glob("*.yaml"))

# Not YAML, or not to be read as YAML: no schema ever sees these.
NO_YAML = {
    "alias-bomb", "alias-of-nothing", "control-character", "duplicate-key", "empty", "key-is-a-list", "merge-key",
    "not-utf-8", "tab-indent", "tag", "tag-that-was-a-token", "too-deep", "too-many-aliases", "two-documents",
    "unclosed-flow", "unclosed-mapping", "unclosed-quote",
}  # fmt: skip
# What a schema cannot see: relations between keys, checks that are more than a pattern, and bounds of a duration in words.
BEYOND_A_SCHEMA = {
    "alertmanager-resend", "alertmanager-urls-twice", "alerts-thresholds-contradict", "discovery-twice",
    "account-interval-shorter", "account-interval-shorter-in-a-target", "consumers-wait-within-grace",
    "http-bind", "interval-not-a-number", "interval-too-short", "name-twice", "password-ref-and-file",
    "renew-of-a-project-role", "rootpath-climbs", "rotation-drill-without-renew", "rotation-every-within-grace",
    "rotation-expires-too-soon", "rotation-grace-too-long", "rotation-of-one-token-twice",
    "rotation-renew-before-too-long", "timeout-too-long", "timeout-too-short", "interval-too-long",
    "token-from-the-environment", "token-ref-and-file", "token-with-line-break", "url-bad-host", "url-bad-ipv6",
    "url-climbs", "url-port-empty", "url-port-too-large", "url-port-zero", "username-too-long-to-log-in",
    "url-no-host",
}  # fmt: skip
SECRET = "hunter2"


def names(files: list[Path]) -> list[str]:
    return [file.stem for file in files]


@pytest.mark.parametrize("file", BAD, ids=names(BAD))
def test_a_bad_configuration_earns_its_exact_message(file: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(file.read_bytes())

    assert str(caught.value) + "\n" == file.with_suffix(".txt").read_text()
    assert all(problem.what and problem.instead for problem in caught.value.problems)


@pytest.mark.parametrize("file", BAD, ids=names(BAD))
def test_no_message_shows_a_credential(file: Path) -> None:
    assert SECRET not in file.with_suffix(".txt").read_text().lower()


def test_every_message_belongs_to_a_file() -> None:
    assert {file.stem for file in (HERE / "bad").glob("*.txt")} == set(names(BAD))


def test_a_file_is_named_before_each_problem() -> None:
    file = HERE / "bad" / "log-format.yaml"

    with pytest.raises(ConfigurationError) as caught:
        load_file(file)

    assert all(line.startswith(f"{file}: log.") for line in str(caught.value).splitlines())


@pytest.mark.parametrize("file", GOOD, ids=names(GOOD))
def test_a_good_configuration_loads(file: Path) -> None:
    assert load_file(file).targets


@pytest.mark.parametrize("file", GOOD, ids=names(GOOD))
def test_the_schema_accepts_a_good_configuration(file: Path) -> None:
    jsonschema.Draft202012Validator(json_schema()).validate(yaml_1_2(file))


SEEN = [file for file in BAD if file.stem not in NO_YAML | BEYOND_A_SCHEMA]


@pytest.mark.parametrize("file", SEEN, ids=names(SEEN))
def test_the_schema_refuses_what_a_schema_can_see(file: Path) -> None:
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(yaml_1_2(file))


@pytest.mark.parametrize("name", sorted(BEYOND_A_SCHEMA))
def test_what_is_called_beyond_a_schema_is_so(name: str) -> None:
    """Otherwise the list above would hide what the schema should see."""
    assert jsonschema.Draft202012Validator(json_schema()).is_valid(yaml_1_2(HERE / "bad" / f"{name}.yaml"))


def test_the_schema_is_one_of_the_dialect_it_names() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_every_key_of_the_schema_is_described() -> None:
    schema = json_schema()
    for section in (schema, *schema["$defs"].values()):
        assert section["description"]
        for key, value in section["properties"].items():
            referred = value.get("anyOf", [{}])[0].get("$ref", "").rpartition("/")[2]
            assert value.get("description") or schema["$defs"][referred]["description"], key


class Yaml12(yaml.SafeLoader):
    """PyYAML without the words of YAML 1.1 (yes, no, on, off, octal and base 60), as other YAML 1.2 tools read."""


Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in pairs if tag not in {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:int"}]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _add_resolvers() -> None:
    import re

    Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))
    Yaml12.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))


_add_resolvers()


def yaml_1_2(file: Path) -> object:
    return yaml.load(file.read_bytes(), Loader=Yaml12)
