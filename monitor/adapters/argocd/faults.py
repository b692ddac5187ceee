"""Exceptions of aiohttp, ssl and the operating system, translated into the core's closed list of faults.

`detail` is made of the operating system's or OpenSSL's own words only: never of a header, so never of the token.
"""

from __future__ import annotations

import errno
import socket
import ssl

import aiohttp
from aiohttp.http import HttpProcessingError

from monitor.adapters.places import TooManyWaitError
from monitor.core.model import Fault, FaultKind
from monitor.core.text import printable

MAX_DETAIL = 160

# OpenSSL's verify codes (x509_vfy.h): expired 10, not yet valid 9, issuer problems, host and IP mismatch 62 and 64.
_VERIFY_CODES: dict[int, FaultKind] = {
    9: FaultKind.TLS_NOT_YET_VALID,
    10: FaultKind.TLS_EXPIRED,
    2: FaultKind.TLS_UNKNOWN_CA,
    18: FaultKind.TLS_UNKNOWN_CA,
    19: FaultKind.TLS_UNKNOWN_CA,
    20: FaultKind.TLS_UNKNOWN_CA,
    21: FaultKind.TLS_UNKNOWN_CA,
    62: FaultKind.TLS_WRONG_HOST,
    64: FaultKind.TLS_WRONG_HOST,
}
_NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "UNKNOWN_PROTOCOL",
    "HTTP_REQUEST",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
)
_NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
OUT_OF_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_RESET = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ESHUTDOWN})


class ForbiddenAddressError(OSError):
    """A host name stands for an address to which nothing is sent. No connection was made."""


def to_fault(error: BaseException) -> Fault:
    """The fault that `error` stands for. Unknown errors become `network`, with their type as detail."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _certificate(error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Fault(FaultKind.DNS, _words(error.os_error))
    if isinstance(error, TooManyWaitError):
        return Fault(FaultKind.TIMEOUT, "it answers less than its targets ask: see their `interval`")
    if isinstance(error, TimeoutError):
        return Fault(FaultKind.TIMEOUT)
    if isinstance(error, UnicodeError):
        return Fault(FaultKind.DNS, "not a host name")  # raised by the idna codec: a label is empty or too long
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return _os_fault(error.os_error)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Fault(FaultKind.RESET)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Fault(FaultKind.RESET, "the body ended early")
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        return Fault(FaultKind.NOT_HTTP)
    if isinstance(error, aiohttp.ClientOSError) and isinstance(error.__cause__, ssl.SSLError):
        return _os_fault(error.__cause__)  # an alert after the handshake, as TLS 1.3 refuses a missing certificate
    if isinstance(error, OSError):
        return _os_fault(error)
    return Fault(FaultKind.NETWORK, type(error).__name__)


def _certificate(error: Exception) -> Fault:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return Fault(FaultKind.TLS_OTHER, type(error).__name__)
    kind = _VERIFY_CODES.get(error.verify_code, FaultKind.TLS_OTHER)
    return Fault(kind, printable(error.verify_message.rstrip("."), MAX_DETAIL))


def _os_fault(error: OSError) -> Fault:
    if isinstance(error, ForbiddenAddressError):
        return Fault(FaultKind.FORBIDDEN_ADDRESS)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error)
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if any(word in reason for word in _NOT_TLS):
            return Fault(FaultKind.TLS_NOT_SPOKEN)
        return Fault(FaultKind.TLS_OTHER, printable(reason.replace("_", " ").lower(), MAX_DETAIL))
    if isinstance(error, socket.gaierror):
        return Fault(FaultKind.DNS, _words(error))
    if error.errno == errno.ECONNREFUSED:
        return Fault(FaultKind.REFUSED)
    if error.errno in _RESET or isinstance(error, ConnectionResetError):
        return Fault(FaultKind.RESET)
    if error.errno in _NO_ROUTE:
        return Fault(FaultKind.NO_ROUTE, _words(error))
    if error.errno in OUT_OF_FILES:
        return Fault(FaultKind.OUT_OF_FILES, _words(error))
    if error.errno == errno.ETIMEDOUT:
        return Fault(FaultKind.TIMEOUT)
    return Fault(FaultKind.NETWORK, _words(error))


def _words(error: OSError) -> str:
    return printable(error.strerror or type(error).__name__, MAX_DETAIL)
