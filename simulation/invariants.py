"""What must hold at every moment (design.md, "Rotation that strands nobody"), checked against the servers themselves.

`argocd_was_asked` looks at each request the moment it arrives; `look` at the whole, every few seconds and after
whatever people did. Where a rule has time to be fulfilled, that time begins anew whenever something outside of the
monitor's reach (an outage, a frozen process) was in the way: those are the excuses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from monitor.core.alert_conditions import CONDITIONS, Sight
from monitor.core.alerts import AlertName, Thresholds
from monitor.core.budget import next_login
from monitor.core.claims import read_claims
from monitor.core.journal import State
from monitor.core.report import TargetReport
from monitor.core.secret import Secret
from monitor.simulator.messages import Request, Response
from monitor.simulator.settings import Capability
from monitor.simulator.settings import Settings as ArgoCDSettings

from simulation.cluster import TARGET, TOKEN
from simulation.pod_rules import PodRules
from simulation.weather import Side

if TYPE_CHECKING:
    from simulation.world import World

ACCOUNT = "ci"
MAX_LIVE = 3
LOGIN_PAUSE = 360.0
DAY = 86_400.0
# What a request and its answer, and a write behind it, may take at the outside: longer ago is not "at the same moment".
IN_FLIGHT = 25.0
# Until a watch that fell silent is given up, and what it missed is read anew.
WATCH_BLIND = 110.0
# After an outage checks come more seldom: four intervals at most, with jitter.
BACKED_OFF = 4.8
REFUSED_FOR = 30.0
UNMENDABLE_KNOWN = 90.0
# Until watches that were ended are begun anew, with a list that is spread.
REWATCHED = 15.0
# After a change inside Argo CD that is watched: two looks, the second after three seconds, and what each of them takes.
SEEN_AT_ONCE = 10.0
AT_ONCE = 0.5
# A token that is accepted everywhere for so long is known to be: nobody has a reason to log in.
LONG_ACCEPTED = 90.0
# At the end: for how long a rotation may be under way, and until when what is left over is swept.
UNDER_WAY = 1200.0
SWEPT_SOON = 700.0


class Invariants:
    """The rules of one world, and what they remember."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.minted: dict[str, float] = {}
        self.deleted_alive: dict[str, float] = {}
        self.failed_logins: list[float] = []
        self._token: str | None = None
        self._token_since = 0.0
        self._held_until: dict[str, float] = {}
        self._truth: bool | None = None
        self._truth_before: bool | None = None
        self._truth_since = 0.0
        self._excused_until = 0.0
        self._rewatched_at = 0.0
        self._killed_at: float | None = None
        self._alert_since: float | None = None
        self._unmendable_since: float | None = None
        self._thresholds = Thresholds()
        self.pods = PodRules(world)

    # --- at each request -----------------------------------------------------------------------------------------------

    def argocd_was_asked(
        self, request: Request, answer: Response, before: ArgoCDSettings, sender: str, sent: float
    ) -> None:
        """A request of the monitor arrived at Argo CD, and was answered so."""
        del sender
        parts = [unquote(part) for part in request.target.split("/")[1:]]
        if request.method == "POST" and parts[-1] == "token":
            self._made_a_key(json.loads(request.body), answer, sent)
        elif request.method == "DELETE" and len(parts) >= 2 and parts[-2] == "token":
            self._deleted_a_key(parts[-1], before, sent)
        elif request.method == "POST" and parts[-1] == "session":
            self._logged_in(answer, sent)
        if self._world.argocd.settings is not before:
            self.something_changed()

    def _made_a_key(self, body: Mapping[str, Any], answer: Response, sent: float) -> None:
        key_id = str(body["id"])
        world = self._world
        if key_id in self.minted:
            world.violate(f"the id {key_id} is used a second time")
        self.minted[key_id] = sent
        journal = world.cluster.journal()
        if journal is None or key_id not in journal.owned:
            world.violate(f"the key {key_id} is made without a note of it in the journal")
        if answer.status == 200:
            token = json.loads(answer.body).get("token")
            if isinstance(token, str):
                world.secrets.append(token)
        self._not_in_vain("a key is made", sent)

    def _deleted_a_key(self, key_id: str, before: ArgoCDSettings, sent: float) -> None:
        world = self._world
        if key_id not in self.minted:
            world.violate(f"the key {key_id} is deleted, and was made by somebody else")
        journal = world.cluster.journal()
        noted = journal is not None and key_id in journal.owned
        if not noted and world.now - sent < IN_FLIGHT:
            world.violate(f"the key {key_id} is deleted without a note of it in the journal")
        held, since = (read_claims(self._token).token_id if self._token else None), sent - self._token_since
        if held == key_id and since > IN_FLIGHT:
            world.violate(f"the key {key_id} is deleted, which the Secret has held for {since:.0f} s")
        account = before.account(ACCOUNT)
        if account is not None and account.key(key_id) is not None:
            self.deleted_alive.setdefault(key_id, world.now)

    def _logged_in(self, answer: Response, sent: float) -> None:
        world = self._world
        journal = world.cluster.journal()
        if journal is None or not journal.logins.failures:
            world.violate("a login is sent that the journal does not count")
        self._not_in_vain("a login is sent", sent)
        since = max(self._truth_since, self._token_since)
        if self._truth is True and sent - since > LONG_ACCEPTED:
            world.violate(f"a login is sent though the Secret's token is accepted since {sent - since:.0f} s")
        if answer.status != 401:
            return  # Argo CD counts what it refuses itself
        if self.failed_logins and sent - self.failed_logins[-1] < LOGIN_PAUSE:
            world.violate(f"two failed logins within {sent - self.failed_logins[-1]:.0f} s")
        if len(self.failed_logins) >= 3 and sent - self.failed_logins[-3] < DAY:
            world.violate("more than three failed logins within a day")
        self.failed_logins.append(sent)

    def _not_in_vain(self, what: str, sent: float) -> None:
        since = self._unmendable_since
        if not self._shows_the_cause():
            return
        if since is not None and sent - max(since, self._excused_until) > UNMENDABLE_KNOWN:
            self._world.violate(f"{what} though the account is disabled, gone or without the capability")

    def _shows_the_cause(self) -> bool:
        """Whether Argo CD says of the Secret's token what is wrong with its account: nothing else may be wrong with it."""
        return self._token is not None and self._world.accepted_but_for_its_account(self._token)

    def consumer_refused(self, name: str, token: str) -> None:
        """A consumer was refused by Argo CD."""
        key_id = read_claims(token).token_id or ""
        deleted = self.deleted_alive.get(key_id)
        if deleted is None or self._world.everywhere(token) is not False:
            return
        held_until = self._held_until.get(key_id, self._world.now)
        if deleted - held_until >= self._world.plan.longest_wait:
            return  # its owner did not want it to be waited for any longer
        self._world.violate(f"{name} is refused: the monitor deleted {key_id} while it was in use")

    # --- over time -----------------------------------------------------------------------------------------------------

    def something_changed(self) -> None:
        """After each change outside."""
        world = self._world
        ours = world.live_keys() & self.minted.keys()
        if len(ours) > MAX_LIVE:
            world.violate(f"{len(ours)} live keys of ours: {sorted(ours)}")
        journal = world.cluster.journal()
        lost = ours - set(journal.owned) if journal is not None else set()
        if lost:
            world.violate(f"the journal has forgotten live keys of ours: {sorted(lost)}")
        token = world.cluster.read(TOKEN)
        if token != self._token:
            if self._token is not None:
                self._held_until[read_claims(self._token).token_id or ""] = world.now
            self._token, self._token_since = token, world.now
            self._excused_until = max(self._excused_until, world.now)
        truth = world.everywhere(token)
        if truth is not self._truth:
            self._truth_before, self._truth, self._truth_since = self._truth, truth, world.now
            inside = world.now - world.objects.changed_at < AT_ONCE
            self._killed_at = world.now if truth is False and inside else None
        seen = [world.argocd.seen_by(replica).account(ACCOUNT) for replica in range(world.argocd.replicas)]
        # A replica that does not know of it yet says something else, and takes logins and keys.
        bad = all(
            account is None or not account.enabled or Capability.API_KEY not in account.capabilities for account in seen
        )
        if not bad:
            self._unmendable_since = None
        elif self._unmendable_since is None:
            self._unmendable_since = world.now

    def watches_are_gone(self) -> None:
        """They are begun anew within seconds."""
        self._rewatched_at = self._world.now + REWATCHED

    def watches_are_silent(self) -> None:
        """A watch that says nothing is noticed after a while."""
        self._excuse(WATCH_BLIND)

    def kubernetes_is_away(self, seconds: float) -> None:
        """The API is not there for so long."""
        self._excuse(seconds + WATCH_BLIND)

    def look(self) -> None:
        """Every few seconds."""
        self.something_changed()
        self._excuses()
        reports = self._reports()
        self._alerts(reports)
        self._told_in_time()
        for name, report in reports:
            self._no_false_alarm(name, report)
            self._told_at_once(name, report)
        if self._truth is None:
            since = max(self._truth_since, self._token_since)
            self.pods.look_at_a_split(reports, since, self._excused_until, before=self._truth_before)
        self.pods.look(reports)

    def all_is_well(self) -> bool:
        """Whether nothing is left to be done: the token is accepted, no key of ours is left over, nothing is pending."""
        world = self._world
        journal = world.cluster.journal()
        if self._truth is not True or journal is None or journal.state is not State.IDLE:
            return False
        ours = world.live_keys() & self.minted.keys()
        in_use = {read_claims(self._token).token_id} if self._token else set()
        if ours - in_use or not any(replica.up for replica in world.replicas):
            return False
        reports = self._reports()
        return all(report.verdict.accepted for _, report in reports) and self.pods.all_is_well(reports)

    def waits_for_long(self, until: float) -> bool:
        """Whether the monitor has said that nothing will happen before `until` (virtual seconds)."""
        world, journal = self._world, self._world.cluster.journal()
        if journal is None or (self._truth is not True and self._alert_since is None):
            return False
        now = max(replica.clock.now() for replica in world.replicas)
        ends = now + until - world.now
        login = next_login(journal.logins, fingerprint(world.password), now)
        waits = journal.retry_at > ends or (self._truth is False and login > ends)
        return bool(journal.stood_down) or (waits and any(self._whys()))

    def at_the_end(self) -> None:
        """Once nobody has interfered for long: the world is in order, or says why not and until when."""
        world = self._world
        if self.all_is_well():
            return
        journal = world.cluster.journal()
        if journal is None:
            world.violate("at the end the journal cannot be read")
            return
        why = self._whys()
        told = self._truth is True or self._alert_since is not None
        now = max(replica.clock.now() for replica in world.replicas)  # whose times the journal has
        under_way = journal.state is not State.IDLE and not journal.failures and now - journal.began_at < UNDER_WAY
        swept_soon = journal.state is State.IDLE and journal.owned and journal.sweep_at - now < SWEPT_SOON
        if told and (any(why) or under_way or swept_soon):
            world.trace.tell(f"not in order at the end, and waiting: {why}")
            return
        world.violate(f"after {world.plan.calm:.0f} quiet seconds the world is not in order: {self.describe()}")

    def _whys(self) -> list[str]:
        found = [report.rotation for _, report in self._reports()]
        return [rotation.waiting_for or rotation.problem for rotation in found if rotation is not None]

    def describe(self) -> str:
        """What there is, for people. No token is in it."""
        world, journal = self._world, self._world.cluster.journal()
        shown = [
            f"{name}: {report.verdict.status}"
            + (f", {report.rotation.state}, waiting for: {report.rotation.waiting_for}" if report.rotation else "")
            for name, report in self._reports()
        ]
        stored = "no journal"
        if journal is not None:
            stored = (
                f"journal {journal.state} owned {journal.owned} stones {len(journal.tombstones)}"
                f" retry_at +{journal.retry_at - world.clock.now():.0f} sweep +{journal.sweep_at - world.clock.now():.0f}"
                f" stood down {journal.stood_down!r} error {journal.error!r}"
            )
        ours = sorted(world.live_keys() & self.minted.keys())
        held = read_claims(self._token).token_id if self._token else None
        return f"accepted {self._truth}, Secret holds {held}, ours alive {ours}; {stored}; {shown}"

    def _excuse(self, seconds: float) -> None:
        self._excused_until = max(self._excused_until, self._world.now + seconds)

    def _excuses(self) -> None:
        world = self._world
        interval = world.plan.interval
        if not world.weather.fair(Side.ARGOCD, world.now) or not world.argocd_serves():
            self._excuse(BACKED_OFF * interval)
        if not world.weather.fair(Side.KUBERNETES, world.now):
            self._excuse(WATCH_BLIND)
        up = [world.now - replica.up_since for replica in world.replicas if replica.up]
        if not up or max(up) < interval:
            self._excuse(interval)

    def _reports(self) -> list[tuple[str, TargetReport]]:
        found = [(replica.name, replica.report(TARGET)) for replica in self._world.replicas]
        return [(name, report) for name, report in found if report is not None]

    def _alerts(self, reports: list[tuple[str, TargetReport]]) -> None:
        now = self._world.now
        if any(self._calls(report) for _, report in reports):
            if self._alert_since is None:
                self._alert_since = now
        else:
            self._alert_since = None

    def _calls(self, report: TargetReport) -> bool:
        now = self._world.clock.now()
        sight = Sight(report, now, now, self._thresholds)
        return any(
            condition.holds(sight) is True
            for condition in CONDITIONS
            if condition.name is not AlertName.ANONYMOUS_ACCESS
        )

    def _told_in_time(self) -> None:
        """The Secret holds a token that Argo CD accepts, or an alert is firing within two intervals and 30 s."""
        world = self._world
        if self._truth is not False:
            return
        since = max(self._truth_since, self._token_since, self._excused_until)
        late = world.now - since - (2 * world.plan.interval + REFUSED_FOR + 10.0)
        firing = self._alert_since is not None and world.now - self._alert_since >= REFUSED_FOR - 5.0
        if late > 0 and not firing:
            world.violate(
                f"the Secret's token is refused for {world.now - since:.0f} s, and no alert fires: {self.describe()}"
            )

    def _told_at_once(self, name: str, report: TargetReport) -> None:
        """Where Argo CD's own objects are watched, a change that kills the token is shown at once."""
        world = self._world
        changed = self._killed_at
        if self._truth is not False or changed is None or report.verdict.accepted is False:
            return
        replica = world.replica(name)
        in_the_way = max(self._token_since, self._excused_until, self._rewatched_at, replica.frozen_until)
        if max(in_the_way, replica.up_since + REWATCHED) < changed < world.now - SEEN_AT_ONCE:
            world.violate(
                f"{name} shows {report.verdict.status} {world.now - changed:.0f} s after a change that it watches for"
            )

    def _no_false_alarm(self, name: str, report: TargetReport) -> None:
        """Nobody is told that a token is refused which has long been accepted everywhere."""
        world = self._world
        if self._truth is not True or report.verdict.accepted is not False:
            return
        thawed = world.replica(name).frozen_until
        since = max(self._truth_since, self._token_since, self._excused_until, thawed)
        if world.now - since > 2 * world.plan.interval + 30.0:
            world.violate(
                f"{name} shows {report.verdict.status} of a token that is accepted since {world.now - since:.0f} s"
            )


def fingerprint(password: str) -> str:
    """As the journal knows a password."""
    return Secret(password).fingerprint()
