"""The rotation's journal in a file: of the monitor alone, by compare-and-swap, and bounded."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from monitor.adapters.file_stores import MAX_JOURNAL_BYTES, FileJournalStore
from monitor.core.effects import Conflict, Refused, Unknown
from structlog.testing import capture_logs

from tests.adapters.places import ROOT, Mounted, as_somebody, folder_of_somebody
from tests.adapters.token_file import OLD, why


async def test_the_journal_is_made_at_the_first_write_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "journal"
    store = FileJournalStore(path)
    assert await store.read() == ("", None)
    assert not path.parent.exists()
    mask = os.umask(0)
    try:
        version = await store.write('{"a": 1}', None)
    finally:
        os.umask(mask)
    assert isinstance(version, str)
    assert await store.read() == ('{"a": 1}', version)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_each_write_gives_the_version_for_the_next_one(tmp_path: Path) -> None:
    store = FileJournalStore(tmp_path / "journal")
    version: Any = None
    for number in range(4):
        version = await store.write(str(number), version)
        assert await store.read() == (str(number), version)


async def test_a_journal_that_another_replica_wrote_is_not_overwritten(tmp_path: Path) -> None:
    one, two = FileJournalStore(tmp_path / "journal"), FileJournalStore(tmp_path / "journal")
    version = await one.write("one", None)
    assert await two.write("two", None) == Conflict()
    assert isinstance(await two.write("two", version), str)  # type: ignore[arg-type]
    assert await one.write("three", version) == Conflict()  # type: ignore[arg-type]
    assert (await one.read())[0] == "two"  # type: ignore[index]


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604], ids=oct)
async def test_a_journal_that_others_can_read_is_closed_to_them_and_told(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "journal"
    path.write_text("pending")
    path.chmod(mode)
    store = FileJournalStore(path)
    with capture_logs() as logs:
        text, version = await store.read()  # type: ignore[misc]
        assert (await store.read()) == (text, version)
    assert text == "pending"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(entry["log_level"], entry["mode"]) for entry in logs] == [("warning", f"0{mode:o}")]
    assert "token-monitor rotate" in logs[0]["remedy"]
    assert "pending" not in str(logs)
    assert isinstance(await store.write("next", version), str)


@pytest.mark.skipif(not ROOT, reason="only root makes files of other users")
async def test_a_journal_of_another_user_that_others_can_read_is_refused() -> None:
    with folder_of_somebody() as folder:
        path = folder / "journal"
        path.write_text("pending")
        path.chmod(0o644)
        with as_somebody():
            outcome = await FileJournalStore(path).read()
        assert isinstance(outcome, Unknown)
        assert "others may read the journal" in why(outcome)


@pytest.mark.skipif(not ROOT, reason="only root makes files of other users")
async def test_a_command_that_root_runs_leaves_the_journal_to_the_monitor() -> None:
    with folder_of_somebody() as folder:
        path = folder / "journal"
        with as_somebody():
            version = await FileJournalStore(path).write("one", None)
        version = await FileJournalStore(path).write("two", version)  # type: ignore[arg-type]
        with as_somebody():
            assert await FileJournalStore(path).read() == ("two", version)


async def test_a_journal_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    store = FileJournalStore(path)
    version = await store.write("x" * MAX_JOURNAL_BYTES, None)
    assert isinstance(version, str)
    outcome = await store.write("x" * (MAX_JOURNAL_BYTES + 1), version)
    assert isinstance(outcome, Refused)
    path.write_text("x" * (MAX_JOURNAL_BYTES + 1))
    found = await store.read()
    assert isinstance(found, Unknown)
    assert "move the file away" in why(found)


async def test_a_damaged_journal_is_given_to_whoever_reads_it_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"\xff\xfe{")
    path.chmod(0o600)
    found = await FileJournalStore(path).read()
    assert isinstance(found, tuple)
    assert found[0] == "\ufffd\ufffd{"
    assert path.read_bytes() == b"\xff\xfe{"


async def test_a_journal_in_a_mounted_secret_is_refused_before_any_key_is_made(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path / "secret", OLD.reveal())
    outcome = await FileJournalStore(mounted.folder / "journal").write("{}", None)
    assert isinstance(outcome, Refused)
    assert "Kubernetes mounted" in why(outcome)


async def test_a_state_directory_that_cannot_be_made_is_told() -> None:
    with folder_of_somebody() as folder, as_somebody():
        folder.chmod(0o500)
        outcome = await FileJournalStore(folder / "state" / "journal").write("{}", None)
        assert isinstance(outcome, Refused)
        assert "Permission denied" in why(outcome)


async def test_a_journal_that_cannot_be_looked_at_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    found = await FileJournalStore(tmp_path / "journal").read()
    assert isinstance(found, Unknown)
    assert "is not a regular file" in why(found)
