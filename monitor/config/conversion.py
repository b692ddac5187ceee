"""What a conversion from another program's values gives, and its text for people.

`render` writes the notes as comments and then the configuration as YAML that our own loader takes as it is.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from monitor.config.yamltext import Writer
from monitor.core.text import printable

_COMMENTS = {
    "svc": "http://SVC[:PORT]ROOTPATH, as the chart reaches it",
    "insecure": "the certificate is not checked; better: caFile: /path/to/argocd-tls.crt",
    "username": "who logs in, and whom the API key must belong to",
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """`config`: plain values for `load.settings_of`. `notes`: what a person should know, one sentence each."""

    config: dict[str, Any]
    notes: tuple[str, ...] = ()


def render(conversion: Conversion) -> str:
    """The YAML text. The loader takes it as it is."""
    lines = ["# Configuration of Token Monitor, made from the values of Codefresh's GitOps Runtime."]
    for note in conversion.notes:
        lines += textwrap.wrap(
            printable(note, 1000), 106, initial_indent="# - ", subsequent_indent="#   ", break_on_hyphens=False
        )
    for key, value in conversion.config.items():
        if key != "targets":
            lines += [f"{key}: {_scalar(value)}"]
    lines.append("targets:")
    for target in conversion.config["targets"]:
        own = list(_mapping(target, 4))
        lines += [f"  - {own[0].lstrip()}", *own[1:]]
        if target["auth"]["type"] == "password":
            lines.append(
                "    # The API key is read from the Secret argocd-token, key token, where the runtime keeps it."
            )
    return "\n".join(lines) + "\n"


def _mapping(values: dict[str, Any], indent: int) -> Iterator[str]:
    margin = " " * indent
    for key, value in values.items():
        comment = f"  # {_COMMENTS[key]}" if key in _COMMENTS else ""
        if isinstance(value, dict):
            yield f"{margin}{key}:{comment}"
            yield from _mapping(value, indent + 2)
        else:
            yield f"{margin}{key}: {_scalar(value)}{comment}"


def _scalar(value: Any) -> str:
    """One value in YAML, on one line, quoted where it must be."""
    text: str = yaml.dump(value, Dumper=Writer, default_flow_style=True, width=10_000, allow_unicode=False)
    return text.removesuffix("...\n").strip()
