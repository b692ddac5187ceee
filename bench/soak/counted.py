"""`token-monitor run` with one thing more: each second it writes down how many asyncio tasks and open files it has.

The fewest of several looks count: checks come every second as well, and on a busy machine the same ones would be under
way at each look. What is left over is there at every look.

The tasks cannot be seen from outside, nor can the files by another user than root: the process lets nobody look into
it. The file for it is named by the environment.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path

from monitor.cli import run
from monitor.cli.main import main
from monitor.config.settings import Settings
from monitor.daemon.daemon import ConfigurationFile

FILE = "SOAK_TASKS_FILE"
LOOKS, BETWEEN = 10, 0.097
_run = run._run  # noqa: SLF001 - the only place from which the loop of the service can be seen


async def _counted(settings: Settings, file: ConfigurationFile | None) -> int:
    counting = asyncio.create_task(_count(Path(os.environ[FILE])))
    try:
        return await _run(settings, file)
    finally:
        counting.cancel()


async def _count(file: Path) -> None:
    new = file.with_suffix(".new")
    for number in itertools.chain([1], itertools.repeat(LOOKS)):  # at once, so that the file is there
        looks = []
        for _ in range(number):
            files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, and no paths
            looks.append((len(asyncio.all_tasks()) - 1, files))
            await asyncio.sleep(BETWEEN)
        new.write_text(f"{min(tasks for tasks, _ in looks)} {min(files for _, files in looks)}")
        new.replace(file)


if __name__ == "__main__":
    run._run = _counted  # noqa: SLF001
    main()
