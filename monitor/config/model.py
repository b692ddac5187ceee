"""The configuration file as pydantic sees it: its keys, their defaults and their descriptions.

This is the one source of the published JSON Schema. It knows the shape of each section; what spans sections or targets
is in `rules`, and the values with every default resolved are in `settings`. Keys are camelCase as in Kubernetes.
`${NAME}` is not replaced anywhere: a file means what it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field, model_validator

from monitor.config import fields
from monitor.config.discovery import Discovery
from monitor.config.durations import DAY, MINUTE, written
from monitor.config.sections import Finding, Section, Text, Tls, several
from monitor.config.telling import Alertmanager, Alerts, Heartbeat
from monitor.core.secret import Secret
from monitor.core.sharding import MAX_SLOTS

MAX_TARGETS = 20_000
MAX_PERMISSIONS = 32

INTERVAL = fields.duration(1, DAY)
TIMEOUT = fields.duration(0.1, 5 * MINUTE)
ACCOUNT_INTERVAL = fields.duration(1, 7 * DAY)
EXPIRING_WITHIN = fields.duration(0, 3650 * DAY)
# A rotation is an affair of minutes: settle, prove, publish, let the old key live on.
LIFETIME = fields.duration(10 * MINUTE, 3650 * DAY)
RENEW_BEFORE = fields.duration(MINUTE, 3650 * DAY)
EVERY = fields.duration(10 * MINUTE, 3650 * DAY)
GRACE = fields.duration(0, 30 * DAY)


class SecretKeyRef(Section):
    """A key of a Kubernetes Secret."""

    name: Annotated[str | None, fields.SECRET_NAME] = None
    """Name of the Secret."""
    key: Annotated[str | None, fields.SECRET_KEY] = None
    """Key within the Secret."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> SecretKeyRef:
        missing = [key for key, value in (("name", self.name), ("key", self.key)) if value is None]
        if len(missing) == 1:
            raise fields.refuse("both 'name' and 'key' must be set", f"add {missing[0]}")
        return self

    @property
    def is_given(self) -> bool:
        """False for `{}`, which Codefresh's values have by default."""
        return self.name is not None


class Auth(Section):
    """The credential: the block that Codefresh's values use, so that it can be copied."""

    type: Annotated[str, fields.choice("password", "token", of="auth.type")]
    """`token`: an API key is tested. `password`: the monitor can log in and mint the API key itself."""
    token: Annotated[Secret | None, fields.TOKEN] = None
    """The token in clear, for a trial only. Wins over the other two."""
    token_secret_key_ref: SecretKeyRef | None = None
    """The Secret that holds the token. In password mode `argocd-token`, key `token`, by default."""
    token_file: Text = None
    """A file that holds the token."""
    username: Annotated[str | None, fields.USERNAME] = None
    """The account: who logs in (`admin` by default in password mode), and whom the token must belong to."""
    password: Annotated[Secret | None, fields.PASSWORD] = None
    """The password in clear, for a trial only. Wins over the other two."""
    password_secret_key_ref: SecretKeyRef | None = None
    """The Secret that holds the password: `argocd-initial-admin-secret`, key `password`, by default."""
    password_file: Text = None
    """A file that holds the password."""

    @model_validator(mode="after")
    def _one_source_each(self) -> Auth:
        findings: list[Finding] = []
        for word, ref, file in (
            ("token", self.token_secret_key_ref, self.token_file),
            ("password", self.password_secret_key_ref, self.password_file),
        ):
            if ref is not None and ref.is_given and file is not None:
                findings.append(
                    (f"{word}File", f"is given beside {word}SecretKeyRef", f"keep one source of the {word}")
                )
        if self.type == "token" and not self.has_token_source:
            findings.append(
                (
                    "",
                    "type is set to 'token' therefore a source of the token is required",
                    "add tokenSecretKeyRef with name and key, or tokenFile",
                )
            )
        if self.type == "password" and len((self.username or "").encode()) > 32:
            findings.append(
                ("username", "is longer than 32 bytes, which Argo CD refuses at a login", "write an account of Argo CD")
            )
        if findings:
            raise several(findings)
        return self

    @property
    def has_token_source(self) -> bool:
        """Whether any of the three ways to give a token is used."""
        ref = self.token_secret_key_ref
        return self.token is not None or self.token_file is not None or (ref is not None and ref.is_given)


