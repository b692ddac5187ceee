"""The section of the configuration file that says where further targets are found: objects in Kubernetes, a directory."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from monitor.config import fields
from monitor.config.sections import Finding, Section, Text, several

MAX_NAMESPACES = 500
MAX_SERVERS = 100

NAMESPACE = fields.text(
    fields.NAMESPACE_PATTERN, "a namespace", "write it as in Kubernetes, like team-a", required=True
)
SERVER = fields.text(
    rf"(\*\.)?{fields.HOST_PATTERN}",
    "a host, nor all hosts below a name",
    "write it like argocd.example.com, or *.example.com for all below it",
    required=True,
)


class KubernetesDiscovery(Section):
    """ConfigMaps or Secrets with the label `tokenmonitor.io/target`, each with one target under the key `target.yaml`."""

    namespaces: Annotated[tuple[Annotated[str, NAMESPACE], ...], Field(min_length=1, max_length=MAX_NAMESPACES)]
    """Where to look. Whoever may write such objects there decides what is monitored."""
    kinds: Annotated[
        tuple[Annotated[str, fields.choice("ConfigMap", "Secret", of="kinds")], ...], Field(min_length=1, max_length=2)
    ] = ("ConfigMap",)
    """ConfigMap, Secret, or both. To look for Secrets the monitor must be allowed to read every Secret of the namespace."""
    servers: Annotated[tuple[Annotated[str, SERVER], ...], Field(max_length=MAX_SERVERS)] = ()
    """Hosts that such targets may name; `*.example.com` for all below a name. Any host but the monitor's own machine,
    where nothing is written: then whoever may write such objects can have the Secrets of their namespace sent to a server
    of theirs."""
    allow_rotation: Annotated[bool, fields.TRUTH] = False
    """Also take targets whose key the monitor is to replace (password mode, renew)."""

    @model_validator(mode="after")
    def _each_once(self) -> KubernetesDiscovery:
        findings: list[Finding] = [
            (key, "names one more than once", "keep each once")
            for key, values in (("namespaces", self.namespaces), ("kinds", self.kinds))
            if len(set(values)) < len(values)
        ]
        if findings:
            raise several(findings)
        return self


class Discovery(Section):
    """Further targets, that come and go without a change of this file."""

    kubernetes: KubernetesDiscovery | None = None
    """Labelled objects in the cluster of the section `kubernetes`."""
    directory: Text = None
    """A directory of files NAME.yaml with one target each; trusted like this file."""

    @model_validator(mode="after")
    def _somewhere(self) -> Discovery:
        if self.kubernetes is None and self.directory is None:
            raise fields.refuse("names no place to look at", "add kubernetes or directory")
        return self
