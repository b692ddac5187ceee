"""Alertmanager's API v2, one instance an object.

Facts (Alertmanager 0.25, seen at a real one): an alert is identified by its labels; one that is told again with
`endsAt` in the past is over, and nothing else ends it before its `endsAt`; a batch with one invalid alert is answered
with 400 while the valid ones are stored, an invalid URL in it with 422 and none is; `GET /api/v2/alerts` lists those
that are not over.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from yarl import URL

from monitor.adapters.file_reading import NotAFileError, in_words, read_file, shown
from monitor.adapters.http_call import HttpCaller, Method
from monitor.core.alert_texts import Outgoing
from monitor.core.delivery import Accepted, Active, Failed, Receipt, Unacceptable
from monitor.core.model import Answer, Fault, FaultKind, Reply
from monitor.core.report import rfc3339
from monitor.core.secret import Secret
from monitor.core.text import printable

PATH = "/api/v2/alerts"
OURS = 'alertname=~"TokenMonitor.+"'
MAX_WORDS = 200
MAX_CREDENTIAL = 64 * 1024
# Ten thousand alerts with their texts.
MAX_ACTIVE = 16 * 1024 * 1024

_CERTIFICATE = (
    FaultKind.TLS_EXPIRED,
    FaultKind.TLS_NOT_YET_VALID,
    FaultKind.TLS_UNKNOWN_CA,
    FaultKind.TLS_WRONG_HOST,
    FaultKind.TLS_OTHER,
)


@dataclass(frozen=True, slots=True)
class Credential:
    """With what requests are authorised: a bearer token, or with `username` a password. It is read at every request."""

    file: str
    username: str | None = None

    def header(self) -> Secret:
        """The value of `Authorization`. Raises CredentialError."""
        value = self._read()
        if self.username is None:
            return Secret(f"Bearer {value}")
        return Secret("Basic " + base64.b64encode(f"{self.username}:{value}".encode()).decode())

    def _read(self) -> str:
        where = f"{'bearerTokenFile' if self.username is None else 'basicAuth.passwordFile'} {shown(self.file)}"
        try:
            data = read_file(self.file, MAX_CREDENTIAL).data
            value = data.decode().rstrip("\r\n")
        except FileNotFoundError:
            raise CredentialError(f"{where} does not exist: mount it, or correct the path") from None
        except NotAFileError:
            raise CredentialError(f"{where} is not a regular file: give the path of a file") from None
        except OSError as error:
            raise CredentialError(f"{where} cannot be read: {in_words(error, 'let the monitor read it')}") from None
        except ValueError:
            raise CredentialError(f"{where} is not text: write the credential alone into it") from None
        if len(data) > MAX_CREDENTIAL or not value or not value.isprintable():
            raise CredentialError(f"{where} does not hold one line of text: write the credential alone into it")
        if self.username is None and not (value.isascii() and " " not in value):
            raise CredentialError(f"{where} holds no bearer token: write the token alone into it")
        return value


class CredentialError(Exception):
    """The credential cannot be read: where, why, and what to do."""


class AlertmanagerSink:
    """One instance. base: its address with the path prefix, without a trailing slash. place: labels of all our alerts."""

    def __init__(
        self,
        base: str,
        caller: HttpCaller,
        credential: Credential | None = None,
        place: Mapping[str, str] | None = None,
    ) -> None:
        self._base = base
        self._caller = caller
        self._credential = credential
        self._alerts = URL(base + PATH, encoded=True)
        filters = [
            OURS,
            *(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in (place or {}).items() if value),
        ]
        self._ours = self._alerts.with_query([("filter", text) for text in filters])

    @property
    def name(self) -> str:
        """Its address."""
        return self._base

    async def tell(self, alerts: Sequence[Outgoing]) -> Receipt:
        """Tells it of these alerts, in one request."""
        answer = await self._call("POST", self._alerts, json.dumps([_posted(alert) for alert in alerts]).encode())
        return answer if isinstance(answer, Failed) else receipt(answer)

    async def active(self) -> Sequence[Active] | Failed:
        """Those of our alerts that it holds as firing."""
        answer = await self._call("GET", self._ours, None)
        if isinstance(answer, Failed):
            return answer
        got = receipt(answer)
        if isinstance(got, Unacceptable):
            return Failed(f"refuses the question for its alerts: {got.why}; it must be an Alertmanager 0.16 or newer")
        if isinstance(got, Failed):
            return got
        return await asyncio.to_thread(_listed, answer)

    async def _call(self, method: Method, url: URL, body: bytes | None) -> Reply | Failed:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        try:
            if self._credential is not None:
                headers["Authorization"] = self._credential.header().reveal()
        except CredentialError as error:
            return Failed(str(error))
        answer: Answer = await self._caller.call(
            method, url, headers, body, MAX_ACTIVE if body is None else MAX_WORDS * 100
        )
        return _unanswered(answer) if isinstance(answer, Fault) else answer


def receipt(reply: Reply) -> Receipt:
    """What an answer to a batch of alerts means."""
    is_json = "json" in reply.content_type
    match reply.status:
        case 200 | 201 | 202 | 204:
            if "html" in reply.content_type:
                return Failed("answers with a page: give the address of Alertmanager itself, without a login before it")
            return Accepted()
        case 400 | 413 | 422 if is_json or reply.status == 413:
            return Unacceptable(_words(reply))
        case 401 | 403:
            return Failed(
                f"refuses the credential ({reply.status}): check alertmanager.basicAuth or alertmanager.bearerTokenFile"
            )
        case 404 | 405:
            return Failed(f"has no such API ({reply.status}): put Alertmanager's path prefix into the url")
        case 429:
            return Failed("asks for fewer requests (429): raise the limit of the proxy before it")
        case status if 300 <= status < 400:
            return Failed(f"sends elsewhere ({status}): give the address to which it leads, if it is Alertmanager's")
        case status if status >= 500:
            return Failed(f"failed to answer ({status}): look at its log and at that of the proxy before it")
        case status:
            return Failed(
                f"answered {status} {_words(reply)}: check that the url is that of an Alertmanager".replace("  ", " ")
            )


def _words(reply: Reply) -> str:
    """What an error says, in its two forms: a text, or an object with a message."""
    try:
        said = json.loads(reply.body[: MAX_WORDS * 100])
    except (ValueError, RecursionError):
        return ""
    if isinstance(said, dict):
        said = said.get("message")
    return printable(said, MAX_WORDS) if isinstance(said, str) else ""


def _unanswered(fault: Fault) -> Failed:
    kind, detail = fault.kind, f" ({fault.detail})" if fault.detail else ""
    if kind is FaultKind.TLS_NOT_SPOKEN:
        return Failed(f"does not speak TLS{detail}: write http:// in its url, or switch on TLS there")
    if kind in _CERTIFICATE:
        return Failed(f"cannot be trusted: {kind.value}{detail}: give its CA in alertmanager.tls.caFile")
    if kind is FaultKind.TOO_LARGE:
        return Failed(f"answers with {fault.detail}: check that the url is that of an Alertmanager")
    return Failed(f"cannot be reached: {kind.value}{detail}: check its url, that it runs, and the network policies")


def _posted(alert: Outgoing) -> dict[str, Any]:
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": rfc3339(alert.ends_at),
    }


def _listed(reply: Reply) -> Sequence[Active] | Failed:
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        return Failed("does not list its alerts: check that the url is that of an Alertmanager")
    return tuple(_active(found))


def _active(found: Sequence[Any]) -> Iterator[Active]:
    """Those that are as Alertmanager makes them; whatever else is there is passed over."""
    for one in found:
        if not isinstance(one, dict):
            continue
        labels, annotations = one.get("labels"), one.get("annotations")
        try:
            starts_at = datetime.fromisoformat(one["startsAt"]).timestamp()
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        if _are_texts(labels) and _are_texts(annotations):
            yield Active(labels, annotations, starts_at)


def _are_texts(found: object) -> TypeGuard[dict[str, str]]:
    return isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
