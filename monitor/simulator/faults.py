"""What can stand between a client and Argo CD, or be wrong with it as a whole: each fault is one small function.

None of these answers says anything about the token, which is the point: a check must not take them for a refusal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

from monitor.simulator.api import REFUSED, handle
from monitor.simulator.messages import HTML, PLAIN_TEXT, Broken, Request, Response
from monitor.simulator.state import ArgoCDState

LOGIN_PAGE = b"<!doctype html><html><head><title>Sign in</title></head><body><form></form></body></html>"
CACHE_ENTRIES = 1000


class Fault(StrEnum):
    """What is wrong."""

    REFUSED = "refused"  # every connection is cut before a byte of an answer
    HANG = "hang"  # no answer ever comes
    SERVER_ERROR = "server-error"  # 500 from something in between
    UNAVAILABLE = "unavailable"  # 503, as a gateway says it without a backend
    THROTTLED = "throttled"  # 429 with Retry-After
    LOGIN_PAGE = "login-page"  # 200 with the page of a single sign-on in front of everything
    REDIRECT_302 = "redirect-302"  # to such a page
    REDIRECT_307 = "redirect-307"  # the same, keeping the method
    STRIPPED_AUTHORIZATION = "stripped-authorization"  # a proxy takes the header away
    CACHING = "caching"  # a proxy gives everybody the first answer


class Front:
    """The installation as a client meets it: answers of the state, or of the present `fault`.

    replica: the one that answers here, as at the address of its pod; None for the Service, which leads to any of them.
    """

    def __init__(self, state: ArgoCDState, fault: Fault | None = None, *, replica: int | None = None) -> None:
        self.state = state
        self.fault = fault
        self.replica = replica
        self.retry_after = "30"
        self.location = "https://sso.example.com/login"
        self._cache: dict[tuple[str, str], Response] = {}

    def __call__(self, request: Request) -> Response:
        if self.fault is None:
            return self._handle(request)
        return _FAULTS[self.fault](self, request)

    def _handle(self, request: Request) -> Response:
        return handle(self.state, request, self.replica)

    def forget(self) -> None:
        """Empties the cache of the caching proxy."""
        self._cache.clear()

    def _cached(self, request: Request) -> Response:
        if request.method != "GET":
            return self._handle(request)
        place = (request.method, request.target)
        if place not in self._cache:
            answer = self._handle(request)
            if answer.status != 200 or len(self._cache) >= CACHE_ENTRIES:
                return answer
            self._cache[place] = answer
        return self._cache[place]

    def _stripped(self, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name != "authorization"}
        return self._handle(replace(request, headers=headers))

    def _throttled(self, request: Request) -> Response:
        del request
        headers = {"content-type": PLAIN_TEXT, "retry-after": self.retry_after}
        return Response(429, headers, b"too many requests\n")

    def _redirect(self, status: int) -> Response:
        return Response(status, {"content-type": HTML, "location": self.location})


_FAULTS: dict[Fault, Callable[[Front, Request], Response]] = {
    Fault.REFUSED: lambda _front, _request: REFUSED,
    Fault.HANG: lambda _front, _request: Response(0, broken=Broken.HANG),
    Fault.SERVER_ERROR: lambda _front, _request: Response(
        500, {"content-type": HTML}, b"<h1>Internal Server Error</h1>"
    ),
    Fault.UNAVAILABLE: lambda _front, _request: Response(503, {"content-type": PLAIN_TEXT}, b"no healthy upstream"),
    Fault.THROTTLED: Front._throttled,  # noqa: SLF001 - the table belongs to the class
    Fault.LOGIN_PAGE: lambda _front, _request: Response(200, {"content-type": HTML}, LOGIN_PAGE),
    Fault.REDIRECT_302: lambda front, _request: front._redirect(302),  # noqa: SLF001
    Fault.REDIRECT_307: lambda front, _request: front._redirect(307),  # noqa: SLF001
    Fault.STRIPPED_AUTHORIZATION: Front._stripped,  # noqa: SLF001
    Fault.CACHING: Front._cached,  # noqa: SLF001
}
