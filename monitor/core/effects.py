"""What the rotation wants done, and what came of it, as values. Nothing here does anything.

`Unknown` is an outcome of its own: an answer that was lost means neither "done" nor "failed" (design.md).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from monitor.core.model import Key
from monitor.core.secret import Secret


class Access(enum.StrEnum):
    """With what the account is reached."""

    LIVE_KEY = "live key"  # the Secret's token, or the new one: an account manages its own keys without any RBAC
    LOGIN = "login"  # user name and password, within the budget


@dataclass(frozen=True, slots=True)
class Mint:
    """Create the key `key_id` of `account`. expires_in: seconds, None: never."""

    account: str
    key_id: str
    expires_in: int | None
    access: Access


@dataclass(frozen=True, slots=True)
class ListKeys:
    """Read the keys of `account`."""

    account: str
    access: Access


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the key `key_id` of `account`, and see it gone."""

    account: str
    key_id: str
    access: Access


@dataclass(frozen=True, slots=True)
class Prove:
    """See `token` accepted as the right account on fresh connections, the control refused, no permission lost."""

    token: Secret


@dataclass(frozen=True, slots=True)
class Publish:
    """Write `token` over the Secret of `version` (compare-and-swap), and read it back."""

    token: Secret
    version: str | None


@dataclass(frozen=True, slots=True)
class RestartConsumers:
    """Annotate the pod templates of the consumers with the journal's mark; the same one again changes nothing."""

    mark: str


@dataclass(frozen=True, slots=True)
class LookAtConsumers:
    """See which pods still run with an older key than the one of `mark`, published at `since`.

    decides: whether the old key goes when none does; else it is only to be known.
    """

    mark: str
    since: float
    decides: bool


Effect = Mint | ListKeys | Delete | Prove | Publish | RestartConsumers | LookAtConsumers

# What each is called in metrics and runbooks: a contract, add and never rename.
NAMES: dict[type[Effect], str] = {
    Mint: "mint",
    ListKeys: "list_keys",
    Delete: "delete",
    Prove: "prove",
    Publish: "publish",
    RestartConsumers: "restart_consumers",
    LookAtConsumers: "look_at_consumers",
}
EFFECTS = tuple(NAMES.values())


def effect_name(effect: Effect) -> str:
    """What an effect is called in metrics and runbooks."""
    return NAMES[type(effect)]


@dataclass(frozen=True, slots=True)
class Minted:
    """The key was handed out."""

    token: Secret


@dataclass(frozen=True, slots=True)
class Listed:
    """The account's keys."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """It is done, and was seen to be."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Argo CD, or Kubernetes, said no: nothing was changed. login: it was the password that was refused.

    busy: nothing was sent, because another target logs in as the same user at this moment.
    """

    why: str
    login: bool = False
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody else was faster: nothing was written. Look again."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer was lost: it may have been done or not."""

    why: str


@dataclass(frozen=True, slots=True)
class Consumers:
    """Who still runs with an older key, by name; None where pods may not be read."""

    old: tuple[str, ...] | None


Outcome = Minted | Listed | Done | Refused | Conflict | Unknown | Consumers
