"""Garbage that refers to itself is found, after the start as well; what the start left behind is not looked at."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, weakref
from monitor.adapters import garbage

class Node:
    pass

def ring():
    node = Node()
    node.itself = node
    return weakref.ref(node)

garbage.seldom()
rings = [ring() for _ in range(2 * garbage.NEW)]
assert not any(seen() for seen in rings[: garbage.NEW // 2]), "new garbage is found without being asked for"

before_start = ring()
garbage.settle()
assert before_start() is None, "what the start itself threw away is not kept"
assert gc.get_freeze_count() > 1000, "what it left behind is looked at no more"

old = [Node() for _ in range(10)]
gc.collect(1)
gc.collect(1)
gone = [weakref.ref(node) for node in old]
for node in old:
    node.itself = node
del old, node
gc.collect(1)
assert all(seen() for seen in gone), "old garbage waits"
garbage.look()
assert not any(seen() for seen in gone), "and is found"
"""


def test_garbage_is_found_and_the_start_is_not_looked_at_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
