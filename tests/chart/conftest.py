"""Simulated servers on threads of their own, as the commands' tests have them."""

from __future__ import annotations

from tests.cli.conftest import argocd, cluster

__all__ = ["argocd", "cluster"]
