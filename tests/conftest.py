"""For every test."""

from __future__ import annotations

import asyncio

# On Python 3.11 pytest-asyncio leaves a loop behind when sync and async tests share a session, and its warning would
# fail whichever test the garbage collector happens to run in.
asyncio.set_event_loop(None)
