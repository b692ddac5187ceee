"""Addresses: those of Services as Codefresh builds them, and URLs that cannot be turned against the token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitor.config.address import AddressError, of_service, of_url


@pytest.mark.parametrize(
    ("svc", "port", "rootpath", "url"),
    [
        ("argo-cd-server", 80, "", "http://argo-cd-server"),
        ("argo-cd-server", 8080, "", "http://argo-cd-server:8080"),
        ("argo-cd-server", 443, "", "http://argo-cd-server:443"),
        ("argo-cd-server", 80, "/argocd", "http://argo-cd-server/argocd"),
        ("argo-cd-server", 80, "argocd", "http://argo-cd-server/argocd"),
        ("argo-cd-server", 81, "/argocd/", "http://argo-cd-server:81/argocd"),
        ("argo-cd-server", 80, "/", "http://argo-cd-server"),
        ("argocd-server.argocd", 80, "/a/b", "http://argocd-server.argocd/a/b"),
    ],
)
def test_a_service_is_reached_over_plain_http(svc: str, port: int, rootpath: str, url: str) -> None:
    assert of_service(svc, port, rootpath).url == url


@pytest.mark.parametrize(
    ("given_url", "url"),
    [
        ("https://argocd.example.com", "https://argocd.example.com"),
        ("https://argocd.example.com/", "https://argocd.example.com"),
        ("HTTPS://ArgoCD.Example.com:443/argocd/", "https://argocd.example.com/argocd"),
        ("http://argocd.example.com:8080", "http://argocd.example.com:8080"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("https://[FD00::0001]:8443/x", "https://[fd00::1]:8443/x"),
    ],
)
def test_a_url_is_brought_into_one_form(given_url: str, url: str) -> None:
    assert of_url(given_url).url == url


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("http://argo-cd-server", True),
        ("http://argocd.argocd.svc", True),
        ("http://argocd.argocd.svc.cluster.local", True),
        ("http://argocd.example.com", False),
        ("http://svc.example.com", False),
        ("http://[fd00::1]", False),
        ("http://10.0.0.1", False),
    ],
)
def test_only_a_service_s_name_counts_as_inside_the_cluster(url: str, inside: bool) -> None:
    assert of_url(url).is_cluster_internal is inside


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost", True),
        ("http://127.9.9.9", True),
        ("http://[::1]", True),
        ("http://localhost.evil.com", False),
    ],
)
def test_loopback_is_told_from_what_looks_like_it(url: str, loopback: bool) -> None:
    assert of_url(url).is_loopback is loopback


@given(st.text(max_size=60) | st.text("htps:/.@?#[]%\\\t\n a1", max_size=40).map("https://".__add__))
def test_any_text_is_an_address_in_one_form_or_refused(text: str) -> None:
    address = refusal = None
    try:
        address = of_url(text)
    except AddressError as error:
        refusal = error
    if address is None:
        assert refusal is not None
        assert refusal.what and refusal.instead  # noqa: PT018 - both parts of one message
        return
    assert of_url(address.url) == address
    assert not set(address.url) & set("@?#\\ \t\n")
