"""Where an Argo CD API server is: from Codefresh's `svc`, `port` and `rootpath`, or from a URL.

A service address is always plain http, and port 80 is left out, as in Codefresh's chart (`argocd.server.url`).
Only text in, values out: nothing is resolved or connected to.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from monitor.config.problems import shown

DEFAULT_PORTS = {"http": 80, "https": 443}
MAX_URL = 2048
_LABEL = r"[a-z0-9](?:[-a-z0-9_]{0,61}[a-z0-9])?"
HOST_PATTERN = rf"{_LABEL}(?:\.{_LABEL})*\.?"
ROOTPATH_PATTERN = r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*"
_HOST = re.compile(HOST_PATTERN)
_ROOTPATH = re.compile(ROOTPATH_PATTERN)


class AddressError(ValueError):
    """An address that cannot be used: what is wrong and what to write instead."""

    def __init__(self, what: str, instead: str) -> None:
        self.what = what
        self.instead = instead
        super().__init__(what, instead)


@dataclass(frozen=True, slots=True)
class Address:
    """One Argo CD API server. `rootpath` is empty or starts with a slash and does not end with one."""

    scheme: str
    host: str
    port: int
    rootpath: str = ""

    @property
    def origin(self) -> str:
        """`https://argocd.example.com`, with the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def url(self) -> str:
        """The base of every request; a path such as `/api/version` is put behind it."""
        return f"{self.origin}{self.rootpath}"

    @property
    def is_loopback(self) -> bool:
        """Whether requests stay on this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_cluster_internal(self) -> bool:
        """Whether the name can only be that of a Kubernetes Service (`argo-cd-server`, `x.ns.svc`, `….cluster.local`)."""
        host = self.host.rstrip(".")
        labels = host.split(".")
        return (len(labels) == 1 and ":" not in host) or labels[2:3] == ["svc"] or host.endswith(".cluster.local")

    @property
    def in_the_open(self) -> str:
        """How what is sent there can be read on its way, and what to write instead; "" where it cannot."""
        if self.scheme == "https" or self.is_loopback or self.is_cluster_internal:
            return ""
        return (
            f"travels to {self.host} without encryption; use https://, or write a Service as NAME.NAMESPACE.svc, which"
            " can be nothing else"
        )


@dataclass(frozen=True, slots=True)
class ServiceName:
    """A Service of Kubernetes. namespace: None where the address names none."""

    name: str
    namespace: str | None = None


def service_of(svc: str | None, url: str | None) -> ServiceName | None:
    """The Service that an address (one of the two) leads to; None where it is none, or none by its looks."""
    if svc is not None:
        labels = svc.rstrip(".").split(".")
        return ServiceName(labels[0], labels[1] if len(labels) > 1 else None)
    if url is None:
        return None
    try:
        found = of_url(url)
    except AddressError:
        return None
    labels = found.host.rstrip(".").split(".")
    if not found.is_cluster_internal or found.is_loopback or len(labels) == 2:
        return None
    return ServiceName(labels[0], labels[1] if len(labels) > 1 else None)


def of_service(svc: str, port: int = 80, rootpath: str = "") -> Address:
    """The address of a Service, as Codefresh's chart builds it."""
    return Address("http", service_name(svc), port, normal_rootpath(rootpath))


def service_name(svc: str) -> str:
    """Checks the name of a Service, alone or with its namespace (`argocd-server.argocd`)."""
    if len(svc) > 253 or not _HOST.fullmatch(svc):
        if "/" in svc or ":" in svc:
            raise AddressError(
                f"{shown(svc)} is not the name of a Service", "write an address as url, or the port as server.port"
            )
        raise AddressError(
            f"{shown(svc)} is not the name of a Service",
            "write it as in Kubernetes: lower-case letters, digits, - and .",
        )
    return svc.rstrip(".")


def normal_rootpath(text: str) -> str:
    """`argocd`, `/argocd/` -> `/argocd`; empty and `/` -> empty."""
    path = text.strip("/")
    if not path:
        return ""
    if not _ROOTPATH.fullmatch(path) or len(path) > MAX_URL:
        raise AddressError(f"{shown(text)} is not a path", "write it like /argocd, without ?, # or spaces")
    if any(part in {"", ".", ".."} for part in path.split("/")):
        raise AddressError(f"{shown(text)} has an empty, . or .. step", "write the path as it is, like /argocd")
    return f"/{path}"


def of_url(url: str) -> Address:
    """The address that a URL gives; its path is the root path of Argo CD."""
    if len(url) > MAX_URL:
        raise AddressError(
            f"is longer than {MAX_URL} characters", "write only the address, like https://argocd.example.com"
        )
    if not (url.isascii() and url.isprintable()) or " " in url:
        # urlsplit would drop tabs and line breaks without a word.
        raise AddressError(
            "holds a space, a line break or a letter outside ASCII",
            "write only the address, like https://argocd.example.com (a name in another script in its xn-- form)",
        )
    scheme, separator, _ = url.partition("://")
    if scheme.lower() not in DEFAULT_PORTS or not separator:
        given = f"{scheme.lower()}: " if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,15}", scheme) else ""
        raise AddressError(
            f"{given}is not http:// or https://".strip() if given else "does not start with http:// or https://",
            "write it like https://argocd.example.com",
        )
    return _of_parts(url)


def _of_parts(url: str) -> Address:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise AddressError("is not a URL", "write it like https://argocd.example.com") from None
    if "@" in parts.netloc:
        raise AddressError("holds a user name or a password", "leave it out: credentials belong to auth")
    if parts.query or "?" in url:
        raise AddressError("has a query (?...)", "leave it out: write the address only")
    if parts.fragment or "#" in url:
        raise AddressError("has a fragment (#...)", "leave it out: write the address only")
    if not host:
        raise AddressError("has no host", "write it like https://argocd.example.com")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        raise AddressError("has a port that is not 1 to 65535", "write it like https://argocd.example.com:8443")
    return Address(
        parts.scheme, _host(host, bracketed="[" in parts.netloc), port or DEFAULT_PORTS[parts.scheme], _path(parts.path)
    )


def _path(path: str) -> str:
    try:
        return normal_rootpath(path)
    except AddressError:
        raise AddressError(
            "has a path with an empty, . or .. step, or with characters that do not belong there",
            "write it like https://example.com/argocd",
        ) from None


def _host(host: str, *, bracketed: bool) -> str:
    if bracketed:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise AddressError(
                "has brackets around what is not an IPv6 address", "write it like https://[fd00::1]"
            ) from None
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise AddressError(f"{shown(host)} is not the name of a host", "write it like https://argocd.example.com")
    return host.rstrip(".")
