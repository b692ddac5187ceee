"""The pods behind a Service, as its EndpointSlices tell them: who serves, on which port, and each of them once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.core.endpoint_slices import MAX_REPLICAS, Behind, Replica, Slice, behind, read_slice


def endpoint(name: str, address: str, uid: str = "", **conditions: bool | None) -> dict[str, Any]:
    return {
        "addresses": [address],
        "conditions": conditions,
        "targetRef": {"kind": "Pod", "name": name, "uid": uid or f"uid-{name}"},
    }


def port(name: str, number: object = 8080, protocol: str = "TCP") -> dict[str, Any]:
    return {"name": name, "port": number, "protocol": protocol}


BOTH = (port("http"), port("https"))


def slice_of(*endpoints: dict[str, Any], ports: tuple[dict[str, Any], ...] = BOTH) -> Slice | None:
    return read_slice({"endpoints": list(endpoints), "ports": list(ports)})


def found(*slices: Slice | None, scheme: str = "http", number: int = 80) -> Behind:
    return behind([one for one in slices if one is not None], scheme, number)


def test_a_pod_that_serves_is_a_replica_with_its_name_address_and_port() -> None:
    assert found(slice_of(endpoint("a", "10.0.0.1", ready=True))).replicas == (Replica("a", "10.0.0.1", 8080),)


@pytest.mark.parametrize(
    ("conditions", "serves"),
    [
        ({"ready": True, "serving": True, "terminating": False}, True),
        ({}, True),
        ({"ready": None}, True),
        ({"ready": False}, False),
        ({"ready": True, "serving": False}, False),
        ({"ready": False, "serving": True, "terminating": True}, False),
        ({"ready": True, "serving": True, "terminating": True}, False),
    ],
)
def test_only_who_is_ready_and_not_on_the_way_out_is_asked(conditions: dict[str, bool | None], serves: bool) -> None:
    assert found(slice_of(endpoint("a", "10.0.0.1", **conditions))).total == serves


def test_a_pod_with_an_address_of_each_family_is_one_replica_by_ipv4() -> None:
    six, four = slice_of(endpoint("a", "fd00::1")), slice_of(endpoint("a", "10.0.0.1"))
    assert found(six, four).replicas == found(four, six).replicas == (Replica("a", "10.0.0.1", 8080),)
    assert [replica.host for replica in found(six).replicas] == ["[fd00::1]:8080"]


def test_a_pod_in_two_slices_is_one_replica() -> None:
    assert found(slice_of(endpoint("a", "10.0.0.1")), slice_of(endpoint("a", "10.0.0.1"))).total == 1


def test_a_pod_that_was_made_anew_under_its_name_is_another_one() -> None:
    assert found(slice_of(endpoint("a", "10.0.0.1", "one"), endpoint("a", "10.0.0.2", "two"))).total == 2


def test_an_endpoint_without_a_pod_is_known_by_its_address() -> None:
    assert found(slice_of({"addresses": ["10.0.0.1"]})).replicas == (Replica("", "10.0.0.1", 8080),)
    assert str(Replica("", "10.0.0.1", 8080)) == "10.0.0.1"
    assert found(slice_of({"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]})).total == 2


@pytest.mark.parametrize("uid", [{}, {"uid": ""}, {"uid": None}, {"uid": 7}])
def test_a_pod_without_a_uid_is_known_by_its_name(uid: dict[str, object]) -> None:
    def of(name: str, address: str) -> Slice | None:
        return slice_of({"addresses": [address], "targetRef": {"kind": "Pod", "name": name, **uid}})

    assert found(of("a", "10.0.0.1"), of("b", "10.0.0.2"), of("a", "fd00::1")).total == 2


@pytest.mark.parametrize("address", ["argocd.example.com", "", "10.0.0.1/8", "fe80::1%eth0", "10.0.0.1:80"])
def test_what_is_no_address_is_nobody(address: str) -> None:
    assert slice_of(endpoint("a", address)) is None


@pytest.mark.parametrize(
    ("ports", "scheme", "number", "chosen"),
    [
        ((port("http"), port("https")), "https", 443, 8080),
        ((port(""),), "http", 80, 8080),
        ((port("http", 8080), port("https", 8443)), "https", 443, 8443),
        ((port("http", 8080), port("metrics", 8083)), "http", 80, 8080),
        ((port("web", 80), port("metrics", 8083)), "http", 80, 80),
        ((port("web", 8080), port("metrics", 8083)), "http", 80, None),
        ((port("http", 8080), port("http-quic", 8443, "UDP")), "http", 80, 8080),
        ((port("http", 8443, "UDP"), port("http", 8080)), "http", 80, 8080),
    ],
)
def test_the_port_is_the_one_that_the_service_s_port_leads_to(
    ports: tuple[dict[str, Any], ...], scheme: str, number: int, chosen: int | None
) -> None:
    seen = found(slice_of(endpoint("a", "10.0.0.1"), ports=ports), scheme=scheme, number=number)
    assert [replica.port for replica in seen.replicas] == ([] if chosen is None else [chosen])
    assert bool(seen.problem) == (chosen is None)


def test_a_port_that_cannot_be_told_says_what_to_do() -> None:
    ports = (port("web", 8080), port("metrics", 8083))
    assert found(slice_of(endpoint("a", "10.0.0.1"), ports=ports)).problem == (
        "which port of its pods port 80 leads to cannot be told: web (8080), metrics (8083); name the Service's port http"
    )


@pytest.mark.parametrize("number", [0, 65536, True, "8080", None, 80.0])
def test_what_is_no_port_is_none(number: object) -> None:
    assert slice_of(endpoint("a", "10.0.0.1"), ports=(port("http", number),)) is None


def test_the_first_by_name_are_asked_where_there_are_too_many() -> None:
    many = [
        slice_of(*(endpoint(f"p-{n:03}", f"10.0.{n // 256}.{n % 256}") for n in range(at, at + 50))) for at in (50, 0)
    ]
    seen = found(*many)
    assert (len(seen.replicas), seen.total) == (MAX_REPLICAS, 100)
    assert seen.replicas[0].name == "p-000"


JUNK = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", "10.0.0.1", "http", [], [None], ["10.0.0.1"], {}, {"kind": "Pod"}]
)
PARTS = ("addresses", "conditions", "targetRef", "name", "port", "protocol", "kind", "uid", "ready")
ITEMS = st.lists(st.dictionaries(st.sampled_from(PARTS), JUNK, max_size=4) | JUNK, max_size=3) | JUNK


@given(st.fixed_dictionaries({"endpoints": ITEMS, "ports": ITEMS}))
def test_any_object_is_read_without_an_error(found_object: dict[str, Any]) -> None:
    seen = read_slice(found_object)
    assert seen is None or behind([seen], "http", 80).total > 0
