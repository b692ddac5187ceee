"""What is told of a rotation before its journal was read: nothing, and no alert is called over for that."""

from __future__ import annotations

from pathlib import Path

from monitor.config import address
from monitor.config.settings import HttpSettings, InFile, RotationSettings, Settings, TargetSettings
from monitor.core.alert_conditions import UNREAD
from monitor.core.model import Mode
from monitor.daemon.daemon import Daemon

from tests.behaviour.service import until

NOBODY = "http://127.0.0.1:1"


def target(name: str, folder: Path, **changes: object) -> TargetSettings:
    token = InFile(str(folder / name))
    return TargetSettings(name, address.of_url(NOBODY), Mode.TOKEN, token, **changes)  # type: ignore[arg-type]


async def test_pages_and_metrics_say_nothing_of_it_and_alerts_are_told_that_nothing_is_known(tmp_path: Path) -> None:
    rotated, watched = target("rotated", tmp_path, rotation=RotationSettings()), target("watched", tmp_path)
    settings = Settings((rotated, watched), http=HttpSettings("127.0.0.1", 0), state_dir=str(tmp_path))
    async with Daemon(settings) as running:
        shown = {report.name: report.rotation for report in running.reports()}
        told = {report.name: report.rotation for report in running._reports.to_tell()}
        assert shown == {"rotated": None, "watched": None}
        assert told == {"rotated": UNREAD, "watched": None}
        assert b"tokenmonitor_rotation_consecutive_failures{" not in await running.metrics.render()

        await until(lambda: running.report("rotated").rotation is not None)  # type: ignore[union-attr]
        assert b'tokenmonitor_rotation_consecutive_failures{target="rotated"} 0.0' in await running.metrics.render()
        assert b'target="watched"' in await running.metrics.render()
        assert b'tokenmonitor_rotations_total{target="watched"}' not in await running.metrics.render()


async def test_a_journal_that_cannot_be_read_is_told_from_the_first_time(tmp_path: Path) -> None:
    (tmp_path / "token-monitor-journal-rotated").write_text("{ no journal")
    (tmp_path / "token-monitor-journal-rotated").chmod(0o600)
    rotated = target("rotated", tmp_path, rotation=RotationSettings())
    async with Daemon(Settings((rotated,), http=HttpSettings("127.0.0.1", 0), state_dir=str(tmp_path))) as running:
        await until(lambda: running.report("rotated").rotation is not None)  # type: ignore[union-attr]
        report = running.report("rotated")
        assert report is not None
        assert report.rotation is not None
        assert report.rotation.failing >= 1
        assert "journal" in report.rotation.problem
