"""Who checks without a configuration is told what to do in options of the command line."""

from __future__ import annotations

import re
from pathlib import Path

import monitor.core
import pytest
from monitor.cli.check import command
from monitor.cli.flags import FLAGS, in_flags
from monitor.cli.main import run
from monitor.config import schema
from monitor.core.model import Expectation, Fault, FaultKind
from monitor.core.remedies import fault_remedy, remedy
from monitor.core.status import Status
from monitor.simulator.app import running
from monitor.simulator.state import ArgoCDState

from tests.adapters.argocd.certificates import authority
from tests.cli.conftest import on_a_thread

EXPECTED = Expectation(account="ci", where="the variable ARGOCD_AUTH_TOKEN")
OPTIONS = {option for parameter in command.params for option in parameter.opts}


def keys_of_a_target() -> set[str]:
    """`timeout`, `tls.caFile`: those that a target may have, as paths."""
    told = schema.json_schema()
    keys: set[str] = set()

    def walk(shape: dict[str, object], path: str) -> None:
        for one in (shape, *shape.get("anyOf", ()), *shape.get("allOf", ()), *shape.get("oneOf", ())):  # type: ignore[misc]
            if "$ref" in one:
                walk(told["$defs"][str(one["$ref"]).rsplit("/", 1)[1]], path)
            for name, below in one.get("properties", {}).items():
                keys.add(f"{path}{name}")
                walk(below, f"{path}{name}.")

    walk(told["$defs"]["Target"], "")
    return keys


REMEDIES = [
    *(remedy(status, EXPECTED, "ci") for status in Status),
    *(fault_remedy(Fault(kind, "x"), Status.UNREACHABLE, EXPECTED) for kind in FaultKind),
]


@pytest.mark.parametrize("text", REMEDIES)
def test_a_remedy_names_no_key_of_a_configuration(text: str) -> None:
    keys = keys_of_a_target()
    assert {"timeout", "tls.caFile", "server.url", "auth.username", "requiredPermissions", "rootpath"} & keys
    assert not set(re.findall(r"`([A-Za-z.]+)`", in_flags(text))) & keys


def test_every_option_that_is_named_exists() -> None:
    named = {option for flag in FLAGS.values() for option in re.findall(r"`(--[a-z-]+)", flag)}
    assert named <= OPTIONS


@pytest.mark.parametrize("key", FLAGS)
def test_every_key_that_is_replaced_is_said_somewhere(key: str) -> None:
    core = "".join(file.read_text() for file in Path(monitor.core.__path__[0]).glob("*.py"))
    assert key in re.sub(r'"\n\s+f?"', "", core)


def test_a_certificate_of_an_unknown_ca_is_told_with_the_option_that_takes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context = authority(tmp_path).server("127.0.0.1")
    state = ArgoCDState()
    state.set_capabilities("admin", "apiKey")
    monkeypatch.setenv("ARGOCD_AUTH_TOKEN", state.mint_key("admin", "k1"))
    with on_a_thread(lambda: running(state, ssl=context)) as url:
        assert run(["check", "--server", url.replace("http://", "https://")]) == 3
    told = capsys.readouterr().out
    assert "`--ca-file`" in told
    assert "tls.caFile" not in told