class Server(Section):
    """The Argo CD API server: a Service (always plain http, as Codefresh reaches it) or a URL."""

    svc: Annotated[str | None, fields.SVC] = None
    """Name of the Service; `NAME.NAMESPACE` when it is in another namespace."""
    port: Annotated[int | None, fields.port(1)] = Field(default=None, json_schema_extra={"default": 80})
    """Port of the Service. 80 by default."""
    rootpath: Annotated[str, fields.ROOTPATH] = ""
    """Where Argo CD is served under a path (`--rootpath`), with svc."""
    url: Annotated[str | None, fields.URL] = None
    """Address instead of svc: http or https, a host, and the root path if there is one."""


class ServingTls(Section):
    """Certificate with which the monitor's own pages are served."""

    cert_file: Annotated[str | None, fields.FILE] = None
    """PEM certificate."""
    key_file: Annotated[str | None, fields.FILE] = None
    """PEM key, without a passphrase."""

    @model_validator(mode="after")
    def _pairs(self) -> ServingTls:
        if (self.cert_file is None) != (self.key_file is None):
            given, missing = ("certFile", "keyFile") if self.key_file is None else ("keyFile", "certFile")
            raise fields.refuse(f"{given} is given without {missing}", f"add {missing}")
        return self


class Http(Section):
    """The monitor's own HTTP server."""

    bind: Annotated[str, fields.BIND] = "127.0.0.1"
    """Address to listen on; 0.0.0.0 or :: in a pod."""
    port: Annotated[int, fields.port(0)] = 8080
    """Port to listen on; 0 takes a free one."""
    tls: ServingTls | None = None
    """Serve over https with this certificate."""


class Log(Section):
    """What the monitor writes to standard error."""

    format: Annotated[str, fields.choice("auto", "json", "console", of="log.format")] = "auto"
    """auto: console on a terminal, else json."""
    level: Annotated[str, fields.choice("debug", "info", "warning", "error", of="log.level")] = "info"
    """The least that is written."""


class Lease(Section):
    """Which of several replicas rotates. It saves work; two at once do no harm either."""

    enabled: Annotated[bool | None, fields.TRUTH] = None
    """Whether replicas agree on one of them; where nothing is said, in a pod only."""
    name: Annotated[str, fields.LEASE_NAME] = "token-monitor"
    """Name of the Lease; the same for every replica."""
    namespace: Annotated[str | None, fields.NAMESPACE] = None
    """Its namespace; kubernetes.namespace by default."""


class Shards(Section):
    """Whether replicas share the targets, instead of each checking all of them."""

    enabled: Annotated[bool, fields.TRUTH] = False
    """Share the targets among the replicas. Each holds a Lease of its own, called as kubernetes.lease.name says with
    `-shard-0` and so on behind it."""
    slots: Annotated[int, fields.whole(1, MAX_SLOTS)] = 4
    """How many replicas can share them; more than that wait for a place. The same on every replica; some more than there
    are replicas, for those that come while others go."""


class Kubernetes(Section):
    """How Secrets are reached: in a pod by its service account, else by KUBECONFIG or ~/.kube/config."""

    kubeconfig: Text = None
    """A kubeconfig file, instead of what is found."""
    context: Annotated[str | None, fields.CONTEXT] = None
    """Context of the kubeconfig."""
    namespace: Annotated[str | None, fields.NAMESPACE] = None
    """Namespace of the Secrets; that of the pod, or of the context, by default."""
    lease: Lease = Lease()
    """Which of several replicas rotates. With shards each does for its share, and this Lease is not used."""
    shards: Shards = Shards()
    """How replicas share the targets."""
    events: Annotated[bool, fields.TRUTH] = True
    """Tell by Events beside the token's Secret what happens to it."""


