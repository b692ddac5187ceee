"""Who answers for a Service: slices as Kubernetes' own controller writes them from pods."""

from __future__ import annotations

from monitor.core.endpoint_slices import SERVICE_LABEL, behind, read_slice
from monitor.simulator.kubernetes.services import Pod, publish
from monitor.simulator.kubernetes.wire import Object

from tests.simulator.kubernetes.stage import NAMESPACE, Desk

A, B = Pod("web-a", "10.0.0.1"), Pod("web-b", "10.0.0.2", ready=False)


def slices(desk: Desk) -> list[Object]:
    return sorted(
        desk.state.all("discovery.k8s.io", "endpointslices", NAMESPACE), key=lambda one: one["metadata"]["name"]
    )


def test_pods_of_one_family_and_port_share_a_slice_with_the_service_s_name_on_it() -> None:
    desk = Desk()
    publish(desk.state, NAMESPACE, "web", [A, B, Pod("web-c", "fd00::1"), Pod("web-d", "10.0.0.4", 9090)])
    found = slices(desk)
    assert [len(one["endpoints"]) for one in found] == [2, 1, 1]
    assert [one["addressType"] for one in found] == ["IPv4", "IPv4", "IPv6"]
    assert {one["metadata"]["labels"][SERVICE_LABEL] for one in found} == {"web"}


def test_what_is_published_next_takes_the_place_of_it_and_of_no_other_service_s() -> None:
    desk = Desk()
    publish(desk.state, NAMESPACE, "other", [A])
    publish(desk.state, NAMESPACE, "web", [A, Pod("web-d", "10.0.0.4", 9090)])
    publish(desk.state, NAMESPACE, "web", [B])
    assert [one["metadata"]["name"] for one in slices(desk)] == ["other-ipv4-8080", "web-ipv4-8080"]
    publish(desk.state, NAMESPACE, "web", [])
    assert [one["metadata"]["name"] for one in slices(desk)] == ["other-ipv4-8080"]


def test_only_those_that_serve_count_for_whoever_reads_them() -> None:
    desk = Desk()
    leaving = Pod("web-c", "10.0.0.3", serving=True, terminating=True)
    publish(desk.state, NAMESPACE, "web", [A, B, leaving])
    read = [one for found in slices(desk) if (one := read_slice(found)) is not None]
    assert [replica.name for replica in behind(read, "http", 80).replicas] == ["web-a"]
