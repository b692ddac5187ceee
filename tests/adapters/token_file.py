"""A token in a file, and what comes of replacing it: shared by the tests of the stores."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from monitor.adapters.file_stores import FileCredentialStore
from monitor.core.effects import Conflict, Done, Refused, Unknown
from monitor.core.secret import Secret
from monitor.ports import Stored

OLD, NEW = Secret("eyJold.eyJold.old"), Secret("eyJnew.eyJnew.new")
LOCK = ".token.token-monitor.lock"
BRIEF = 0.02


def written(folder: Path) -> Path:
    """A token's file, as the demo and people write it."""
    path = folder / "token"
    path.write_text(f"{OLD.reveal()}\n")
    path.chmod(0o600)
    return path


def store_of(path: Path, **limits: float) -> FileCredentialStore:
    return FileCredentialStore(path, **{"patience": BRIEF, **limits})


async def replaced(path: Path, token: Secret = NEW, **limits: float) -> Done | Conflict | Refused | Unknown:
    """What comes of replacing the token that is there now."""
    store = store_of(path, **limits)
    return await store.write(token, (await store.read()).version)


def why(outcome: object) -> str:
    """The words of an outcome that has some. They hold no token, and they are one line that ends with a remedy."""
    text = outcome.problem if isinstance(outcome, Stored) else outcome.why  # type: ignore[attr-defined]
    assert not any(token.reveal() in f"{text} {outcome!r}" for token in (OLD, NEW))
    assert text.isprintable()
    assert len(text) < 400, "longer texts are cut, and the remedy is at their end"
    return str(text)


def beside(path: Path) -> set[str]:
    """What is in the directory besides the file."""
    return {entry.name for entry in path.parent.iterdir()} - {path.name}


def before(monkeypatch: pytest.MonkeyPatch, name: str, happens: Callable[[], object]) -> None:
    """Lets something happen before a call of the system."""
    real = getattr(os, name)

    def after_that(*arguments: Any, **named: Any) -> Any:
        happens()
        return real(*arguments, **named)

    monkeypatch.setattr(os, name, after_that)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process at work: locks belong to open files, so one of our own is as good."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fail(number: int) -> None:
    raise OSError(number, os.strerror(number))
