"""Where no credential goes: addresses of metadata services and of this machine, however they are written."""

from __future__ import annotations

import pytest
from monitor.core.addresses import METADATA, is_metadata, is_near

LINK_LOCAL = ("169.254.169.254", "169.254.0.1", "fe80::1")
THIS_MACHINE = ("127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::")
ELSEWHERE = ("10.0.0.1", "100.64.0.1", "8.8.8.8", "fd00::1", "2001:db8::1", "64:ff9b:1::1")


@pytest.mark.parametrize("address", [*LINK_LOCAL, *sorted(map(str, METADATA))])
def test_a_metadata_service_is_one_and_is_near(address: str) -> None:
    assert is_metadata(address)
    assert is_near(address)


@pytest.mark.parametrize("address", THIS_MACHINE)
def test_this_machine_is_near_and_no_metadata_service(address: str) -> None:
    assert is_near(address)
    assert not is_metadata(address)


@pytest.mark.parametrize("address", [*ELSEWHERE, "", "argocd.example.com", "169.254.169.254.", "0xa9fea9fe"])
def test_what_is_elsewhere_or_no_address_at_all_is_neither(address: str) -> None:
    assert not is_metadata(address)
    assert not is_near(address)


@pytest.mark.parametrize("written", ["::ffff:{}", "64:ff9b::{}"], ids=["mapped", "translated by a gateway"])
def test_an_ipv4_address_within_an_ipv6_one_is_judged_as_what_it_leads_to(written: str) -> None:
    for address in ("169.254.169.254", "168.63.129.16"):
        assert is_metadata(written.format(address))
    assert is_near(written.format("127.0.0.1"))
    assert not is_metadata(written.format("127.0.0.1"))
    assert not is_near(written.format("10.0.0.1"))
