"""Every bound of the HTTP server: nobody who can reach the port may make it slow, large or stuck."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Times are seconds, sizes bytes.

    request: from the whole request's arrival to the last byte of the answer. The text of 10,000 targets is 10 MB.
    idle: without a whole request; also how long a client may take to send one.
    connections: the longest idle one gives way to a newcomer, so a flood cannot shut out Kubernetes' probes.
    requests: at work at the same time; probes are not counted. renderings: of long answers, at the same time.
    line, field, fields: the request line, one header, and how many headers.
    body: seconds that a body, which nobody asked for, is read and thrown away.
    lines: targets listed on `/healthz`, those that need a person first. rows: targets on one page for people.
    """

    request: float = 30.0
    idle: float = 75.0
    tls_handshake: float = 10.0
    connections: int = 256
    requests: int = 64
    renderings: int = 2
    line: int = 4096
    field: int = 8190
    fields: int = 64
    body: float = 1.0
    lines: int = 2000
    rows: int = 500
    backlog: int = 128
