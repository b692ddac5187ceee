"""Calls of the Kubernetes API: over a way that is found once (`way`), each with a deadline and a bound.

kubernetes-asyncio signs requests (it re-reads the token of a service account). Bodies are read here instead of in its
generated models: they are bounded, cheap, and never logged (its `rest` module writes response bodies, which are Secrets,
to the DEBUG log). Watches have connections of their own, so that they never take those of the requests. Reads wait for
their turn, and their deadline with them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import structlog

from monitor.adapters.kubernetes.library import ConfigException, RESTClientObject
from monitor.adapters.kubernetes.lines import Lines, LineTooLongError
from monitor.adapters.kubernetes.way import DEFAULT_NAMESPACE, UNUSABLE, Way, load, why_unusable
from monitor.adapters.places import Places, TooManyWaitError
from monitor.cluster import Answer, Event, NoAnswer
from monitor.config.settings import KubernetesSettings
from monitor.core.text import printable
from monitor.ports import Clock

DEADLINE = 10.0
# Reads that are put to the API at the same time, and watches that begin; what else there is comes in small numbers.
PLACES = 100
TOO_SLOW = (
    "let the Secrets be watched (see `doctor --rbac`), see why the API is slow, or give targets a longer `interval`"
)
# A Secret holds 1 MiB at most; base64 and managed fields make it larger. The same for a line of a watch.
MAX_BODY = 4 * 1024 * 1024
# The configuration is read at most this often: after it could not be found, and after the API refused it.
RETRY_CONFIGURATION = 10.0
# Seconds that a watch may last beyond the `timeoutSeconds` of its query; and one whose query names none.
WATCH_SLACK = 30.0
LONGEST_WATCH = 3600.0

log = structlog.get_logger(__name__)

logging.getLogger("kubernetes_asyncio.client.rest").addFilter(lambda record: record.levelno > logging.DEBUG)


@dataclass(frozen=True, slots=True)
class _Call:
    """A request as it is sent."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: object | None = None


