"""Why the server cannot serve: where, what, and what to do."""

from __future__ import annotations

import errno
import socket


class ServerError(Exception):
    """The HTTP server cannot do its work."""


class ListenError(ServerError):
    """The address cannot be listened on."""


class TlsFilesError(ServerError):
    """The files of the certificate cannot be used."""


def cannot_listen(host: str, port: int, error: OSError) -> ListenError:
    """In words for whoever starts the monitor."""
    where = f"{host}:{port}"
    if isinstance(error, socket.gaierror):
        return ListenError(f"{where}: this address is not known here. Give an IP address of this machine as http.bind.")
    match error.errno:
        case errno.EADDRINUSE:
            what = "another process listens there already. End it, or choose another http.port"
        case errno.EACCES | errno.EPERM:
            what = "not allowed. Ports below 1024 need a privilege: choose another http.port"
        case errno.EADDRNOTAVAIL:
            what = "this machine has no such address. Give one of its own as http.bind, 0.0.0.0 for all"
        case _:
            what = f"{error.strerror or type(error).__name__}. Choose another http.bind or http.port"
    return ListenError(f"{where}: cannot listen: {what}.")