class Rotation(Section):
    """How the monitor replaces the key: in password mode, and in token mode with `renew: true`."""

    enabled: Annotated[bool, fields.TRUTH] = True
    """false: only watch, also in password mode."""
    expires_in: Annotated[float | None, LIFETIME] = None
    """Lifetime of new keys, 10m at least. Without it they never expire, as Codefresh's consumers expect; with renew they
    live as long as the one before."""
    renew_before: Annotated[float | None, RENEW_BEFORE] = None
    """How long before its end a key is replaced; at two thirds of its lifetime by default, at one third at the earliest."""
    every: Annotated[float | None, EVERY] = None
    """Replace the key on a schedule, whether it expires or not."""
    drill_every: Annotated[float | None, EVERY] = None
    """Fire drill: make, prove and delete a key without publishing it, so that it is known that rotation works."""
    grace: Annotated[float, GRACE] = 10 * MINUTE
    """How long the old key lives on after the new one was published."""

    @model_validator(mode="after")
    def _times_fit(self) -> Rotation:
        findings: list[Finding] = []
        if self.expires_in is not None:
            findings += self._within_a_lifetime(self.expires_in)
        if self.every is not None and self.every <= self.grace:
            findings.append(
                (
                    "every",
                    f"is not longer than grace ({written(self.grace)}), so one rotation would run into the next",
                    "make it longer, or grace shorter",
                )
            )
        if self.drill_every is not None and not self.enabled:
            findings.append(
                ("drillEvery", "is given beside enabled: false, so no drill would be held", "keep one of them")
            )
        if findings:
            raise several(findings)
        return self

    def _within_a_lifetime(self, expires_in: float) -> Iterator[Finding]:
        if self.renew_before is not None and self.renew_before >= expires_in:
            yield (
                "renewBefore",
                f"is not shorter than expiresIn ({written(expires_in)}), so a new key would be due at once",
                "make it shorter, like a third of expiresIn",
            )
            return
        # What is left of the old key when it is replaced (`policy.renewal_time`).
        left = expires_in / 3 if self.renew_before is None else min(self.renew_before, expires_in * 2 / 3)
        if self.grace > left:
            yield (
                "grace",
                f"is {written(self.grace)}, longer than a key has left when it is replaced ({written(left)})",
                f"write {written(left)} at most, or a longer expiresIn",
            )


class Consumer(Section):
    """One workload that uses the token."""

    kind: Annotated[str, fields.choice("Deployment", "StatefulSet", "DaemonSet", of="kind")] = "Deployment"
    """Kind of the workload."""
    name: Annotated[str | None, fields.WORKLOAD_NAME] = None
    """Its name. Give name or selector."""
    selector: Annotated[str | None, fields.SELECTOR] = None
    """Label selector of workloads, like app=cap-app-proxy."""
    live: Annotated[bool, fields.TRUTH] = False
    """It reads the Secret anew by itself, through the API, and needs no restart."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Consumer:
        if (self.name is None) == (self.selector is None):
            raise fields.refuse("needs either name or selector", "give one of them")
        return self


class Consumers(Section):
    """Who uses the token: the old key is deleted only when they run with the new one."""

    preset: Annotated[str | None, fields.choice("codefresh", of="preset")] = None
    """codefresh: the workloads of a GitOps Runtime."""
    restart_consumers: Annotated[bool, fields.TRUTH] = False
    """Restart those that read the token only at start (an annotation on their pod template)."""
    longest_wait: Annotated[float, GRACE] = 60 * MINUTE
    """How long the old key waits for them; then it is deleted all the same, and that is told."""
    workloads: Annotated[tuple[Consumer, ...], Field(max_length=50)] = ()
    """Workloads beside the preset's."""

    @model_validator(mode="after")
    def _somebody_to_restart(self) -> Consumers:
        if self.restart_consumers and not self.workloads and self.preset is None:
            raise several([("restartConsumers", "is true and there is nobody to restart", "add workloads or a preset")])
        return self


