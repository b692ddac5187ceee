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
assert not any(seen() for seen in rings[: garbage.NEW // 2]), "where there is very much, Python looks by itself"

before_start = ring()
garbage.settle()
assert before_start() is None, "what the start itself threw away is not kept"
assert gc.get_freeze_count() > 1000, "what it left behind is looked at no more"

looks = garbage.Looks()
new = ring()
looks.look()
assert new() is None, "new garbage is found at the next look"

old = [Node() for _ in range(10)]
looks.look()
gone = [weakref.ref(node) for node in old]
for node in old:
    node.itself = node
del old, node
looks.look()
assert all(seen() for seen in gone), "old garbage waits"
for _ in range(garbage.TO_ALL):
    looks.look()
assert not any(seen() for seen in gone), "and is found"
"""


def test_garbage_is_found_and_the_start_is_not_looked_at_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
