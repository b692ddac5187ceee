"""Rotators out of settings: who shares logins, where journals are, and what a new configuration leaves as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from monitor.config import address
from monitor.config.settings import (
    InClear,
    InFile,
    InSecret,
    KubernetesSettings,
    RotationSettings,
    Settings,
    Source,
    TargetSettings,
)
from monitor.core.model import Mode
from monitor.core.secret import Secret
from monitor.daemon.rotating import RotatorAssembly
from monitor.daemon.shared import Shared

PLAIN = RotationSettings()


def target(name: str, server: str = "https://a.example", username: str = "ci", **changes: object) -> TargetSettings:
    made = TargetSettings(
        name,
        address.of_url(server),
        Mode.PASSWORD,
        InSecret(f"token-{name}", "token", "codefresh"),
        InSecret("password", "password", "codefresh"),
        username,
        username,
        rotation=PLAIN,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def assembly(*targets: TargetSettings, state_dir: Path | None = None) -> AsyncIterator[RotatorAssembly]:
    settings = Settings(targets, state_dir=str(state_dir) if state_dir else None)
    async with Shared(settings) as shared:
        yield shared.rotating


async def test_those_with_the_same_server_and_user_share_their_logins() -> None:
    one, other = target("one"), target("other")
    elsewhere, somebody = target("elsewhere", "https://b.example"), target("somebody", username="admin")
    watched = target("watched", rotation=None)
    renewed = target("renewed", password_source=None, username=None)
    async with assembly(one, other, elsewhere, somebody, watched, renewed) as made:
        assert made.siblings(one) == (other,)
        assert made.siblings(other) == (one,)
        assert made.siblings(elsewhere) == made.siblings(somebody) == ()
        logins = made.logins()
        assert logins["one"] == logins["other"]
        assert len({logins[name] for name in ("one", "elsewhere", "somebody")}) == 3
        assert not {"watched", "renewed"} & logins.keys(), "who never logs in waits for nobody"


async def test_a_target_whose_key_is_not_replaced_has_no_rotator_and_no_store_is_made_for_it(tmp_path: Path) -> None:
    watched = target("watched", rotation=None, token_source=InFile(str(tmp_path / "token")))
    async with assembly(watched) as made:
        stores: list[Source] = []
        made._store = stores.append  # type: ignore[assignment]
        assert made.rotator(watched, made._assembly.target(watched)) is None
        assert not stores, "ten thousand of them at each reload would hold the checks"


async def test_a_new_configuration_has_its_own_siblings() -> None:
    one, other = target("one"), target("other")
    async with assembly(one) as made:
        assert made.siblings(one) == ()
        made.reloaded(Settings((one, other)))
        assert made.siblings(one) == (other,)
        made.reloaded(Settings((one,)))
        assert made.siblings(one) == ()


async def test_nothing_is_rotated_where_nothing_could_be_written() -> None:
    in_clear = target("in-clear", token_source=InClear(Secret("x")))
    watched = target("watched", rotation=None)
    settings = Settings((in_clear, watched))
    async with Shared(settings) as shared:
        for found in settings.targets:
            assert shared.rotator(found, shared.target(found)) is None


async def test_a_journal_is_where_the_configuration_says_or_beside_its_token(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    found = target("files", token_source=InFile(str(tmp_path / "token")))
    for state_dir, folder in ((tmp_path / "state", tmp_path / "state"), (None, tmp_path)):
        async with assembly(found, state_dir=state_dir) as made:
            journal = made.journal(found)
            assert await journal.read() == ("", None)
            written = await journal.write("{}", None)
            assert isinstance(written, str), written
        assert (folder / "token-monitor-journal-files").exists()


async def test_events_are_told_where_the_token_is_in_a_secret_and_somebody_wants_them() -> None:
    in_secret, in_file = target("one"), target("file", token_source=InFile("/run/token"))
    async with assembly(in_secret, in_file) as made:
        assert made.announcer(in_secret) is made.announcer(in_secret), "one for each Secret: it counts what it tells"
        assert made.announcer(in_file) is None
        made.reloaded(Settings((in_secret,), kubernetes=KubernetesSettings(events=False)))
        assert made.announcer(in_secret) is None
