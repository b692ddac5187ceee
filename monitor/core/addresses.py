"""Network addresses to which no credential is sent, whatever name led there.

A name is judged by what it stands for at the moment of connecting: who owns a name may let it stand for something
else afterwards (DNS rebinding). Nothing here resolves or connects.
"""

from __future__ import annotations

import ipaddress

# Metadata services of clouds whose address is not link-local: AWS and Google over IPv6, Azure's WireServer, Alibaba,
# Oracle Classic. Link-local is the rest of them (169.254.169.254), and no Service of Kubernetes can lead there (its API
# refuses such endpoints).
METADATA = frozenset(
    map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "168.63.129.16", "100.100.100.200", "192.0.0.192"))
)
# IPv6 addresses that a gateway translates into the IPv4 address of their last 32 bits (RFC 6052).
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def is_metadata(address: str) -> bool:
    """Whether an IP address is link-local (the metadata service of a cloud is), or of a metadata service elsewhere."""
    found = _parsed(address)
    return found is not None and (found.is_link_local or found in METADATA)


def is_near(address: str) -> bool:
    """Whether an IP address is this machine itself, or the machine that it runs on: loopback, unspecified, link-local."""
    found = _parsed(address)
    return found is not None and (found.is_loopback or found.is_unspecified or found.is_link_local or found in METADATA)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that packets go to; None for what is none."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    if not isinstance(found, ipaddress.IPv6Address):
        return found
    if found in _TRANSLATED:
        return ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found
