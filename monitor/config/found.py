"""One target that was found outside of the configuration file: its YAML text -> `TargetSettings`, or what is wrong.

The text has what an item of `targets:` has. What it leaves out is as in the configuration file, its name that of the
object or file. A target found in Kubernetes is held to `confinement`, and a Service without a namespace is one of
the object's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from monitor.config import explain, rules, yamltext
from monitor.config.confinement import confined
from monitor.config.load import in_order
from monitor.config.model import Target
from monitor.config.problems import ConfigurationError, Path, Problem, kind, shown
from monitor.config.resolution import resolve_target
from monitor.config.settings import Settings, TargetSettings
from monitor.core.discovery import Found
from monitor.core.text import printable

# A target with everything has 150. More than this many, aliases unfolded, would take long to find fault with.
MAX_VALUES = 500
PROBLEMS_SHOWN = 5
MAX_SHOWN = 1000


def read_target(found: Found, settings: Settings) -> TargetSettings:
    """The target. settings: of the configuration file. Raises `ConfigurationError`, whose words show no credential."""
    if found.text is None:
        what, _, instead = found.problem.partition("; ")
        raise ConfigurationError([Problem("", what, instead)])
    text = found.text.reveal()
    value = _mapping(yamltext.read(text).value)
    findings, resolved = _checked(found, value, settings)
    if resolved is not None and not findings:
        return resolved
    raise ConfigurationError(in_order(findings, yamltext.read(text, lines=True).lines))


def in_words(error: ConfigurationError) -> str:
    """What is wrong, on one line."""
    said = [str(problem).removeprefix("configuration: ") for problem in error.problems[:PROBLEMS_SHOWN]]
    left = len(error.problems) - len(said)
    more = [f"and {left} more problems"] if left else []
    return printable(" · ".join((*said, *more)), MAX_SHOWN)


def _mapping(value: Any) -> dict[str, Any]:
    if _count(value) > MAX_VALUES:
        said = f"holds more than {MAX_VALUES} values"
        raise ConfigurationError([Problem("", said, "write one target, and no aliases (*...)")])
    if isinstance(value, dict):
        return value
    what = "is empty" if value is None else f"must be a mapping, not {kind(value)}"
    raise ConfigurationError([Problem("", what, "write one target: name, server and auth, without a dash before it")])


def _count(value: Any) -> int:
    """How many values there are; stops where there are too many."""
    waiting, seen = [value], 0
    while waiting and seen <= MAX_VALUES:
        one = waiting.pop()
        seen += 1
        if isinstance(one, dict | list):
            waiting.extend(one.values() if isinstance(one, dict) else one)
    return seen


def _checked(
    found: Found, value: dict[str, Any], settings: Settings
) -> tuple[list[explain.Finding], TargetSettings | None]:
    findings = list(_named(found, value))
    if found.origin.namespace:
        value = _in_its_namespace(value, found.origin.namespace)
        settings = replace(settings, kubernetes=replace(settings.kubernetes, namespace=found.origin.namespace))
    findings += _between_keys(value, settings)
    try:
        target = Target.model_validate(value)
    except ValidationError as error:
        return [*findings, *explain.findings(error, Target)], None
    if findings:
        return findings, None
    resolved = resolve_target(target, settings)
    allowed = settings.discovery.kubernetes if settings.discovery is not None else None
    if found.origin.namespace and allowed is not None:
        findings += confined(target, resolved, found.origin.namespace, allowed, settings)
        resolved = replace(resolved, kept_away=resolved.address.host not in allowed.servers)
    return findings, resolved


def _named(found: Found, value: dict[str, Any]) -> Iterator[explain.Finding]:
    """Gives the target its name, where it has none."""
    given = value.get("name")
    if given in (None, ""):
        value["name"] = found.name
    elif found.binding and given != found.name:
        said = f"is not {shown(found.name)}, which the label of its object says"
        yield ("name",), said, "leave it out, or correct the label"


def _in_its_namespace(value: dict[str, Any], namespace: str) -> dict[str, Any]:
    server = value.get("server")
    svc = server.get("svc") if isinstance(server, dict) else None
    if not isinstance(server, dict) or not isinstance(svc, str) or not svc or "." in svc:
        return value
    return {**value, "server": {**server, "svc": f"{svc}.{namespace}.svc"}}


def _between_keys(value: dict[str, Any], settings: Settings) -> Iterator[explain.Finding]:
    """The rules of the configuration file, with paths that begin at the target."""
    around = {"interval": settings.interval, "targets": [value]}
    for path, what, instead in rules.between_keys(around):
        yield _below_the_target(path), what, instead


def _below_the_target(path: Path) -> Path:
    return path[2:] if path[:2] == ("targets", 0) else path