class WatchArgoCD(Section):
    """Look at the token as soon as something changes inside its Argo CD, in the cluster of the section `kubernetes`."""

    namespace: Annotated[str | None, fields.NAMESPACE] = None
    """Namespace of that Argo CD; by default the one in server.svc, else that of this target's Secrets."""


class Target(Section):
    """One Argo CD API server and the one credential that some consumer uses against it."""

    name: Annotated[str, fields.NAME]
    """How the target is called in metrics, alerts and pages. Unique."""
    server: Server = Server()
    """The API server. Give svc, or url; url may also stand directly below the target."""
    url: Annotated[str | None, fields.URL] = None
    """Short for server.url."""
    tls: Tls = Tls()
    """Certificates of this target."""
    auth: Auth
    """The credential of this target."""
    namespace: Annotated[str | None, fields.NAMESPACE] = None
    """Namespace of this target's Secrets; kubernetes.namespace by default."""
    interval: Annotated[float | None, INTERVAL] = None
    """Instead of the interval for all."""
    timeout: Annotated[float | None, TIMEOUT] = None
    """Instead of the timeout for all."""
    account_interval: Annotated[float | None, ACCOUNT_INTERVAL] = None
    """Instead of the accountInterval for all."""
    expiring_within: Annotated[float | None, EXPIRING_WITHIN] = None
    """Instead of the expiringWithin for all."""
    renew: Annotated[bool, fields.TRUTH] = False
    """Token mode: a key that expires makes its own successor. Nothing is rotated in token mode without it."""
    rotation: Rotation = Rotation()
    """How the key is replaced."""
    consumers: Consumers = Consumers()
    """Who uses the token."""
    required_permissions: Annotated[
        tuple[Annotated[str, fields.PERMISSION], ...], Field(max_length=MAX_PERMISSIONS)
    ] = ()
    """What the consumer needs, as RESOURCE/ACTION/OBJECT; asked of Argo CD (can-i) with the token."""
    every_replica: Annotated[bool, fields.TRUTH] = False
    """Ask each replica behind the Service, too: told where they disagree. For an address that is a Service's: server.svc,
    or a url like https://argocd-server.argocd.svc."""
    # An alias of its own: word by word the name would become watchArgoCd.
    watch_argocd: WatchArgoCD | None = Field(default=None, alias="watchArgoCD")
    """Look at the token as soon as ConfigMap argocd-cm or Secret argocd-secret changes; `{}` where its namespace follows.
    Of the Secret only the metadata is asked for."""


class Document(Section):
    """Configuration of Token Monitor."""

    interval: Annotated[float, INTERVAL] = 15.0
    """How often each token is tested. A check that cannot tell is made again after a minute at most, then ever more
    seldom, four intervals apart at most."""
    timeout: Annotated[float, TIMEOUT] = 10.0
    """Deadline of one whole request, from when it is sent: 32 at once go to one server, and the next ones wait."""
    account_interval: Annotated[float, ACCOUNT_INTERVAL] = 5 * MINUTE
    """How often the account (expiry, capabilities, keys) and the control are looked at."""
    expiring_within: Annotated[float, EXPIRING_WITHIN] = 7 * DAY
    """A token that ends within this time is reported as expiring."""
    http: Http = Http()
    """The monitor's own HTTP server."""
    log: Log = Log()
    """The log."""
    kubernetes: Kubernetes = Kubernetes()
    """How Secrets are reached."""
    state_dir: Text = None
    """Directory of the journals of tokens in files, readable by the monitor only; beside the token's file by default."""
    alerts: Alerts = Alerts()
    """The alerts that the monitor itself sends."""
    alertmanager: Alertmanager | None = None
    """Alertmanagers that are told directly, for those who do not use the rules in Prometheus."""
    heartbeat: Heartbeat | None = None
    """An uptime service that raises an alarm when it hears nothing more from the monitor."""
    discovery: Discovery | None = None
    """Where further targets are found."""
    targets: Annotated[tuple[Target, ...], Field(max_length=MAX_TARGETS)] = ()
    """What is monitored; may be left out where targets are discovered."""
