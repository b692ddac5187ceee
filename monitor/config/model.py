"""The configuration file as pydantic sees it: its keys, their defaults and their descriptions.

This is the one source of the published JSON Schema. It knows the shape of each section; what spans sections or targets
is in `rules`, and the values with every default resolved are in `settings`. Keys are camelCase as in Kubernetes.
`${NAME}` is not replaced anywhere: a file means what it says.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from monitor.config import fields
from monitor.config.durations import DAY, MINUTE
from monitor.core.secret import Secret

MAX_TARGETS = 20_000
MAX_PERMISSIONS = 32
SEVERAL = "configuration_several"

INTERVAL = fields.duration(1, DAY)
TIMEOUT = fields.duration(0.1, 5 * MINUTE)
ACCOUNT_INTERVAL = fields.duration(1, 7 * DAY)
EXPIRING_WITHIN = fields.duration(0, 3650 * DAY)

Text = Annotated[str | None, fields.FILE]
Finding = tuple[str, str, str]


def several(findings: list[Finding]) -> PydanticCustomError:
    """One error for all that is wrong between the keys of a section: (key below it, what, what instead)."""
    said = "; ".join(f"{key}: {what}, {instead}" for key, what, instead in findings)
    return PydanticCustomError(SEVERAL, "{said}", {"said": said, "findings": findings})


class Section(BaseModel):
    """A mapping of the file: frozen, no unknown keys; an empty value is the same as a key left out."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_left_out(cls, data: Any) -> Any:
        if isinstance(data, dict) and None in data.values():
            known = known_keys(cls)
            return {key: value for key, value in data.items() if value is not None or key not in known}
        return data


@cache
def known_keys(section: type[BaseModel]) -> tuple[str, ...]:
    """The keys that a section takes, as the file spells them."""
    return tuple(field.alias or name for name, field in section.model_fields.items())


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


class Tls(Section):
    """How the server's certificate is checked, and with which certificate the monitor shows itself."""

    ca_file: Text = None
    """PEM certificates to trust instead of the system's."""
    cert_file: Text = None
    """PEM certificate of the monitor, for servers that ask for one. Needs keyFile."""
    key_file: Text = None
    """PEM key of certFile, without a passphrase."""
    insecure: Annotated[bool, fields.TRUTH] = False
    """Do not check the server's certificate: whoever answers gets the token."""
    server_name: Annotated[str | None, fields.HOST] = None
    """Name to expect in the certificate instead of the host."""

    @model_validator(mode="after")
    def _pairs(self) -> Tls:
        if (self.cert_file is None) != (self.key_file is None):
            given, missing = ("certFile", "keyFile") if self.key_file is None else ("keyFile", "certFile")
            raise fields.refuse(f"{given} is given without {missing}", f"add {missing}")
        return self


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


class Kubernetes(Section):
    """How Secrets are reached: in a pod by its service account, else by KUBECONFIG or ~/.kube/config."""

    kubeconfig: Text = None
    """A kubeconfig file, instead of what is found."""
    context: Annotated[str | None, fields.CONTEXT] = None
    """Context of the kubeconfig."""
    namespace: Annotated[str | None, fields.NAMESPACE] = None
    """Namespace of the Secrets; that of the pod, or of the context, by default."""


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
    required_permissions: Annotated[
        tuple[Annotated[str, fields.PERMISSION], ...], Field(max_length=MAX_PERMISSIONS)
    ] = ()
    """What the consumer needs, as RESOURCE/ACTION/OBJECT; asked of Argo CD (can-i) with the token."""


class Document(Section):
    """Configuration of Token Monitor."""

    interval: Annotated[float, INTERVAL] = 15.0
    """How often each token is tested."""
    timeout: Annotated[float, TIMEOUT] = 10.0
    """Deadline of one whole request."""
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
    targets: Annotated[tuple[Target, ...], Field(min_length=1, max_length=MAX_TARGETS)]
    """What is monitored."""
