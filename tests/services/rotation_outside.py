"""What is outside of the monitor: a simulated Argo CD, Secrets with compare-and-swap, consumers, people, other writers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from monitor.core.announcement import Announcement
from monitor.core.claims import read_claims
from monitor.core.journal import Journal, State, load
from monitor.core.model import Expectation, Fault, FaultKind, Mode, Reply
from monitor.core.policy import Policy
from monitor.core.secret import Secret
from monitor.simulator.api import Request, handle
from monitor.simulator.calls import verify
from monitor.simulator.lockout import MAX_FAILURES
from monitor.simulator.messages import Response
from monitor.simulator.rbac import Role
from monitor.simulator.state import ArgoCDState
from monitor.simulator.tokens import TokenRefusedError

from tests.services.fleet_driver import VirtualClock, VirtualLoop

ACCOUNT = "ci"
PASSWORD = "the password of ci"
HOUR = 3600.0
DAY = 86_400.0


@dataclass
class Place:
    """A Secret, or the journal's: a value under compare-and-swap. version 0: it does not exist."""

    value: str | None = None
    version: int = 0
    writer: str | None = None
    history: list[str | None] = field(default_factory=list)

    def put(self, value: str | None, writer: str) -> None:
        """Writes, whoever it is."""
        self.value, self.version, self.writer = value, self.version + 1, writer
        self.history.append(value)

    def remove(self) -> None:
        """Deletes it; a later one has another version."""
        self.value, self.version, self.writer = None, 0, None

    def swap(self, value: str, version: str | None, writer: str) -> str | None:
        """Writes if the version is still that one; the new version, or None."""
        if (version or "0") != str(self.version):
            return None
        self.put(value, writer)
        return str(self.version)


@dataclass
class Pod:
    """A consumer that reads the token at its start."""

    name: str
    token: str | None
    started: float
    annotation: str = ""
    restart_at: float | None = None
    restarts: int = 0


