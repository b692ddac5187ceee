"""Whether files are the certificates and keys that they are said to be: for a configuration, and for what uses them.

Everything is read here within bounds and told in our own words; OpenSSL's are for those who know its source.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Callable, Iterator

from monitor.config.problems import Problem
from monitor.core.text import printable

MAX_CERTIFICATES = 1024 * 1024


class UnusableError(Exception):
    """Why a file cannot be used, and what to do."""

    def __init__(self, what: str, instead: str) -> None:
        self.what = what
        self.instead = instead
        super().__init__(what, instead)


def problems_of(ca_file: str | None, cert_file: str | None, key_file: str | None) -> list[Problem]:
    """Why these files cannot be used for TLS, in our own words; empty where they can. Each is read."""
    problems = [] if ca_file is None else list(tried("caFile", ca_file, certificates))
    return problems + ([] if cert_file is None or key_file is None else list(pair("", cert_file, key_file)))


def tried(path: str, file: str, use: Callable[[str], object]) -> Iterator[Problem]:
    """What `use` raises `UnusableError` for, as a problem of the configuration's `path`."""
    try:
        use(file)
    except UnusableError as error:
        yield Problem(path, f"{_quoted(file)} {error.what}", error.instead)


def pair(path: str, cert_file: str, key_file: str) -> Iterator[Problem]:
    """What is wrong with a certificate, its key, or the two together."""
    path = f"{path}." if path else ""
    found = [
        *tried(f"{path}certFile", cert_file, certificates),
        *tried(f"{path}keyFile", key_file, read_text),
    ]
    yield from found
    if found:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert_file, key_file, password=no_passphrase)
    except (ssl.SSLError, OSError, ValueError):
        what = f"{_quoted(key_file)} is not the key (PEM, without a passphrase) of {_quoted(cert_file)}"
        yield Problem(f"{path}keyFile", what, "give the key that belongs to certFile")


def no_passphrase() -> str:
    """For `load_cert_chain`: without this, OpenSSL would ask for one on the terminal. Raises `ValueError`."""
    raise ValueError("the key is encrypted")


def _quoted(file: str) -> str:
    return f'"{printable(file, 300)}"'


def read_text(file: str) -> str:
    """Its text, 1 MiB at most. Raises `UnusableError`."""
    try:
        # O_NONBLOCK: opening a named pipe must not wait for a writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UnusableError("does not exist", "mount the file, or correct the path") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a path"
        raise UnusableError(f"cannot be read: {reason}", "let the monitor's user read it") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnusableError("is not a regular file", "give the path of a file")
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            data = opened.read(MAX_CERTIFICATES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_CERTIFICATES:
        raise UnusableError("is larger than 1 MiB", "keep only the certificates that are needed")
    # Bundles carry comments in any script between their certificates; what is not ASCII is no part of one.
    return data.decode("ascii", "replace").replace("\ufffd", "?")


def certificates(file: str) -> None:
    """Raises `UnusableError` for what holds no certificates."""
    text = read_text(file)
    if "-----BEGIN " in text and "CERTIFICATE-----" not in text:
        raise UnusableError(
            "holds no certificates, but something else in PEM", "give the certificates of the authority"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise UnusableError(
            "holds no readable PEM certificates", "give certificates (-----BEGIN CERTIFICATE-----)"
        ) from None
    if not context.cert_store_stats()["x509"]:
        raise UnusableError("holds no certificates", "give certificates (-----BEGIN CERTIFICATE-----)")
