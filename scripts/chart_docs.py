"""Makes the chart's README.md: what people do with it, and a table of every value with the description of its comment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from scripts.chart_values import Entry

NOTE = "<!-- Made by `make chart` from values.yaml and scripts/chart_docs.py; changes here are lost. -->"
INTRODUCTION = """\
# Token Monitor

Tests the credential with which other systems talk to Argo CD, says why it is refused, and replaces it safely.
Kubernetes 1.25 or newer, Helm 3 or 4.

## Beside Codefresh's GitOps Runtime

Give it the values that the runtime was installed with, and its namespace:

```sh
helm get values codefresh-gitops-runtime -n codefresh -o yaml > runtime-values.yaml
helm install token-monitor charts/token-monitor -n codefresh -f runtime-values.yaml
helm test token-monitor -n codefresh --logs
```

The chart reads there how the runtime reaches Argo CD and with which credential (`global.integrations.argo-cd.server`, the
older `global.external-argo-cd` and `global.external-arg-cd`, and `argo-cd` for the one that the runtime brings), and
nothing else. Details: `docs/install-codefresh.md`.

## Beside an Argo CD of your own

```yaml
# values.yaml
targets:
  - name: production
    server: {svc: argocd-server.argocd.svc}
    auth:
      type: token
      tokenSecretKeyRef: {name: argocd-token, key: token}
```

Details, with the account and the RBAC that it needs in Argo CD: `docs/install-argocd.md`.

## What it may do

One Role in each namespace where something is read or written, and nothing in the whole cluster.

| what | verbs | when |
|---|---|---|
| the Secret of the token, by name | get, list, watch | it is in a Secret |
| the same | patch | its key is replaced |
| the Secret of the password, by name | get, list, watch | its key is replaced by logging in |
| the journal `token-monitor-journal-TARGET`, by name | get, patch | its key is replaced |
| the Lease, by name | get, update | a key is replaced, or there are several replicas; `create` on Leases with `lease.create: false` |
| Events | create, patch | a token is in a Secret; not with `config.kubernetes.events: false` |
| Pods; Deployments and the like | list; get or list | the target has `consumers` |
| the workloads of `consumers`, by name where they have one | patch | `consumers.restartConsumers: true` |
| ConfigMap `argocd-cm` and Secret `argocd-secret` of Argo CD, by name | list, watch (of the Secret only the metadata) | the target has `watchArgoCD` |
| EndpointSlices of any name in the namespace of Argo CD's Service (their names are made by Kubernetes) | list, watch | the target has `everyReplica` |
| ConfigMaps or Secrets of any name in the namespaces of `config.discovery.kubernetes` | list, watch | it is there |
| Secrets of any name | create | `rbac.allowCreate: true` |

`list` and `watch` of one Secret work with its name because the monitor asks with a field selector on it. `kubectl exec` into
the pod and run `token-monitor doctor` to see what is allowed and what lacks.

## Values
"""


def readme(found: Iterable[Entry]) -> str:
    """The text of README.md."""
    return "\n".join((NOTE, INTRODUCTION, *_tables(found))) + "\n"


def _tables(found: Iterable[Entry]) -> Iterator[str]:
    for section, group in groupby(found, key=lambda entry: entry.section):
        yield from (f"### {section}", "", "| key | default | |", "|---|---|---|")
        for entry in group:
            yield f"| `{entry.name}` | {_default(entry.default)} | {entry.description.replace('|', chr(92) + '|')} |"
        yield ""


def _default(value: Any) -> str:
    if value in ("", None):
        return ""
    if isinstance(value, str):
        return f"`{value}`"
    return f"`{json.dumps(value)}`".replace("|", "\\|")
