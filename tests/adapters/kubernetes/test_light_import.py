"""The process holds a few parts of kubernetes-asyncio, and whoever needs all of it gets all of it."""

from __future__ import annotations

import subprocess
import sys

LIGHT = """
import sys
from monitor.adapters.kubernetes import connection, library

loaded = [name for name in sys.modules if name.startswith("kubernetes_asyncio")]
assert "kubernetes_asyncio.client.api_client" in loaded
assert not [name for name in loaded if ".models." in name or ".api." in name], loaded
assert len(loaded) < 30, loaded
"""
WHOLE = """
import kubernetes_asyncio.client as whole
from kubernetes_asyncio.config import incluster_config

assert whole.ApiClient is library.ApiClient
assert whole.Configuration is library.Configuration
assert incluster_config.load_incluster_config is library.load_incluster_config
secrets = whole.CoreV1Api(whole.ApiClient.__new__(whole.ApiClient))
assert secrets.read_namespaced_secret
api_client = sys.modules["kubernetes_asyncio.client.api_client"]
assert api_client.kubernetes_asyncio.client.models.V1Secret is whole.V1Secret, "answers are read as models"
"""


def run(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_generated_models_are_not_loaded() -> None:
    run(LIGHT)


def test_whoever_imports_the_library_gets_all_of_it_with_the_same_parts() -> None:
    run(LIGHT + WHOLE)


def test_where_all_of_it_is_there_already_that_is_used() -> None:
    run("import sys\nimport kubernetes_asyncio\nfrom monitor.adapters.kubernetes import library\n" + WHOLE)
