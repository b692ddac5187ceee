"""People, GitOps tools and the machines themselves: all who interfere, each by what they do.

`draw` lets them act at moments of its choice; a scenario calls them by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.core.claims import read_claims
from monitor.simulator.api import handle
from monitor.simulator.kubernetes import kubectl
from monitor.simulator.messages import Request
from monitor.simulator.settings import Capability
from monitor.simulator.state import BOTH, NoSuchAccountError, NoSuchKeyError

from simulation.cluster import NAMESPACE, PASSWORD, TARGET, TOKEN, WORKLOAD

if TYPE_CHECKING:
    from simulation.world import World

EDITOR, GITOPS, OPERATOR = "kubectl-edit", "argocd-controller", "external-secrets"


class People:
    """Everybody in one world but the monitor."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hand_made = 0
        self._passwords = 0
        self._declared: str | None = None  # what a GitOps tool puts back
        self._reverts_left = 0
        self.last_login = float("-inf")

    def prepare(self) -> None:
        """What is there before the monitor comes."""
        match self._world.plan.starts_with:
            case "a live token":
                self.put_own_token()
            case "a short token":
                self.put_own_token(3600.0)
            case "a dead token":
                self.put_own_token()
                self.revoke()
            case "garbage":
                self._write_token("not a token", EDITOR)

    def look(self) -> None:
        """GitOps tools look at the Secret every few seconds."""
        if self._reverts_left > 0 and self._declared is not None:
            present = self._world.cluster.read(TOKEN)
            if present is not None and present != self._declared:
                self._reverts_left -= 1
                self._write_token(self._declared, GITOPS)

    def mend(self) -> None:
        """What only people can mend is mended, and nobody interferes any more."""
        world = self._world
        self._reverts_left = 0
        for pod in range(world.argocd.replicas):
            world.argocd.unstick(pod)
        world.pods.mend()
        account = world.argocd.settings.accounts["ci"]
        if not account.enabled or not account.declared or Capability.API_KEY not in account.capabilities:
            world.argocd.create_account("ci", capabilities=BOTH)
        if world.plan.by_password:
            if world.cluster.read(PASSWORD) != world.password:
                world.cluster.write(PASSWORD, world.password, EDITOR)
        elif world.everywhere(world.cluster.read(TOKEN)) is not True:
            self.put_own_token()

    # --- keys ----------------------------------------------------------------------------------------------------------

    def revoke(self) -> None:
        """Deletes the Secret's key in Argo CD."""
        token = self._world.cluster.read(TOKEN)
        self._revoke(read_claims(token).token_id if token else None)

    def revoke_newest(self) -> None:
        """Deletes the newest key of the account, whoever uses it."""
        keys = self._world.argocd.settings.accounts["ci"].keys
        self._revoke(keys[-1].id if keys else None)

    def mint_by_hand(self) -> None:
        """Makes a key that the monitor has nothing to do with."""
        self._own_key(0)

    def put_own_token(self, lifetime: float = 0.0) -> None:
        """Makes a key and puts it into the Secret."""
        token = self._own_key(int(lifetime))
        if token is not None:
            self._write_token(token, EDITOR)

    def put_garbage(self) -> None:
        """Writes something that is no token."""
        self._write_token("oops", EDITOR)

    # --- the Secret ----------------------------------------------------------------------------------------------------

    def delete_secret(self) -> None:
        """Deletes the whole Secret."""
        self._world.cluster.delete(TOKEN[0])

    def delete_value(self) -> None:
        """Takes the token out of the Secret."""
        if kubectl.get(self._world.cluster.state, "secrets", NAMESPACE, TOKEN[0]) is not None:
            kubectl.set_value(self._world.cluster.state, NAMESPACE, *TOKEN, None)

    def recreate_secret(self) -> None:
        """An operator deletes the Secret and makes it again with the same token."""
        present = self._world.cluster.read(TOKEN)
        self._world.cluster.delete(TOKEN[0])
        if present is not None:
            self._write_token(present, OPERATOR)

    def touch_secret(self) -> None:
        """Labels the Secret: its version changes, and nothing else."""
        state = self._world.cluster.state
        if kubectl.get(state, "secrets", NAMESPACE, TOKEN[0]) is not None:
            mark = {"metadata": {"labels": {"touched": f"at-{self._world.now:.0f}"}}}
            kubectl.change(state, "secrets", NAMESPACE, TOKEN[0], mark, manager=EDITOR)

    def declare(self, reverts: float) -> None:
        """A GitOps tool takes the present token for what is declared, and puts it back so many times."""
        self._declared = self._world.cluster.read(TOKEN)
        self._reverts_left = int(reverts)

    # --- the account ---------------------------------------------------------------------------------------------------

    def change_password(self, told_after: float = 0.0) -> None:
        """A new password, which is in the Secret so many seconds later; every older key is dead."""
        world = self._world
        self._passwords += 1
        world.password = f"password {self._passwords} of {world.seed:08d}"
        world.secrets.append(world.password)
        if world.argocd.settings.account("ci") is not None:
            world.argocd.change_password("ci", world.password)
        world.outside(told_after, self._tell_password)

    def write_wrong_password(self) -> None:
        """A slip: the Secret holds another password than the account's."""
        if self._world.plan.by_password:
            wrong = f"wrong password {self._world.now:.0f}"
            self._world.secrets.append(wrong)
            self._world.cluster.write(PASSWORD, wrong, EDITOR)

    def disable(self, seconds: float) -> None:
        """The account is switched off for so long."""
        if self._world.argocd.settings.account("ci") is not None:
            self._world.argocd.disable_account("ci")
            self._world.outside(seconds, self._enable)

    def remove_account(self, seconds: float) -> None:
        """The account is taken out of argocd-cm for so long."""
        if self._world.argocd.settings.account("ci") is not None:
            self._world.argocd.remove_account("ci")
            self._world.outside(seconds, self._enable)

    def take_capability(self, seconds: float) -> None:
        """The account may not have API keys for so long."""
        if self._world.argocd.settings.account("ci") is not None:
            self._world.argocd.set_capabilities("ci", Capability.LOGIN)
            self._world.outside(seconds, self._enable)

    def log_in_wrongly(self, times: float) -> None:
        """A human mistypes the password."""
        self.last_login = self._world.now
        body = b'{"username":"ci","password":"mistyped"}'
        request = Request("POST", "/api/v1/session", {"content-type": "application/json"}, body)
        for _ in range(int(times)):
            handle(self._world.argocd, request, self._world.any_replica())

    # --- Argo CD -------------------------------------------------------------------------------------------------------

    def restart_argocd(self, outage: float) -> None:
        """Its pods are replaced."""
        self._world.restart_argocd(outage)

    def change_signing_key(self, outage: float) -> None:
        """A new `server.secretkey`: every token is dead, and Argo CD restarts."""
        self._world.argocd.change_signing_key()
        self._world.restart_argocd(outage)

    def replace_pod(self, pod: float, noticed_after: float) -> None:
        """One replica of Argo CD gets a new pod at a new address; the EndpointSlice has it so many seconds later."""
        self._world.replace_pod(int(pod), noticed_after)

    def stick_pod(self, pod: float, seconds: float) -> None:
        """The watch of one replica dies: it learns nothing new for so long, or until it writes or is replaced."""
        self._world.argocd.stick(int(pod))
        self._world.outside(seconds, self._world.argocd.unstick, int(pod))

    def unready_pod(self, pod: float, seconds: float) -> None:
        """One replica is taken out of the EndpointSlice for so long, and runs on."""
        self._world.pods.unready(int(pod), seconds)

    def wall_off_pod(self, pod: float, seconds: float) -> None:
        """New connections to the address of one replica get no answer for so long."""
        self._world.pods.wall_off(int(pod), seconds)

    def empty_slice(self, seconds: float) -> None:
        """Somebody breaks the Service's selector: no pod is in the EndpointSlice for so long."""
        self._world.pods.withhold(seconds)

    # --- the Kubernetes API --------------------------------------------------------------------------------------------

    def compact(self) -> None:
        """etcd forgets its history: watches and lists from before get 410."""
        self._world.cluster.state.compact()
        self._world.cluster.state.expire_watches()
        self._world.invariants.watches_are_gone()

    def drop_watches(self) -> None:
        """A proxy closes all idle connections."""
        self._world.cluster.state.drop_watches()
        self._world.invariants.watches_are_gone()

    def silence_watches(self) -> None:
        """Open watches hear nothing more, and are not told so."""
        self._world.cluster.state.silence_watches()
        self._world.invariants.watches_are_silent()

    def kubernetes_away(self, seconds: float) -> None:
        """The API is gone for so long, with all its watches."""
        self._world.cluster.state.go_away(seconds)
        self._world.invariants.kubernetes_is_away(seconds)

    def edit_workload(self) -> None:
        """Somebody rolls the workload for a reason of their own."""
        state = self._world.cluster.state
        if kubectl.get(state, "deployments", NAMESPACE, WORKLOAD) is not None:
            mark = {"spec": {"template": {"metadata": {"annotations": {"edited": f"{self._world.now:.0f}"}}}}}
            kubectl.change(state, "deployments", NAMESPACE, WORKLOAD, mark, manager=EDITOR)

    # --- the monitor's machines ----------------------------------------------------------------------------------------

    def demand(self, replica: float) -> None:
        """Somebody asks for a new key."""
        daemon = self._world.replicas[int(replica)].daemon
        if daemon is not None:
            daemon.demand(TARGET)

    def crash(self, replica: float, back_after: float, steps: float = 1.0) -> None:
        """kill -9, so many steps from now; a new process comes so much later, and never before the old one is gone."""
        chosen = self._world.replicas[int(replica)]
        chosen.crash_in(int(steps))
        self._world.outside(back_after, chosen.start_after, chosen.process, back_after)

    def end(self, replica: float, back_after: float) -> None:
        """SIGTERM, and a new process so much later, as after `crash`."""
        chosen = self._world.replicas[int(replica)]
        chosen.end()
        self._world.outside(back_after, chosen.start_after, chosen.process, back_after)

    def freeze(self, replica: float, seconds: float) -> None:
        """The process stands still for so long, and goes on as if nothing had been."""
        self._world.replicas[int(replica)].freeze(seconds)

    def set_clock(self, replica: float, seconds: float) -> None:
        """The clock of a machine is set: it is wrong by so much (negative: behind)."""
        self._world.replicas[int(replica)].clock.wrong_by = seconds

    # --- inside --------------------------------------------------------------------------------------------------------

    def _tell_password(self) -> None:
        if self._world.plan.by_password:
            self._world.cluster.write(PASSWORD, self._world.password, EDITOR)

    def _enable(self) -> None:
        self._world.trace.tell("people: the account is as it was")
        self._world.argocd.create_account("ci", capabilities=BOTH)

    def _own_key(self, lifetime: int) -> str | None:
        self._hand_made += 1
        account = self._world.argocd.settings.account("ci")
        if account is None or Capability.API_KEY not in account.capabilities:
            return None
        token = self._world.argocd.mint_key("ci", f"by-hand-{self._hand_made}", lifetime)
        self._world.secrets.append(token)
        return token

    def _write_token(self, token: str, manager: str) -> None:
        self._world.cluster.write(TOKEN, token, manager)

    def _revoke(self, key_id: str | None) -> None:
        try:
            if key_id:
                self._world.argocd.revoke_key("ci", key_id)
        except (NoSuchKeyError, NoSuchAccountError):
            pass  # somebody was faster
