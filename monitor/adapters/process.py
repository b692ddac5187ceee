"""What the operating system may do with this process's memory, which holds credentials: nothing.

A core dump would carry them to a disk or to a crash reporter, and a debugger of the same user would read them.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

# prctl(2), linux/prctl.h.
PR_SET_DUMPABLE = 4


def keep_memory_private() -> None:
    """No core dumps, no debugger of the same user, and no look at /proc/PID/environ or mem. What cannot be had is left.

    Two ways, since each has a gap: the limit does not bind where the kernel pipes dumps to a program (systemd-coredump),
    and PR_SET_DUMPABLE is Linux's alone. It costs that gdb, strace and py-spy need root (CAP_SYS_PTRACE).
    """
    with suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
