"""Deterministic simulation: the real service on a seeded event loop with virtual time, in a world that misbehaves.

`Daemon` runs as it does in a pod, with its adapters; only the machine under it is another one (`machine`): a clock that
jumps to the next event, chance out of the seed, and a network that is memory (`argocd_way`, `cluster`). Around it: an
Argo CD with lagging replicas, a Kubernetes API, consumers, people and GitOps tools (`people`), faults (`weather`), and
processes that are killed between any two steps (`loop`). What must hold is in `invariants`, checked against the state
of the simulated servers and never against what the monitor says of itself.

`python -m simulation --seeds 200`; how to replay a seed, and to add a fault or an invariant: docs/simulation.md.
"""
