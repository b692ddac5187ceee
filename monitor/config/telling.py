"""The sections of the configuration file that say whom the monitor tells by itself: Alertmanagers, an uptime service."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, model_validator

from monitor.config import fields
from monitor.config.durations import DAY, MINUTE
from monitor.config.sections import Finding, Section, Text, Tls, several
from monitor.core import alerts
from monitor.core.alerts import RUNBOOKS
from monitor.core.secret import Secret

MAX_ALERTMANAGERS = 16

THRESHOLD = fields.duration(1, 3650 * DAY)
RESEND = fields.duration(10, 30 * MINUTE)
BEAT = fields.duration(10, DAY)
TIMEOUT = fields.duration(0.1, 5 * MINUTE)
_DEFAULTS = alerts.Thresholds()


class Thresholds(Section):
    """When alerts fire; the same as in the rules, which have these names in the Helm chart."""

    refused_for: Annotated[float, THRESHOLD] = float(_DEFAULTS.refused_for)
    """How long a token must be refused; a rotation mends it within seconds."""
    expiring_warning: Annotated[float, THRESHOLD] = float(_DEFAULTS.expiring_warning)
    """How long before a token ends a warning is given; with a quarter of its lifetime left at the earliest."""
    expiring_critical: Annotated[float, THRESHOLD] = float(_DEFAULTS.expiring_critical)
    """How long before a token ends somebody is paged; with a tenth of its lifetime left at the earliest."""
    expiring_for: Annotated[float, THRESHOLD] = float(_DEFAULTS.expiring_for)
    """How long it must be near its end."""
    not_verified_for: Annotated[float, THRESHOLD] = float(_DEFAULTS.not_verified_for)
    """How long no check could tell whether a token is accepted."""
    needs_attention_for: Annotated[float, THRESHOLD] = float(_DEFAULTS.needs_attention_for)
    """How long a token must be of the wrong account, or lack a permission."""
    rotation_failing_for: Annotated[float, THRESHOLD] = float(_DEFAULTS.rotation_failing_for)
    """How long rotations must fail."""
    anonymous_access_for: Annotated[float, THRESHOLD] = float(_DEFAULTS.anonymous_access_for)
    """How long Argo CD must answer without any credential."""
    config_rejected_for: Annotated[float, THRESHOLD] = float(_DEFAULTS.config_rejected_for)
    """How long a changed configuration must be one that cannot be used."""
    targets_unseen_for: Annotated[float, THRESHOLD] = float(_DEFAULTS.targets_unseen_for)
    """How long Prometheus must see fewer targets than there are; for the rules only."""
    down_for: Annotated[float, THRESHOLD] = float(_DEFAULTS.down_for)
    """How long the monitor must be gone; for the rules only."""
    settle: Annotated[float, THRESHOLD] = float(_DEFAULTS.settle)
    """How long after a start all is known."""
    gap: Annotated[float, THRESHOLD] = float(_DEFAULTS.gap)
    """How long an alert fires on after what it tells of is over, so that it does not come and go."""

    @model_validator(mode="after")
    def _no_contradiction(self) -> Thresholds:
        findings = list(self._contradictions())
        if findings:
            raise several(findings)
        return self

    def _contradictions(self) -> Iterator[Finding]:
        if self.expiring_critical >= self.expiring_warning:
            yield (
                "expiringCritical",
                "is not shorter than expiringWarning",
                "make it shorter, or expiringWarning longer",
            )
        if self.down_for >= self.gap:
            yield "downFor", "is not shorter than gap", "make it shorter, or gap longer"

    @property
    def whole_seconds(self) -> dict[str, int]:
        """Each threshold in whole seconds, as the rules have them."""
        return {name: math.ceil(getattr(self, name)) for name in type(self).model_fields}


class Alerts(Section):
    """The alerts that the monitor itself sends."""

    runbooks: Annotated[str, fields.WEB_ADDRESS] = RUNBOOKS
    """Address below which the runbooks are; each alert has a link there."""
    thresholds: Thresholds = Thresholds()
    """When they fire."""


class BasicAuth(Section):
    """A user name and a password."""

    username: Annotated[str, fields.BASIC_USERNAME]
    """The user name."""
    password_file: Annotated[str, fields.REQUIRED_FILE]
    """A file that holds the password; it is read again at every request."""


class Alertmanager(Section):
    """Alertmanagers that are told directly, beside or instead of Prometheus and its rules."""

    urls: Annotated[tuple[Annotated[str, fields.WEB_ADDRESS], ...], Field(min_length=1, max_length=MAX_ALERTMANAGERS)]
    """Every instance of the cluster, with its path prefix; never a load balancer before them."""
    basic_auth: BasicAuth | None = None
    """User name and password, if they ask for one."""
    bearer_token_file: Text = None
    """A file that holds a bearer token, for a proxy before them; it is read again at every request."""
    tls: Tls = Tls()
    """Certificates of the Alertmanagers."""
    labels: Annotated[Mapping[str, str], fields.LABELS] = {}
    """Labels of every alert beside its own. Where Prometheus sends the same alerts: those that it adds (its
    external_labels, and `namespace` and `cluster` of the scrape), so that both are one alert. In a pod, `namespace`
    is there by itself; an empty text takes it away."""
    resend_interval: Annotated[float, RESEND] = MINUTE
    """How often an alert that fires is told again; after four intervals without it, Alertmanager takes it as over."""
    timeout: Annotated[float, TIMEOUT] = 10.0
    """Deadline of one whole request."""

    @model_validator(mode="after")
    def _fits(self) -> Alertmanager:
        findings: list[Finding] = []
        if len(set(self.urls)) < len(self.urls):
            findings.append(("urls", "names one instance more than once", "keep each once"))
        if self.basic_auth is not None and self.bearer_token_file is not None:
            findings.append(("bearerTokenFile", "is given beside basicAuth", "keep one of them"))
        if findings:
            raise several(findings)
        return self


class Heartbeat(Section):
    """An address that is called while the monitor works, so that somebody notices when it does not."""

    url: Annotated[Secret | None, fields.SECRET_ADDRESS] = None
    """The address, if it is no secret. Give url or urlFile."""
    url_file: Text = None
    """A file that holds the address; it is read again at every call."""
    method: Annotated[str, fields.choice("GET", "HEAD", "POST", of="heartbeat.method")] = "GET"
    """How it is called."""
    interval: Annotated[float, BEAT] = MINUTE
    """How often it is called."""
    timeout: Annotated[float, TIMEOUT] = 10.0
    """Deadline of one whole call."""
    tls: Tls = Tls()
    """Certificates of the uptime service."""

    @model_validator(mode="after")
    def _one_address(self) -> Heartbeat:
        if (self.url is None) == (self.url_file is None):
            raise fields.refuse("needs either url or urlFile", "give one of them")
        return self
