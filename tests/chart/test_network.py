"""The NetworkPolicy admits what the monitor needs, each by name, and no more.

The policies are read as a network plug-in does: by the labels of pods and namespaces and by the ports of pods.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.chart.objects import of_kind, one, pod_template
from tests.chart.scenarios import EVERYTHING, SCENARIOS
from tests.chart.tools import NAMESPACE, Object, Values, render

ON = {"networkPolicy": {"enabled": True}}
TOKEN = {"type": "token", "tokenSecretKeyRef": {"name": "t", "key": "token"}}
FILE = {"type": "token", "tokenFile": "/t"}
ARGOCD = {"app.kubernetes.io/name": "argocd-server"}


class Peer:
    """A pod, or an address outside of the cluster."""

    def __init__(self, namespace: str = "", labels: dict[str, str] | None = None, address: str = "192.0.2.1") -> None:
        self.namespace, self.labels, self.address = namespace, labels or {}, address


DNS = Peer("kube-system", {"k8s-app": "kube-dns"})
ELSEWHERE = Peer()


def admits(policy: Object, direction: str, peer: Peer, port: int | str, protocol: str = "TCP") -> bool:
    """Whether a policy lets this through."""
    sides = {"egress": "to", "ingress": "from"}
    return any(
        _has_port(rule.get("ports"), port, protocol) and _has_peer(rule.get(sides[direction]), peer)
        for rule in policy["spec"][direction]
    )


def _has_port(ports: list[Object] | None, port: int | str, protocol: str) -> bool:
    return ports is None or any(found["port"] == port and found["protocol"] == protocol for found in ports)


def _has_peer(peers: list[Object] | None, peer: Peer) -> bool:
    if not peers:
        return True
    for found in peers:
        if "ipBlock" in found:
            if not peer.namespace and ip_address(peer.address) in ip_network(found["ipBlock"]["cidr"]):
                return True
            continue
        namespaces = found.get("namespaceSelector")
        if namespaces is None:
            fits = peer.namespace == NAMESPACE
        else:
            named = namespaces.get("matchLabels", {})
            fits = bool(peer.namespace) and named.items() <= {"kubernetes.io/metadata.name": peer.namespace}.items()
        if fits and found.get("podSelector", {}).get("matchLabels", {}).items() <= peer.labels.items():
            return True
    return False


def policy(*targets: Values, **more: Any) -> Object:
    """The policy for these targets."""
    given = [{"name": f"t{index}", **target} for index, target in enumerate(targets)]
    return one(render({**ON, "targets": given, **more}), "NetworkPolicy")


def reached(found: Object, peer: Peer) -> set[tuple[int | str, str]]:
    """The ports of a peer to which it admits."""
    ports = {port["port"] for rule in found["spec"]["egress"] for port in rule.get("ports", ())}
    tried = ((port, protocol) for port in ports | {22, 80, 8443} for protocol in ("TCP", "UDP"))
    return {(port, protocol) for port, protocol in tried if admits(found, "egress", peer, port, protocol)}


def test_there_is_none_unless_it_is_wanted() -> None:
    assert of_kind(render(None, SCENARIOS["token"]), "NetworkPolicy") == []


def test_it_holds_for_the_monitor_and_for_the_test_and_in_both_directions() -> None:
    objects = render(ON, SCENARIOS["token"])
    found = one(objects, "NetworkPolicy")
    assert found["spec"]["policyTypes"] == ["Ingress", "Egress"]
    selector = found["spec"]["podSelector"]["matchLabels"]
    for labels in (pod_template(objects)["metadata"]["labels"], one(objects, "Pod")["metadata"]["labels"]):
        assert selector.items() <= labels.items()


def test_a_service_of_the_cluster_is_reached_in_its_namespace_by_the_labels_and_the_port_of_its_pods() -> None:
    found = policy({"server": {"svc": "argocd-server.argocd", "port": 80}, "auth": TOKEN})
    assert reached(found, Peer("argocd", ARGOCD)) == {(8080, "TCP"), (443, "TCP"), (6443, "TCP")}
    assert (8080, "TCP") not in reached(found, Peer("argocd", {"app.kubernetes.io/name": "argocd-repo-server"}))
    assert (8080, "TCP") not in reached(found, Peer("other", ARGOCD))
    assert (8080, "TCP") not in reached(found, ELSEWHERE)


@pytest.mark.parametrize(
    ("target", "namespace"),
    [
        ({"server": {"svc": "argocd-server"}}, NAMESPACE),
        ({"server": {"svc": "argocd-server.argocd"}}, "argocd"),
        ({"server": {"svc": "argocd-server.argocd.svc"}}, "argocd"),
        ({"url": "https://argo-cd-server"}, NAMESPACE),
        ({"url": "https://argocd-server.argocd.svc:8443/path"}, "argocd"),
        ({"server": {"url": "http://argocd-server.argocd.svc.cluster.local"}}, "argocd"),
        ({"url": "https://ArgoCD-Server.argocd.SVC."}, "argocd"),
        ({"url": "http://argocd-server-0.argocd-server.argocd.svc.cluster.local"}, "argocd"),
    ],
)
def test_every_way_to_name_a_service_leads_to_its_namespace(target: Values, namespace: str) -> None:
    found = policy({**target, "auth": FILE})
    assert reached(found, Peer(namespace, ARGOCD)) == {(8080, "TCP")}
    assert reached(found, ELSEWHERE) == set()


@pytest.mark.parametrize("url", ["http://argocd-server.argocd", "http://argocd-server.argocd.", "http://a.argocd/path"])
def test_two_labels_are_a_service_with_its_namespace_and_may_be_a_domain(url: str) -> None:
    found = policy({"url": url, "auth": FILE})
    assert (8080, "TCP") in reached(found, Peer("argocd", ARGOCD))
    assert (8080, "TCP") not in reached(found, Peer("other", ARGOCD))
    assert reached(found, ELSEWHERE) == {(80, "TCP")}


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://argocd.example.com", 443),
        ("http://argocd.example.com/argocd", 80),
        ("https://argocd.example.com:8443", 8443),
        ("https://[2001:db8::1]:9443/x", 9443),
        ("https://[2001:db8::1]", 443),
        ("https://192.0.2.1", 443),
    ],
)
def test_an_address_outside_is_reached_on_its_port_and_on_no_other(url: str, port: int) -> None:
    assert reached(policy({"url": url, "auth": FILE}), ELSEWHERE) == {(port, "TCP")}


def test_without_targets_outside_nothing_outside_is_reached_but_the_kubernetes_api() -> None:
    found = policy({"server": {"svc": "a"}, "auth": TOKEN})
    assert reached(found, ELSEWHERE) == {(443, "TCP"), (6443, "TCP")}
    assert reached(policy({"server": {"svc": "a"}, "auth": FILE}), ELSEWHERE) == set()


def test_names_are_looked_up_in_kube_system_and_nowhere_else() -> None:
    found = policy({"server": {"svc": "a"}, "auth": FILE})
    assert reached(found, DNS) == {(53, "UDP"), (53, "TCP")}
    assert reached(found, Peer("other", DNS.labels)) == set()


def test_whom_the_monitor_tells_is_reached() -> None:
    alertmanager = {"urls": ["http://alertmanager-operated.monitoring.svc:9093", "https://am.example.com:9443"]}
    found = policy(
        {"server": {"svc": "a"}, "auth": FILE},
        config={"alertmanager": alertmanager, "heartbeat": {"url": "https://uptime.example.com:7443/ping"}},
    )
    assert reached(found, Peer("monitoring")) == {(9093, "TCP")} | reached(found, ELSEWHERE)
    assert reached(found, ELSEWHERE) == {(9443, "TCP"), (7443, "TCP")}
    # One pod of a headless Service, and a Service by two labels.
    for host in ("alertmanager-0.alertmanager-operated.monitoring.svc", "alertmanager-operated.monitoring"):
        found = policy(
            {"server": {"svc": "a"}, "auth": FILE}, config={"alertmanager": {"urls": [f"http://{host}:9093"]}}
        )
        assert (9093, "TCP") in reached(found, Peer("monitoring"))
    # The address is in a file: it is taken to be https.
    found = policy({"server": {"svc": "a"}, "auth": FILE}, config={"heartbeat": {"urlFile": "/x"}})
    assert reached(found, ELSEWHERE) == {(443, "TCP")}


def test_only_the_pages_are_reached_from_elsewhere() -> None:
    found = policy({"server": {"svc": "a"}, "auth": FILE})
    assert admits(found, "ingress", Peer("monitoring"), "http")
    assert not admits(found, "ingress", Peer("monitoring"), 22)
    ports = [port for rule in found["spec"]["ingress"] for port in rule["ports"]]
    assert ports == [{"port": "http", "protocol": "TCP"}], "by its name, whatever its number"


def test_peers_of_ones_own_narrow_it() -> None:
    found = one(render(None, EVERYTHING), "NetworkPolicy")
    assert admits(found, "ingress", Peer("monitoring"), "http")
    assert not admits(found, "ingress", Peer("other"), "http")
    assert admits(found, "egress", Peer(address="198.51.100.7"), 8443)
    assert not admits(found, "egress", Peer(address="203.0.113.7"), 8443)
    assert admits(found, "egress", Peer(address="192.0.2.7"), 6443)
    assert not admits(found, "egress", Peer(address="198.51.100.7"), 6443)
    # The rules of one's own.
    assert admits(found, "ingress", Peer(NAMESPACE), 1234)
    assert admits(found, "egress", Peer(NAMESPACE), 1234)


def test_replicas_that_share_the_targets_reach_each_other_and_say_where_they_are() -> None:
    objects = render(None, SCENARIOS["shards"])
    found, template = one(objects, "NetworkPolicy"), pod_template(objects)
    replica = Peer(NAMESPACE, template["metadata"]["labels"])
    for direction in ("ingress", "egress"):
        assert admits(found, direction, replica, "http")
        assert not admits(found, direction, Peer(NAMESPACE, {"app": "another"}), "http")
    assert admits(found, "ingress", Peer("monitoring"), "http")
    assert not admits(found, "ingress", Peer("other"), "http")
    (container,) = template["spec"]["containers"]
    assert {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}} in container["env"]
    names = {lease["metadata"]["name"] for lease in of_kind(objects, "Lease")}
    assert names == {f"{template['spec']['serviceAccountName']}-shard-{number}" for number in range(4)}


def test_without_shards_nothing_of_them_is_there() -> None:
    objects = render(None, SCENARIOS["password"])
    (container,) = pod_template(objects)["spec"]["containers"]
    assert "POD_IP" not in {variable["name"] for variable in container["env"]}
    assert not [lease for lease in of_kind(objects, "Lease") if "shard" in lease["metadata"]["name"]]
