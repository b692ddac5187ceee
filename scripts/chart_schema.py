"""Makes the chart's `values.schema.json`, by which helm refuses unknown keys and wrong values.

Types and keys come from `values.yaml` and its comments (`chart_values`), targets and configuration from the model that
reads them (`monitor.config.schema`). Helm reads draft 7 in every version, and its patterns are Go's: what they have no
words for is said by other means here.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from monitor.config.schema import json_schema
from monitor.core.alerts import AlertName

from scripts.chart_values import Entry

Schema = dict[str, Any]

# Top-level keys of the values of Codefresh's GitOps Runtime (codefresh-io/gitops-runtime-helm,
# charts/gitops-runtime/values.yaml, its history to 2026-08), so that its file can be given as it is.
RUNTIME_KEYS = (
    "anchors",
    "app-proxy",
    "argo-cd",
    "argo-events",
    "argo-gateway",
    "argo-rollouts",
    "argo-workflows",
    "cf-argocd-extras",
    "codefresh-tunnel-client",
    "codefreshWorkflowLogStoreCM",
    "event-reporters",
    "garage-workflows-artifact-storage",
    "gitops-operator",
    "installer",
    "internal-router",
    "leader-elector",
    "redis",
    "redis-ha",
    "redis-secret-init",
    "sealed-secrets",
    "tunnel-client",
)
# What `helm get values` writes above them without `-o yaml`.
HEADINGS = ("USER-SUPPLIED VALUES", "COMPUTED VALUES")
NAMESPACE = "^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"
NAMED: dict[str, Schema] = {
    "namespace": {"pattern": NAMESPACE},
    "tag": {"pattern": "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$"},
    "digest": {"pattern": "^(sha256:[0-9a-f]{64})?$"},
    "duration": {"pattern": "^([0-9]+(ms|s|m|h))*$"},
    "threshold": {"pattern": "^[0-9]+[smhd]$"},
}
ITEMS: dict[str, Schema] = {
    "anything": {"type": ["object", "string"]},
    "mount": {"type": "object", "required": ["name", "mountPath"]},
    "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"},
    "object": {"type": "object"},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "string": {"type": "string"},
}
REFERENCE = "#/definitions/"
CONFIGURATION: dict[str, Schema] = {
    "targets": {"type": "array", "items": {"$ref": "#/definitions/Target"}},
    "part of a target": {"$ref": "#/definitions/PartOfTarget"},
    "all but targets": {"$ref": "#/definitions/Configuration"},
}
# What a look ahead asks for, in the words of JSON Schema.
LOOKS_AHEAD: dict[str, Schema] = {
    "(?=.)": {"minLength": 1},
    "(?=.{1,63}$)": {"minLength": 1, "maxLength": 63},
    "(?!__)": {"allOf": [{"not": {"pattern": "^__"}}]},
}
# The pod finds its API by its service account.
NOT_IN_A_POD = ("kubeconfig", "context")


def values_schema(found: list[Entry]) -> str:
    """The text of values.schema.json."""
    definitions = _definitions()
    root: Schema = {"type": "object", "additionalProperties": False, "properties": {}}
    for entry in found:
        _place(root, entry)
    properties = root["properties"]
    properties["global"] = {
        "type": ["object", "null"],
        "description": "Of the runtime's values: how it reaches Argo CD.",
    }
    properties["enabled"] = {"type": "boolean", "description": "For a parent chart's condition; not used here."}
    for key in (*RUNTIME_KEYS, *HEADINGS):
        properties[key] = {"description": "Of the values of Codefresh's GitOps Runtime."}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart Token Monitor",
        "description": "Made by `make chart` from values.yaml and the code; changes here are lost.",
        **root,
        "definitions": {name: definitions[name] for name in sorted(definitions)},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _place(root: Schema, entry: Entry) -> None:
    parent = root
    for key in entry.path[:-1]:
        inner = parent["properties"].setdefault(
            key, {"type": "object", "additionalProperties": False, "properties": {}}
        )
        if "$ref" in inner:
            return  # described for people only: the model says what it takes
        parent = inner
    schema = _of_entry(entry)
    # Beside a reference draft 7 reads nothing else.
    parent["properties"][entry.path[-1]] = schema if "$ref" in schema else {**schema, "description": entry.description}


def _of_entry(entry: Entry) -> Schema:
    said = dict(entry.schema)
    if "config" in said:
        return CONFIGURATION[said["config"]]
    if "alerts" in said:
        return {"type": "array", "items": {"enum": [name.value for name in AlertName]}}
    schema: Schema = {} if said.keys() & {"enum", "type"} else {"type": _type_of(entry.default)}
    if "pattern" in said:
        schema |= NAMED[said.pop("pattern")]
    if "items" in said:
        kind = said.pop("items")
        schema["items"] = ITEMS[kind]
        if kind == "name":
            schema["uniqueItems"] = True  # two mounts at one path make no pod
    return schema | said


def _type_of(default: Any) -> str:
    match default:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
    raise TypeError(f"say the type of {default!r} by `# @schema`")


def _definitions() -> dict[str, Schema]:
    model = _translated(copy.deepcopy(json_schema()))
    definitions: dict[str, Schema] = model["definitions"]
    kubernetes = definitions["Kubernetes"]["properties"]
    for key in NOT_IN_A_POD:
        del kubernetes[key]
    sections = {key: value for key, value in model["properties"].items() if key != "targets"}
    definitions["Configuration"] = {"type": "object", "additionalProperties": False, "properties": sections}
    _add_part("Target", definitions)
    return definitions


def _add_part(name: str, definitions: dict[str, Schema]) -> None:
    """Adds `PartOf...`: the same keys, none of them required, and no rule between them: the rest is said elsewhere."""
    part = json.loads(json.dumps(definitions[name]["properties"]).replace(REFERENCE, f"{REFERENCE}PartOf"))
    definitions[f"PartOf{name}"] = {"type": "object", "additionalProperties": False, "properties": part}
    for below in re.findall(rf"{REFERENCE}PartOf(\w+)", json.dumps(part)):
        if f"PartOf{below}" not in definitions:
            _add_part(below, definitions)


def _translated(value: Any) -> Any:
    """Draft 2020-12 as pydantic writes it, in draft 7 with Go's patterns."""
    if isinstance(value, list):
        return [_translated(item) for item in value]
    if not isinstance(value, dict):
        return value
    translated: Schema = {}
    for key, inner in value.items():
        if key == "default" or (key in ("title", "$schema") and isinstance(inner, str)):
            continue
        translated["definitions" if key == "$defs" else key] = _translated(inner)
    if isinstance(reference := translated.get("$ref"), str):
        translated["$ref"] = reference.replace("#/$defs/", REFERENCE)
    if translated.get("writeOnly"):
        translated.pop("pattern", None)  # helm would show what does not match it
    if isinstance(pattern := translated.get("pattern"), str):
        translated |= _for_go(pattern)
    return translated


def _for_go(pattern: str) -> Schema:
    """The pattern without what Go's regular expressions have not, and what says it instead."""
    said: Schema = {}
    # Go repeats 1000 times at most, nested repeats multiplied. Who is past such a bound is told so by the monitor.
    pattern = re.sub(
        r"\{([01]),([0-9]{3,})\}", lambda found: "*+"[int(found[1])] if int(found[2]) > 255 else found[0], pattern
    )
    for look, instead in LOOKS_AHEAD.items():
        if look in pattern:
            pattern = pattern.replace(look, "")
            said |= instead
    if "(?=" in pattern or "(?!" in pattern:
        raise ValueError(f"helm cannot read the pattern {pattern}: say it otherwise in LOOKS_AHEAD")
    return {"pattern": pattern, **said}