class WorldClock(VirtualClock):
    """The clock of the monitor's machine: it can be set."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(loop)
        self.wrong_by = 0.0

    def now(self) -> float:
        return super().now() + self.wrong_by

    def true(self) -> float:
        """The time at Argo CD."""
        return super().now()


@dataclass
class Outside:
    """Everything outside of the monitor, and what must hold there at every moment (`check`, `before_...`)."""

    loop: VirtualLoop
    policy: Policy = field(default_factory=lambda: Policy(ACCOUNT, by_password=True, grace=120.0, longest_wait=600.0))
    expected: Expectation = field(default_factory=lambda: Expectation(mode=Mode.PASSWORD, account=ACCOUNT))
    lags: Sequence[float] = (0.0,)

    def __post_init__(self) -> None:
        self.clock = WorldClock(self.loop)
        self.argocd = ArgoCDState(
            clock=self.clock.true, login_seconds=(0.5, 0.5), replica_lags=self.lags, choose_replica=self._replica
        )
        self.argocd.create_account(ACCOUNT, password=PASSWORD, role=Role.READONLY)
        self.secret = Place()
        self.journal_place = Place()
        self.password = Place(PASSWORD, 1)
        self.pods: list[Pod] = []
        self.pods_visible = True
        self.may_restart = True
        self.announced: list[Announcement] = []
        self.used_ids: set[str] = set()
        self.failed_logins: list[float] = []
        self.logins = 0
        self.published: list[str] = []
        self.deleted: list[str] = []
        self.argocd_fault: FaultKind | None = None
        self.kubernetes_away = False
        self.secret_unreadable = False
        self.reverter: Callable[[], None] | None = None
        self.siblings: list[Place] = []
        self.next_replicas: list[int] = []  # who takes the next requests; all in turn after that
        self.sticky = False  # the monitor always meets the same one
        self.echoes = False
        self.deaf_to_deletes = False
        self.undone_before_it_is_read_back = False
        self.late = False
        self.violations: list[str] = []
        self._next_replica = 0
        self._nonce = 0

    # --- what people and others do ------------------------------------------------------------------------------------

    def hand_made(self, key_id: str = "by-hand", expires_in: int = 0) -> str:
        """A person makes a key and puts it into the Secret."""
        token = self.argocd.mint_key(ACCOUNT, key_id, expires_in)
        self.secret.put(token, "kubectl (kubectl-edit)")
        return token

    def revoke(self, key_id: str | None = None) -> None:
        """A person deletes a key in the UI; that of the Secret if none is named."""
        self.argocd.revoke_key(ACCOUNT, key_id or self.token_id() or "")

    def change_password(self, password: str) -> None:
        """A person changes the password; every older key is dead."""
        self.argocd.change_password(ACCOUNT, password)

    def tell_password(self, password: str) -> None:
        """... and puts it into the Secret that the monitor reads."""
        self.password.put(password, "kubectl")

    def revert_to(self, token: str | None, writer: str = "Argo CD (argocd-controller)") -> None:
        """From now on another writer puts this token back whenever it sees another one."""

        def revert() -> None:
            if self.secret.value != token:
                self.secret.put(token, writer)

        self.reverter = revert

    # --- what is looked at ----------------------------------------------------------------------------------------------

    def journal(self) -> Journal:
        """The journal as it is stored."""
        return load(self.journal_place.value or "")

    def token_id(self) -> str | None:
        """The id of the Secret's token."""
        return read_claims(self.secret.value).token_id if self.secret.value else None

    def accepts(self, token: str | None, replica: int | None = None) -> bool:
        """Whether Argo CD accepts the token, by its newest settings or as one replica knows them."""
        if token is None or self.argocd.restarting():
            return False
        settings = self.argocd.settings if replica is None else self.argocd.seen_by(replica)
        try:
            return verify(self.argocd, settings, token).name == ACCOUNT
        except TokenRefusedError:
            return False

    def in_order(self) -> bool:
        """Whether the Secret holds a token that Argo CD accepts."""
        return self.accepts(self.secret.value)

    def live_keys(self) -> set[str]:
        """Every key of the account."""
        account = self.argocd.settings.account(ACCOUNT)
        return {key.id for key in account.keys} if account else set()

    def ours(self) -> set[str]:
        """Live keys that the monitor made."""
        return self.live_keys() & self.used_ids

    def at_rest(self) -> bool:
        """Whether the rotation is over and nothing of it is left over."""
        journal = self.journal()
        used = {journal.current} & self.used_ids
        rests = journal.state is State.IDLE and not journal.tombstones and set(journal.owned) == used
        return rests and self.in_order() and self.token_id() == journal.current and self.ours() == used

    def states(self) -> set[State]:
        """Every state that the journal was ever in."""
        return {load(text or "").state for text in self.journal_place.history}

    def land(self, do: Callable[[], object]) -> None:
        """A request arrives that nobody waits for any more; what it does must do no harm even now."""
        self.late = True
        try:
            before = self.in_order()
            do()
            assert self.in_order() or not before, "a late request broke the Secret's token"
        except AssertionError as error:
            self.violations.append(str(error))  # nobody else would hear of it: the loop calls this
        finally:
            self.late = False

    def nonce(self) -> str:
        """Never the same twice, whichever process asks."""
        self._nonce += 1
        return f"{self._nonce:010d}"

    # --- invariants ---------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """What holds at every moment (design.md, "Invariants")."""
        assert len(self.ours()) <= 3, f"more than three live keys: {self.ours()}"
        for first, second in zip(self.failed_logins, self.failed_logins[1:], strict=False):
            assert second - first >= 360.0, f"failed logins {second - first} s apart"
        for first, fourth in zip(self.failed_logins, self.failed_logins[3:], strict=False):
            assert fourth - first >= DAY, "more than three failed logins in a day"
        assert all(gate.failures(ACCOUNT) < MAX_FAILURES for gate in self.argocd.gates), "the human is locked out"

    def before_mint(self, key_id: str) -> None:
        """A key is made under an id that was never used and that the journal has."""
        assert key_id not in self.used_ids, f"the id {key_id} is used again"
        self.used_ids.add(key_id)
        assert key_id in self.journal().owned, f"{key_id} is made without a note in the journal"

    def before_delete(self, key_id: str) -> None:
        """Nothing is deleted that is foreign, or in use, or not noted before."""
        assert key_id in self.used_ids, f"the foreign key {key_id} is deleted"
        assert key_id != self.token_id(), f"the Secret's key {key_id} is deleted"
        assert key_id in self.journal().owned or self.late, f"{key_id} is deleted without a note in the journal"
        if not self.policy.watch_consumers or not self.pods_visible:
            return
        self.restart_due()
        users = [pod.name for pod in self.pods if pod.token and read_claims(pod.token).token_id == key_id]
        told = any(name in one.note for one in self.announced for name in users)
        assert not users or told, f"{key_id} is deleted while {users} run with it"

    def before_login(self) -> None:
        """A login is counted before it is sent."""
        assert self.journal().logins.failures, "a login is sent that the journal does not count"

    def before_publish(self, token: str) -> None:
        """Only a proven key is published, and the journal knew it before."""
        journal = self.journal()
        assert journal.state is State.VERIFIED or self.late, f"published in state {journal.state}"
        assert journal.token == Secret(token) or self.late

    def restart_due(self) -> None:
        """The pods whose restart is over by now run with what the Secret holds then."""
        for pod in self.pods:
            if pod.restart_at is not None and pod.restart_at <= self.clock.true():
                pod.started, pod.restart_at, pod.token = pod.restart_at, None, self.secret.value
                pod.restarts += 1

    def ask(
        self,
        method: str,
        path: str,
        token: Secret | None = None,
        body: Mapping[str, object] | None = None,
        cookie: str | None = None,
    ) -> Reply | Fault:
        """What Argo CD answers, or what stands before it."""
        if self.argocd_fault is not None:
            return Fault(self.argocd_fault)
        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token.reveal()}"
        if cookie is not None:
            headers["cookie"] = cookie
        raw = json.dumps(body).encode() if body is not None else b""
        if self.echoes and method != "GET":
            said = f"cannot deal with {headers} {raw.decode()}"
            return Reply(403, json.dumps({"code": 7, "message": said, "error": said}).encode(), "application/json")
        if self.deaf_to_deletes and method == "DELETE":
            return Reply(200, b"{}", "application/json")
        got: Response = handle(self.argocd, Request(method, path, headers, raw))
        if got.broken is not None:
            return Fault(FaultKind.REFUSED)
        return Reply(got.status, got.body, got.headers.get("content-type", ""))

    def _replica(self) -> int:
        if self.next_replicas:
            return self.next_replicas.pop(0)
        if self.sticky:
            return 0
        self._next_replica = (self._next_replica + 1) % len(self.lags)
        return self._next_replica
