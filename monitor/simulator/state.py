"""The state of a simulated Argo CD installation, and the levers that break it. No sockets, no threads, no sleep.

One history of settings is shared by all replicas; replica k sees a change `replica_lags[k]` seconds after it was made
(the one that made it sees it at once, as Argo CD resyncs after its own write). One that was told to `stick` follows no changes
until it writes itself, is restarted or let go (`unstick`): its watch on Kubernetes is dead. Counters of failed logins belong to a
replica; ended sessions are known to all (Redis). Time and randomness come from outside, so a run can be repeated.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.simulator.lockout import LoginGate
from monitor.simulator.rbac import Role
from monitor.simulator.settings import (
    ADMIN,
    Account,
    Capability,
    Key,
    ProjectRole,
    Settings,
    hash_password,
)
from monitor.simulator.tokens import claims_for, number, sign
from monitor.simulator.wording import Version, Wording

SESSION_SECONDS = 24 * 3600
DEFAULT_PROJECT = "default"
BOTH = (Capability.API_KEY, Capability.LOGIN)


class NoSuchAccountError(LookupError):
    """The account is not declared."""


class NoSuchProjectRoleError(LookupError):
    """The project or its role does not exist."""


class KeyIdTakenError(ValueError):
    """A key of that id is on record."""


class CapabilityMissingError(ValueError):
    """The account may not have API keys."""


class NoSuchKeyError(LookupError):
    """No key of that id is on record."""


@dataclass(frozen=True, slots=True)
class _Version:
    at: float
    by: int | None
    settings: Settings


class ArgoCDState:
    """One installation. `handle` in `api` answers from it; the methods here are its administrator."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        new_id: Callable[[], str] | None = None,
        wording: Version = "3",
        version: str | None = None,
        root_path: str = "",
        replica_lags: Sequence[float] = (0.0,),
        choose_replica: Callable[[], int] | None = None,
        login_seconds: tuple[float, float] = (0.5, 1.0),
        default_role: Role = Role.NONE,
    ) -> None:
        if not replica_lags:
            raise ValueError("replica_lags is empty: name the lag of at least one replica, 0.0 for none")
        self.clock = clock
        self.wording = Wording(wording)
        self.version = version or {"3": "v3.6.0+simulated", "2": "v2.8.21+simulated"}[wording]
        self.root_path = root_path.strip("/")
        self.gates = tuple(LoginGate() for _ in replica_lags)
        self.numbers_as_text = False  # some versions write int64 as text
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose; it protects nothing
        self._new_id = new_id or self._random_uuid
        self._lags = tuple(replica_lags)
        self._stuck: dict[int, Settings] = {}
        self._choose_replica = choose_replica or self._any_replica
        self._login_seconds = login_seconds
        self._ended_sessions: dict[str, float] = {}
        self._restarting_until = 0.0
        # Called after each change: by it argocd-cm and argocd-secret can be kept elsewhere.
        self.on_change: Callable[[], None] = lambda: None
        admin = Account(ADMIN, capabilities=(Capability.LOGIN,), role=Role.ADMIN)
        # The server makes the project `default` when it starts (server.go, initializeDefaultProject).
        key = self._random.randbytes(32)
        settings = Settings(key, {ADMIN: admin}, {DEFAULT_PROJECT: {}}, default_role=default_role)
        self._history = [_Version(float("-inf"), None, settings)]

    # --- what a request sees -------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The newest settings."""
        return self._history[-1].settings

    def replica(self) -> int:
        """The replica that takes the next request."""
        return self._choose_replica()

    def seen_by(self, replica: int) -> Settings:
        """The settings as that replica knows them now."""
        if replica in self._stuck:
            return self._stuck[replica]
        if self._lags[replica] <= 0:
            return self.settings
        known_until = self.clock() - self._lags[replica]
        seen = (
            version.settings
            for version in reversed(self._history)
            if version.at <= known_until or version.by == replica
        )
        return next(seen, self._history[0].settings)  # the oldest, should the clock have been put back

    @property
    def replicas(self) -> int:
        """How many there are."""
        return len(self._lags)

    def stick(self, replica: int) -> None:
        """From now on this replica sees no change of anybody else's."""
        self._stuck[replica] = self.seen_by(replica)

    def unstick(self, replica: int) -> None:
        """It has caught up, or its pod was replaced."""
        self._stuck.pop(replica, None)

    def restarting(self) -> bool:
        """Whether nothing listens at present."""
        return self.clock() < self._restarting_until

    def session_ended(self, token_id: str) -> bool:
        """Whether that session was logged out."""
        return token_id in self._ended_sessions

    def end_session(self, token_id: str, expires_at: float) -> None:
        """Logs a session out, for as long as its token would live."""
        now = self.clock()
        self._ended_sessions = {id_: until for id_, until in self._ended_sessions.items() if until > now}
        if expires_at > now:
            self._ended_sessions[token_id] = expires_at

    def login_delay(self) -> float:
        """How long this login is made to wait: 0.5 to 1 s on purpose, so that timing tells nothing."""
        return self._random.uniform(*self._login_seconds)

    def new_id(self) -> str:
        """A fresh id for a token whose maker named none."""
        return self._new_id()

    # --- accounts ------------------------------------------------------------------------------------------------

    def create_account(
        self,
        name: str,
        *,
        password: str | None = None,
        capabilities: Sequence[str] = BOTH,
        enabled: bool = True,
        role: Role | None = None,
    ) -> None:
        """Declares an account. One that was removed comes back with the keys that it had, as in Argo CD."""
        known = self.settings.accounts.get(name, Account(name))
        hashed = known.password_hash if password is None else self._hashed(password)
        self._change_account(
            replace(
                known,
                enabled=enabled,
                declared=True,
                capabilities=_capabilities(name, capabilities),
                password_hash=hashed,
                role=known.role if role is None else role,
            )
        )

    def remove_account(self, name: str) -> None:
        """Takes the account out of argocd-cm; what argocd-secret holds of it stays."""
        if name == ADMIN:
            raise ValueError("the admin account cannot be removed: disable it instead")
        self._change_account(replace(self._account(name), declared=False))

    def disable_account(self, name: str) -> None:
        """`accounts.NAME.enabled: "false"`."""
        self._change_account(replace(self._account(name), enabled=False))

    def enable_account(self, name: str) -> None:
        """Undoes `disable_account`."""
        self._change_account(replace(self._account(name), enabled=True))

    def set_capabilities(self, name: str, *capabilities: str) -> None:
        """Replaces what the account may have tokens for."""
        self._change_account(replace(self._account(name), capabilities=_capabilities(name, capabilities)))

    def set_role(self, name: str, role: Role) -> None:
        """Gives the account a built-in role."""
        self._change_account(replace(self._account(name), role=role))

    def change_password(self, name: str, password: str, *, replica: int | None = None) -> None:
        """A new password: every token of the account that is older than this second dies."""
        account = self._account(name)
        hashed = self._hashed(password)
        changed = replace(account, password_hash=hashed, password_changed_at=int(self.clock()))
        self._change_account(changed, replica)

    # --- tokens --------------------------------------------------------------------------------------------------

    def mint_key(self, name: str, id_: str = "", expires_in: int = 0, *, replica: int | None = None) -> str:
        """A new API key of the account, and its token. Works for a disabled account too, as in Argo CD."""
        account = self._account(name)
        id_ = id_ or self.new_id()
        if account.key(id_) is not None:
            raise KeyIdTakenError(id_)
        if Capability.API_KEY not in account.capabilities:
            raise CapabilityMissingError(name)
        claims = claims_for(f"{name}:{Capability.API_KEY}", int(self.clock()), expires_in, id_)
        self._change_account(replace(account, keys=(*account.keys, _on_record(claims))), replica)
        return self.sign(claims)

    def revoke_key(self, name: str, id_: str, *, replica: int | None = None) -> None:
        """Deletes an API key. A key made with the same id later brings its token back to life, as in Argo CD."""
        account = self._account(name)
        if account.key(id_) is None:
            raise NoSuchKeyError(id_)
        kept = tuple(key for key in account.keys if key.id != id_)
        self._change_account(replace(account, keys=kept), replica)

    def open_session(self, name: str, seconds: int = SESSION_SECONDS) -> str:
        """A session token of the account, as a login hands it out."""
        claims = claims_for(f"{name}:{Capability.LOGIN}", int(self.clock()), seconds, self.new_id())
        return self.sign(claims)

    def sign(self, claims: Mapping[str, object]) -> str:
        """These claims, signed with the newest signing key."""
        return sign(claims, self.settings.signing_key)

    def create_project(self, name: str, roles: Mapping[str, ProjectRole]) -> None:
        """An AppProject with its roles."""
        projects = {**self.settings.projects, name: dict(roles)}
        self._change(replace(self.settings, projects=projects))

    def remove_project(self, name: str) -> None:
        """Deletes an AppProject, and with it the tokens of its roles."""
        projects = {known: roles for known, roles in self.settings.projects.items() if known != name}
        self._change(replace(self.settings, projects=projects))

    def mint_project_token(
        self, project: str, role: str, id_: str = "", expires_in: int = 0, *, replica: int | None = None
    ) -> str:
        """A new token of a project role."""
        known = self._project_role(project, role)
        id_ = id_ or self.new_id()
        if any(token.id == id_ for token in known.tokens):
            raise KeyIdTakenError(id_)
        claims = claims_for(f"proj:{project}:{role}", int(self.clock()), expires_in, id_)
        grown = replace(known, tokens=(*known.tokens, _on_record(claims)))
        self._change(self.settings.with_project_role(project, role, grown), replica)
        return self.sign(claims)

    def revoke_project_token(
        self, project: str, role: str, issued_at: int, id_: str = "", *, replica: int | None = None
    ) -> None:
        """Deletes a token of a project role, by its id or its time of issue."""
        known = self._project_role(project, role)
        token = known.token(issued_at, id_)
        if token is None:
            raise NoSuchKeyError(id_)
        kept = replace(known, tokens=tuple(other for other in known.tokens if other is not token))
        self._change(self.settings.with_project_role(project, role, kept), replica)

    # --- the whole server ----------------------------------------------------------------------------------------

    def change_signing_key(self, outage: float = 0.0) -> None:
        """A new `server.secretkey`: the server restarts itself, nothing listens for `outage` s, old tokens are dead."""
        self._change(replace(self.settings, signing_key=self._random.randbytes(32)))
        self.restart(outage)

    def restart(self, outage: float) -> None:
        """Nothing listens for `outage` seconds; the counters of failed logins are gone."""
        self._restarting_until = self.clock() + outage
        self.gates = tuple(LoginGate() for _ in self._lags)
        self._stuck.clear()

    def set_anonymous(self, role: Role | None) -> None:
        """`users.anonymous.enabled`, and what those without a valid token may do then; None switches it off."""
        self._change(replace(self.settings, anonymous=role))

    def disable_authentication(self, disabled: bool = True) -> None:
        """`argocd-server --disable-auth`: nobody is authenticated and everybody may do everything."""
        self._change(replace(self.settings, authentication_disabled=disabled))

    # --- inside --------------------------------------------------------------------------------------------------

    def _account(self, name: str) -> Account:
        account = self.settings.account(name)
        if account is None:
            raise NoSuchAccountError(name)
        return account

    def _project_role(self, project: str, role: str) -> ProjectRole:
        known = self.settings.project_role(project, role)
        if known is None:
            raise NoSuchProjectRoleError(f"{project}/{role}")
        return known

    def _change_account(self, account: Account, replica: int | None = None) -> None:
        self._change(self.settings.with_account(account), replica)

    def _change(self, settings: Settings, replica: int | None = None) -> None:
        now = self.clock()
        if replica is not None:
            self._stuck.pop(replica, None)  # SettingsManager.ResyncInformers after each write of its own
        self._history.append(_Version(now, replica, settings))
        known_to_all = now - max(self._lags)
        while len(self._history) > 1 and self._history[1].at <= known_to_all:
            del self._history[0]
        self.on_change()

    def _hashed(self, password: str) -> str:
        return hash_password(password, self._random.randbytes(8).hex())

    def _random_uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _any_replica(self) -> int:
        return self._random.randrange(len(self._lags)) if len(self._lags) > 1 else 0


def _capabilities(name: str, given: Sequence[str]) -> tuple[Capability, ...]:
    # parseAdminAccount gives admin `login` before argocd-cm is read: hence "login, apiKey, login" in the recordings.
    always = (Capability.LOGIN,) if name == ADMIN else ()
    return (*always, *(Capability(capability) for capability in given))


def _on_record(claims: Mapping[str, object]) -> Key:
    return Key(str(claims["jti"]), int(number(claims, "iat") or 0), int(number(claims, "exp") or 0))
