"""Looks at the files that a configuration names: certificates and keys must be there and must be what they claim.

Apart from `load`, so that a configuration can be validated on a machine that has none of these files. Files that hold
tokens and passwords are not looked at: they come and go while the monitor runs, and their absence is a verdict.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Callable, Iterator

from monitor.config.problems import ConfigurationError, Problem
from monitor.config.settings import InFile, Settings
from monitor.core.text import printable

MAX_CERTIFICATES = 1024 * 1024


class _UnusableError(Exception):
    """Why a file cannot be used, and what to do."""

    def __init__(self, what: str, instead: str) -> None:
        self.what = what
        self.instead = instead
        super().__init__(what, instead)


def check_files(settings: Settings, source: str = "") -> None:
    """Raises `ConfigurationError` with each file that cannot be used; each is read once. source: as `load.load` has it."""
    problems = list(_problems(settings))
    if problems:
        raise ConfigurationError(problems, source)


def certificate_problems(ca_file: str | None, cert_file: str | None, key_file: str | None) -> list[Problem]:
    """Why these files cannot be used for TLS, in our own words; empty where they can. Each is read."""
    problems = [] if ca_file is None else list(_tried("caFile", ca_file, _certificates))
    return problems + ([] if cert_file is None or key_file is None else list(_pair("", cert_file, key_file)))


def _problems(settings: Settings) -> Iterator[Problem]:
    authorities: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    http = settings.http
    if settings.kubernetes.kubeconfig:
        yield from _tried("kubernetes.kubeconfig", settings.kubernetes.kubeconfig, _read)
    if http.cert_file and http.key_file:
        yield from _pair("http.tls", http.cert_file, http.key_file)
    if settings.state_dir and any(t.rotation and isinstance(t.token_source, InFile) for t in settings.targets):
        yield from _tried("stateDir", settings.state_dir, _directory)
    told = (("alertmanager", settings.alertmanager), ("heartbeat", settings.heartbeat))
    trusts = [(f"{name}.tls", section.tls) for name, section in told if section is not None]
    trusts += [(f"targets[{index}].tls", target.tls) for index, target in enumerate(settings.targets)]
    for path, tls in trusts:
        if tls.ca_file and tls.ca_file not in authorities:
            authorities.add(tls.ca_file)
            yield from _tried(f"{path}.caFile", tls.ca_file, _certificates)
        if tls.cert_file and tls.key_file and (tls.cert_file, tls.key_file) not in pairs:
            pairs.add((tls.cert_file, tls.key_file))
            yield from _pair(path, tls.cert_file, tls.key_file)


def _tried(path: str, file: str, use: Callable[[str], object]) -> Iterator[Problem]:
    try:
        use(file)
    except _UnusableError as error:
        yield Problem(path, f"{_quoted(file)} {error.what}", error.instead)


def _pair(path: str, cert_file: str, key_file: str) -> Iterator[Problem]:
    path = f"{path}." if path else ""
    found = [
        *_tried(f"{path}certFile", cert_file, _certificates),
        *_tried(f"{path}keyFile", key_file, _read),
    ]
    yield from found
    if found:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A passphrase would be asked for on the terminal; an empty one makes an encrypted key an error instead.
        context.load_cert_chain(cert_file, key_file, password=lambda: "")
    except (ssl.SSLError, OSError, ValueError):
        what = f"{_quoted(key_file)} is not the key (PEM, without a passphrase) of {_quoted(cert_file)}"
        yield Problem(f"{path}keyFile", what, "give the key that belongs to certFile")


def _quoted(file: str) -> str:
    return f'"{printable(file, 300)}"'


def _read(file: str) -> str:
    try:
        # O_NONBLOCK: opening a named pipe must not wait for a writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _UnusableError("does not exist", "mount the file, or correct the path") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a path"
        raise _UnusableError(f"cannot be read: {reason}", "let the monitor's user read it") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _UnusableError("is not a regular file", "give the path of a file")
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            data = opened.read(MAX_CERTIFICATES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_CERTIFICATES:
        raise _UnusableError("is larger than 1 MiB", "keep only the certificates that are needed")
    # Bundles carry comments in any script between their certificates; what is not ASCII is no part of one.
    return data.decode("ascii", "replace").replace("\ufffd", "?")


def _directory(path: str) -> None:
    try:
        is_directory = stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 - a Path would not take every text
    except FileNotFoundError:
        raise _UnusableError("does not exist", "make it, readable by the monitor's user only (mode 700)") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a path"
        raise _UnusableError(f"cannot be used: {reason}", "let the monitor's user read and write it") from None
    if not is_directory:
        raise _UnusableError("is not a directory", "give the path of a directory")


def _certificates(file: str) -> None:
    text = _read(file)
    if "-----BEGIN " in text and "CERTIFICATE-----" not in text:
        raise _UnusableError(
            "holds no certificates, but something else in PEM", "give the certificates of the authority"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise _UnusableError(
            "holds no readable PEM certificates", "give certificates (-----BEGIN CERTIFICATE-----)"
        ) from None
    if not context.cert_store_stats()["x509"]:
        raise _UnusableError("holds no certificates", "give certificates (-----BEGIN CERTIFICATE-----)")
