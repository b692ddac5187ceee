"""What works but should not stay: tokens in clear, certificates that nobody checks, keys that have no effect.

Warnings never stop the monitor. They are said once at start and by `config validate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.config import address
from monitor.config.durations import written
from monitor.config.resolution import TOKEN_SECRET
from monitor.config.settings import (
    AlertmanagerSettings,
    InClear,
    InFile,
    InSecret,
    Settings,
    TargetSettings,
)
from monitor.core.model import Mode
from monitor.core.questions import never_granted


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to change when there is time. text: what is wrong, a semicolon, and what to write instead."""

    path: str
    text: str

    @property
    def what(self) -> str:
        """What is wrong."""
        return self.text.rpartition("; ")[0]

    @property
    def instead(self) -> str:
        """What to write instead."""
        return self.text.rpartition("; ")[2]

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def warnings_of(settings: Settings) -> tuple[Notice, ...]:
    """All warnings: those of the whole, then in the order of the targets."""
    return (
        *(Notice(path, text) for path, text in _of_the_whole(settings)),
        *(
            Notice(f"targets[{index}].{path} ({target.name})", text)
            for index, target in enumerate(settings.targets)
            for path, text in _of_target(target)
        ),
    )


def _of_the_whole(settings: Settings) -> Iterator[tuple[str, str]]:
    in_files = any(target.rotation and isinstance(target.token_source, InFile) for target in settings.targets)
    found = settings.discovery
    if settings.state_dir is not None and not in_files and (found is None or found.directory is None):
        yield "stateDir", "has no effect: no target whose token is in a file is rotated; remove it"
    if settings.alertmanager is not None:
        yield from _alertmanager(settings.alertmanager)
    if found is not None and found.kubernetes is not None and not found.kubernetes.servers:
        said = "is not given: who may write such objects can have Secrets of their namespace sent to a server of theirs"
        yield "discovery.kubernetes.servers", f"{said}; list the hosts of your Argo CDs"


def _alertmanager(told: AlertmanagerSettings) -> Iterator[tuple[str, str]]:
    credential = told.password_file or told.bearer_token_file
    if told.tls.insecure:
        yield "alertmanager.tls.insecure", "certificates are not checked: whoever answers is told; use caFile"
    for index, url in enumerate(told.urls):
        found = address.of_url(url)
        if credential and found.in_the_open:
            yield f"alertmanager.urls[{index}]", f"the credential {found.in_the_open}"


def _of_target(target: TargetSettings) -> Iterator[tuple[str, str]]:
    yield from _credentials(target)
    yield from _transport(target)
    yield from _rotation(target)
    for number, permission in enumerate(target.required_permissions):
        if said := never_granted(permission):
            yield f"requiredPermissions[{number}]", said


def _credentials(target: TargetSettings) -> Iterator[tuple[str, str]]:
    if isinstance(target.token_source, InClear):
        yield "auth.token", "the token is in clear in the configuration, for a trial only; use tokenSecretKeyRef"
    if isinstance(target.password_source, InClear):
        yield "auth.password", "the password is in clear, for a trial only; use passwordSecretKeyRef"
    for word in target.unused_in_clear:
        yield f"auth.{word}", f"is in clear and not used in {target.mode.value} mode; remove it"
    source = target.token_source
    if target.mode is Mode.PASSWORD and isinstance(source, InSecret) and (source.name, source.key) != TOKEN_SECRET:
        yield (
            "auth.tokenSecretKeyRef",
            f"the API key is kept in {source}, and Codefresh's runtime reads {TOKEN_SECRET[0]} in password mode;"
            f" leave it out if the runtime is to use the key",
        )


def _rotation(target: TargetSettings) -> Iterator[tuple[str, str]]:
    for section in target.without_effect:
        yield (
            section,
            "has no effect, as nothing is rotated in token mode without renew; add renew: true to the target, or remove it",
        )
    rotation = target.rotation
    if rotation is None:
        return
    start_only = rotation.codefresh or any(not workload.live for workload in rotation.workloads)
    if start_only and not rotation.restart_consumers:
        wait = written(rotation.longest_wait)
        said = f"those who read the token only at start keep the old key, which is deleted after {wait} at the latest"
        yield "consumers.restartConsumers", f"is not set: {said}; set it, or restart them by other means"


def _transport(target: TargetSettings) -> Iterator[tuple[str, str]]:
    address, tls = target.address, target.tls
    if address.scheme == "https":
        if tls.insecure:
            yield "tls.insecure", "the server's certificate is not checked: whoever answers gets the token; use caFile"
            if tls.ca_file:
                yield "tls.caFile", "has no effect while insecure is true; remove one of them"
        return
    if tls.insecure:
        yield "tls.insecure", "has no effect with http://; remove it"
    for key, value in (("caFile", tls.ca_file), ("certFile", tls.cert_file), ("serverName", tls.server_name)):
        if value:
            yield f"tls.{key}", "has no effect with http://; remove it, or use https"
    if address.in_the_open:
        yield "server", f"the token {address.in_the_open}"
