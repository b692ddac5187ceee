"""Argo CD's API server, over HTTP."""
