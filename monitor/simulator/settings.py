"""What an Argo CD installation is configured with, as one immutable value: accounts, keys, projects, switches.

In a cluster this is argocd-cm, argocd-secret, argocd-rbac-cm and the AppProjects. Each change makes a new value, so
a replica that lags behind simply holds an older one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from monitor.simulator.rbac import Policy, Role

ADMIN = "admin"


class Capability(StrEnum):
    """What an account may have tokens for."""

    LOGIN = "login"
    API_KEY = "apiKey"


@dataclass(frozen=True, slots=True)
class Key:
    """A token on record: an API key of an account, or a token of a project role. `expires_at` 0: never."""

    id: str
    issued_at: int
    expires_at: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """A local account. `declared` is false once it is taken out of argocd-cm: its keys and password stay behind."""

    name: str
    enabled: bool = True
    capabilities: tuple[Capability, ...] = ()
    keys: tuple[Key, ...] = ()
    password_hash: str | None = field(default=None, repr=False)
    password_changed_at: int | None = None
    declared: bool = True
    role: Role = Role.NONE

    def key(self, id_: str) -> Key | None:
        """The key of that id, if it is on record."""
        return next((key for key in self.keys if key.id == id_), None)


@dataclass(frozen=True, slots=True)
class ProjectRole:
    """A role of an AppProject: what it may do, and its tokens."""

    policies: tuple[Policy, ...] = ()
    tokens: tuple[Key, ...] = ()

    def token(self, issued_at: int, id_: str) -> Key | None:
        """AppProject.GetJWTToken: by id, and failing that by the time of issue."""
        by_id = (token for token in self.tokens if id_ and token.id == id_)
        by_time = (token for token in self.tokens if token.issued_at == issued_at)
        return next(by_id, None) or next(by_time, None)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is configured. Names map to values; nothing in here is ever changed in place."""

    signing_key: bytes = field(repr=False)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    projects: Mapping[str, Mapping[str, ProjectRole]] = field(default_factory=dict)
    default_role: Role = Role.NONE
    anonymous: Role | None = None
    authentication_disabled: bool = False

    def account(self, name: str) -> Account | None:
        """The account of that name, if it is declared."""
        account = self.accounts.get(name)
        return account if account is not None and account.declared else None

    def project_role(self, project: str, role: str) -> ProjectRole | None:
        """A role of a project, if both exist."""
        return self.projects.get(project, {}).get(role)

    def with_account(self, account: Account) -> Settings:
        """The same settings, with this account in place of the one of its name."""
        return replace(self, accounts={**self.accounts, account.name: account})

    def with_project_role(self, project: str, name: str, role: ProjectRole) -> Settings:
        """The same settings, with this role in place of the one of its name."""
        roles = {**self.projects.get(project, {}), name: role}
        return replace(self, projects={**self.projects, project: roles})


def hash_password(password: str, salt: str) -> str:
    """Salted SHA-256: cheap on purpose, because a simulator protects nothing."""
    return f"{salt}${hashlib.sha256(f'{salt}{password}'.encode()).hexdigest()}"


def password_matches(password: str, hashed: str | None) -> bool:
    """Whether that is the password. An account without one lets nobody in."""
    return hashed is not None and hash_password(password, hashed.partition("$")[0]) == hashed
