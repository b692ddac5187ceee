"""The files of targets: each is looked at once, and leads to those who use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monitor.config.load import settings_of
from monitor.daemon.watched_files import WatchedFiles

CA = {"caFile": "/ca/shared.pem"}


def of(*targets: dict[str, Any]) -> WatchedFiles:
    files = WatchedFiles()
    files.set_targets(settings_of({"targets": list(targets)}).targets)
    return files


def target(name: str, file: str = "", **more: Any) -> dict[str, Any]:
    auth = {"type": "token", "tokenFile": file} if file else {"type": "token", "token": "x.y.z"}
    return {"name": name, "url": f"https://{name}.example.com", "auth": auth, **more}


def names(files: WatchedFiles, *changed: str) -> set[str]:
    return {found.name for found in files.users(set(map(Path, changed)))}


def test_a_file_leads_to_everyone_who_uses_it_and_to_nobody_else() -> None:
    files = of(target("a", "/run/a", tls=CA), target("b", "/run/b", tls=CA), target("c"))
    assert names(files, "/run/a") == {"a"}
    assert names(files, "/ca/shared.pem") == {"a", "b"}
    assert names(files, "/run/b", "/ca/shared.pem") == {"a", "b"}
    assert names(files, "/etc/other") == set()


def test_a_file_that_many_share_is_looked_at_once() -> None:
    files = of(target("a", "/run/a", tls=CA), target("b", "/run/b", tls=CA))
    assert sorted(map(str, files.paths)) == ["/ca/shared.pem", "/run/a", "/run/b"]


def test_a_reload_makes_no_path_anew_that_was_there_before() -> None:
    """At 10,000 targets that alone would hold the checks for 0.2 s."""
    files = of(target("a", "/run/a"), target("b", "/run/b"))
    before = {str(path): path for path in files.paths}
    files.set_targets(settings_of({"targets": [target("a", "/run/a"), target("c", "/run/c")]}).targets)
    after = {str(path): path for path in files.paths}
    assert after.keys() == {"/run/a", "/run/c"}
    assert after["/run/a"] is before["/run/a"]


def test_files_of_targets_that_are_gone_are_not_looked_at_any_more() -> None:
    files = of(target("a", "/run/a"))
    files.set_targets(())
    assert list(files.paths) == []
    assert names(files, "/run/a") == set()
