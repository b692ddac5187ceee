"""A simulated Kubernetes API server: the part that holds Secrets, Leases, Events, pods and their workloads.

It answers as the source of Kubernetes reads and as a real API server does (`tests/contract/kubernetes`). Pure state
and answers come first; `api` puts them behind the protocol of `monitor.cluster` without a socket, `app` behind HTTP:

    from monitor.simulator.kubernetes import kubectl
    from monitor.simulator.kubernetes.access import Rule, service_account
    from monitor.simulator.kubernetes.api import SimulatedKubernetes
    from monitor.simulator.kubernetes.state import ClusterState

    state = ClusterState(clock, seed=1)
    kubectl.put_secret(state, "argocd", "argocd-token", {"token": "abc"})
    monitor = service_account("argocd", "token-monitor")
    state.access.restrict(monitor, Rule("get,watch", "secrets", names=("argocd-token",)))
    api = SimulatedKubernetes(state, monitor, clock, namespace="argocd")
    state.faults.lose_answers("update", times=1)     # ... and the next PUT happens, and nobody is told
    state.compact()                                  # ... and old versions are gone (410)

Not simulated: server-side apply, deletecollection, discovery, admission, namespaces as objects (each one exists),
schemas (unknown fields are kept), the scheduler. Controllers run when `controllers` is told to.
"""