class KubernetesConnection:
    """One API server. Nothing is opened before the first request, and nothing after `close`."""

    def __init__(
        self, settings: KubernetesSettings, clock: Clock, *, deadline: float = DEADLINE, places: int = PLACES
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._deadline = deadline
        self._way: Way | None = None
        # The one before the present: what still runs over it goes on until the next change.
        self._former: Way | None = None
        self._opening = asyncio.Lock()
        self._loaded_at = float("-inf")
        self._doubted = False
        self._closed = False
        self._reads = Places(clock.monotonic, places, "the Kubernetes API", TOO_SLOW)
        # Watches that break together begin together: thousands of handshakes at once would leave no turn to the checks.
        self._beginnings = Places(clock.monotonic, places, "the Kubernetes API", TOO_SLOW)
        self._failure = "the configuration of the Kubernetes API was not found in time"
        self._told = ""
        self.namespace = settings.namespace or DEFAULT_NAMESPACE

    @property
    def clock(self) -> Clock:
        """The clock that the deadlines of this connection go by."""
        return self._clock

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        deadline: float | None = None,
    ) -> Answer | NoAnswer:
        """One call. Never raises for what the API or the network does. deadline: seconds, 10 by default.

        A read without a deadline of its own waits for its turn before. What changes something follows from what was just
        read, and a Lease has to be renewed in time: those go past all that wait.
        """
        call = _Call(method, path, query or {}, {"Accept": accept, "Content-Type": content_type}, body)
        if method != "GET" or deadline is not None:
            return await self._request(call, self._deadline if deadline is None else deadline)
        if (too_late := await self._turn(self._reads)) is not None:
            return too_late
        answered = False
        try:
            answer = await self._request(call, self._deadline)
            answered = isinstance(answer, Answer) or answer.too_large
            return answer
        finally:
            self._reads.give_back(answered=answered)

    async def _request(self, call: _Call, seconds: float) -> Answer | NoAnswer:
        try:
            async with asyncio.timeout(seconds):
                way = await self._open()
                return await self._ask(way, call) if way is not None else NoAnswer(self._failure, sent=False)
        except TimeoutError:
            return NoAnswer(f"the Kubernetes API did not answer within {seconds:g} s")
        except (aiohttp.ClientError, OSError, ConfigException, ValueError) as error:
            return self._no_answer(error)

    async def watch(
        self, path: str, *, query: Mapping[str, str], silence: float, accept: str = "application/json"
    ) -> AsyncGenerator[Event | Answer | NoAnswer, None]:
        """The events of a watch, as `KubernetesApi` has it. Lasts 30 s longer than its `timeoutSeconds` at most."""
        begun = await self._begin_in_turn(_Call("GET", path, {**query, "watch": "true"}, {"Accept": accept}))
        if isinstance(begun, Answer | NoAnswer):
            yield begun
            return
        way, response = begun
        ends = self._clock.monotonic() + _longest(query)
        lines = Lines(MAX_BODY)
        try:
            while chunk := await self._chunk(response, min(silence, ends - self._clock.monotonic())):
                if isinstance(chunk, NoAnswer):
                    yield chunk
                    return
                for line in lines.feed(chunk):
                    event = _event(line)
                    yield event
                    if isinstance(event, NoAnswer):
                        return
            if lines.unfinished:
                yield NoAnswer("the watch broke in the middle of a line")
        except LineTooLongError:
            yield NoAnswer(f"a line of the watch is longer than {MAX_BODY} bytes")
        finally:
            way.open.discard(response)
            response.close()

    async def close(self) -> None:
        """Ends the connection, with the watches over it."""
        self._closed, self._failure = True, "the connection to the Kubernetes API is closed"
        ways, self._way, self._former = (self._way, self._former), None, None
        for way in ways:
            if way is not None:
                await way.close()

    async def ready(self) -> str | None:
        """Finds the configuration, so that `namespace` is known. Returns why that failed, if it did."""
        try:
            async with asyncio.timeout(self._deadline):
                return None if await self._open() is not None else self._failure
        except TimeoutError:
            return self._failure

    async def _open(self) -> Way | None:
        """The way to the API; found anew where the API refused the credentials of the present one."""
        async with self._opening:
            now = self._clock.monotonic()
            usable = self._way is not None and not self._doubted
            if usable or self._closed or now - self._loaded_at < RETRY_CONFIGURATION:
                return self._way
            self._loaded_at = now
            try:
                way, self.namespace = await load(self._settings)
            except UNUSABLE as error:
                self._tell(*why_unusable(self._settings, error))
                return self._way
            return await self._go_over_to(way)

    async def _go_over_to(self, way: Way) -> Way | None:
        if self._closed:  # while a program of the kubeconfig was asked: nobody would close this one any more
            await way.close()
            return None
        self._tell("", "")
        former, self._former, self._way, self._doubted = self._former, self._way, way, False
        if former is not None:
            await former.close()
        return way

    def _tell(self, problem: str, fix: str) -> None:
        """Once a change: every watch and every check would say it again. problem: "" where there is none."""
        if problem:
            self._failure = f"no way to the Kubernetes API: {problem}; {fix}"
        if problem == self._told:
            return
        self._told = problem
        if problem:
            log.warning("no way to the Kubernetes API", problem=problem, fix=fix, former_goes_on=self._way is not None)
        else:
            log.info("the way to the Kubernetes API is found")

    async def _ask(self, way: Way, call: _Call) -> Answer | NoAnswer:
        """Sends the call; a read once more, where a connection that was kept had been closed meanwhile."""
        try:
            response = await self._send(way, way.api.rest_client, call)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            closed = way.api.rest_client.pool_manager.closed  # which is what ended the kept connection
            if call.method != "GET" or closed or isinstance(error, aiohttp.ClientConnectorError):
                raise
            response = await self._send(way, way.api.rest_client, call)
        return await self._answer(response)

    async def _turn(self, places: Places) -> NoAnswer | None:
        """Waits for a place. Returns why there was none, and that nothing was sent."""
        try:
            await places.take(self._deadline, ahead=False)
        except TooManyWaitError:
            return NoAnswer("the Kubernetes API answers less than it is asked", sent=False)
        except TimeoutError:
            return NoAnswer(f"the Kubernetes API did not answer within {self._deadline:g} s", sent=False)
        return None

    async def _begin_in_turn(self, call: _Call) -> tuple[Way, aiohttp.ClientResponse] | Answer | NoAnswer:
        if (too_late := await self._turn(self._beginnings)) is not None:
            return too_late
        begun: tuple[Way, aiohttp.ClientResponse] | Answer | NoAnswer | None = None
        try:
            begun = await self._begin(call)
            return begun
        finally:
            self._beginnings.give_back(answered=not isinstance(begun, NoAnswer | None))

    async def _begin(self, call: _Call) -> tuple[Way, aiohttp.ClientResponse] | Answer | NoAnswer:
        """The head of a watch; whatever is not the beginning of one is read to its end."""
        try:
            async with asyncio.timeout(self._deadline):
                way = await self._open()
                if way is None:
                    return NoAnswer(self._failure, sent=False)
                response = await self._send(way, way.streams, call)
                if response.status != 200:
                    return await self._answer(response)
                way.open.add(response)
                return way, response
        except TimeoutError:
            return NoAnswer(f"the Kubernetes API did not begin the watch within {self._deadline:g} s")
        except (aiohttp.ClientError, OSError, ConfigException, ValueError) as error:
            return self._no_answer(error)

    async def _send(self, way: Way, through: RESTClientObject, call: _Call) -> aiohttp.ClientResponse:
        headers = dict(call.headers)
        # Signs the request, re-reading a rotated service account token first.
        await way.api.update_params_for_auth(headers, [], ["BearerToken"])
        response: aiohttp.ClientResponse = await through.request(
            call.method,
            f"{way.api.configuration.host}{call.path}",
            query_params=dict(call.query),
            headers=headers,
            body=call.body,
            _preload_content=False,
        )
        # The library re-reads by the wall clock, once a minute, and a kubeconfig never.
        self._doubted = self._doubted or response.status == 401
        return response

    async def _answer(self, response: aiohttp.ClientResponse) -> Answer | NoAnswer:
        try:
            raw = bytearray()
            while len(raw) <= MAX_BODY and (chunk := await response.content.read(MAX_BODY + 1 - len(raw))):
                raw += chunk
        finally:
            response.release()
        if len(raw) > MAX_BODY:
            return NoAnswer(f"an answer of the Kubernetes API is larger than {MAX_BODY} bytes", too_large=True)
        return Answer(response.status, _object(raw) or {})

    async def _chunk(self, response: aiohttp.ClientResponse, seconds: float) -> bytes | NoAnswer:
        """What comes next of a watch; nothing at its end."""
        try:
            async with asyncio.timeout(seconds):
                return await response.content.readany()
        except TimeoutError:
            return NoAnswer(f"nothing was heard of the watch for {max(0.0, seconds):.0f} s")
        except (aiohttp.ClientError, OSError) as error:
            return NoAnswer(f"the watch broke: {type(error).__name__}")

    def _no_answer(self, error: Exception) -> NoAnswer:
        match error:
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
                self._doubted = True  # its authority may have been replaced, in a file that is read anew
                return NoAnswer(
                    f"the certificate of the Kubernetes API is not accepted: {type(error).__name__}", sent=False
                )
            case aiohttp.ClientConnectorError():
                reason = error.strerror or type(error).__name__
                return NoAnswer(f"the Kubernetes API cannot be reached: {reason}", sent=False)
            case aiohttp.ClientError() | OSError():
                return NoAnswer(f"the Kubernetes API cannot be reached: {type(error).__name__}")
            case _:
                return NoAnswer(
                    f"the Kubernetes API cannot be used: {printable(type(error).__name__, 100)}", sent=False
                )


def _longest(query: Mapping[str, str]) -> float:
    seconds = query.get("timeoutSeconds", "")
    return float(seconds) + WATCH_SLACK if seconds.isdecimal() else LONGEST_WATCH


def _event(line: bytes) -> Event | NoAnswer:
    value = _object(line) or {}
    kind, changed = value.get("type"), value.get("object")
    if not isinstance(kind, str) or not isinstance(changed, dict):
        return NoAnswer("what came is no event of a watch: see that no proxy answers in place of the Kubernetes API")
    return Event(kind, changed)


def _object(raw: bytes | bytearray) -> dict[str, Any] | None:
    """A JSON object; None for anything else. What was wrong is not told: the error would quote it."""
    try:
        value = json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
