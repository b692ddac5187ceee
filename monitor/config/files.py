"""Looks at the files that a configuration names: certificates and keys must be there and must be what they claim.

Apart from `load`, so that a configuration can be validated on a machine that has none of these files. Files that hold
tokens and passwords are not looked at: they come and go while the monitor runs, and their absence is a verdict.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from monitor.config.certificates import UnusableError, certificates, pair, read_text, tried
from monitor.config.problems import ConfigurationError, Problem
from monitor.config.settings import InFile, Settings


def check_files(settings: Settings, source: str = "") -> None:
    """Raises `ConfigurationError` with each file that cannot be used; each is read once. source: as `load.load` has it."""
    problems = list(_problems(settings))
    if problems:
        raise ConfigurationError(problems, source)


def _problems(settings: Settings) -> Iterator[Problem]:
    authorities: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    http = settings.http
    if settings.kubernetes.kubeconfig:
        yield from tried("kubernetes.kubeconfig", settings.kubernetes.kubeconfig, read_text)
    if http.cert_file and http.key_file:
        yield from pair("http.tls", http.cert_file, http.key_file)
    if settings.state_dir and any(t.rotation and isinstance(t.token_source, InFile) for t in settings.targets):
        yield from tried("stateDir", settings.state_dir, _directory)
    told = (("alertmanager", settings.alertmanager), ("heartbeat", settings.heartbeat))
    trusts = [(f"{name}.tls", section.tls) for name, section in told if section is not None]
    trusts += [(f"targets[{index}].tls", target.tls) for index, target in enumerate(settings.targets)]
    for path, tls in trusts:
        if tls.ca_file and tls.ca_file not in authorities:
            authorities.add(tls.ca_file)
            yield from tried(f"{path}.caFile", tls.ca_file, certificates)
        if tls.cert_file and tls.key_file and (tls.cert_file, tls.key_file) not in pairs:
            pairs.add((tls.cert_file, tls.key_file))
            yield from pair(path, tls.cert_file, tls.key_file)


def _directory(path: str) -> None:
    try:
        is_directory = stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116 - a Path would not take every text
    except FileNotFoundError:
        raise UnusableError("does not exist", "make it, readable by the monitor's user only (mode 700)") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a path"
        raise UnusableError(f"cannot be used: {reason}", "let the monitor's user read and write it") from None
    if not is_directory:
        raise UnusableError("is not a directory", "give the path of a directory")
