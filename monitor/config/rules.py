"""What must hold between keys that are far apart: unique names, one address, what can be rotated and by whom.

`between_keys` reads the plain values of the file, not the model, so that they speak even when something else in the file
is wrong: all that is wrong is told at once. It passes over whatever the model refuses anyway. `between_targets` needs
every default resolved, so it speaks when all else is right.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from monitor.config import address, durations
from monitor.config.model import Consumers, Document, Rotation
from monitor.config.problems import Path, shown
from monitor.config.settings import InClear, InFile, InSecret, KubernetesSettings, Settings, Source

Finding = tuple[Path, str, str]
# The namespace that the monitor finds itself in with these settings; None where that cannot be told.
OwnNamespace = Callable[[KubernetesSettings], str | None]


def between_keys(document: Any) -> Iterator[Finding]:
    """Every broken rule: (path, what is wrong, what to write instead)."""
    if not isinstance(document, Mapping):
        return
    yield from _intervals(document, {}, ())
    targets = document.get("targets")
    if not targets and document.get("discovery") is None:
        if targets is None:
            yield ("targets",), "is required", "add targets"
        elif isinstance(targets, list | tuple):
            yield ("targets",), "is empty", "add at least one"
    if not isinstance(targets, list | tuple):
        return
    first_of: dict[str, int] = {}
    for index, target in enumerate(targets):
        if not isinstance(target, Mapping):
            continue
        path: Path = ("targets", index)
        name = target.get("name")
        if isinstance(name, str) and first_of.setdefault(name, index) != index:
            yield (
                (*path, "name"),
                f"{shown(name)} is also the name of targets[{first_of[name]}]",
                "give each target its own name",
            )
        yield from _address(target, path)
        yield from _every_replica(target, path)
        yield from _renewal(target, path)
        yield from _patience(target, path)
        if target.get("interval") is not None or target.get("accountInterval") is not None:
            yield from _intervals(target, document, path)


def _address(target: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    server = target.get("server")
    if server is not None and not isinstance(server, Mapping):
        return
    given = server or {}
    ways = [
        (where, value)
        for where, value in (
            (("server", "svc"), given.get("svc")),
            (("server", "url"), given.get("url")),
            (("url",), target.get("url")),
        )
        if value not in (None, "")
    ]
    if not ways:
        yield ((*path, "server"), "has no address", "add svc (a Service) or url, like https://argocd.example.com")
    elif len(ways) > 1:
        names = " and ".join(".".join(where) for where, _ in ways)
        yield (path, f"has more than one address: {names}", "keep one")
    elif ways[0][0] != ("server", "svc"):
        for key in ("port", "rootpath"):
            if given.get(key) not in (None, ""):
                yield ((*path, "server", key), f"{key} goes with svc, not with url", "put it into the url")


def _every_replica(target: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    server = target.get("server")
    given = server if isinstance(server, Mapping) else {}
    url = given.get("url") or target.get("url")
    if target.get("everyReplica") is not True or given.get("svc") or not isinstance(url, str):
        return
    if address.service_of(None, url) is None:
        said = "is true, and the url is not that of a Service in this cluster, whose replicas could be found"
        yield (
            (*path, "everyReplica"),
            said,
            "write the address as server.svc or https://NAME.NAMESPACE.svc, or remove it",
        )


def written_namespace(kubernetes: KubernetesSettings) -> str | None:
    """The namespace that the configuration itself says is the monitor's own."""
    return kubernetes.namespace


def between_targets(settings: Settings, own_namespace: OwnNamespace = written_namespace) -> Iterator[Finding]:
    """Two rotations of one token would undo each other's work.

    own_namespace: is asked only where it decides: a Secret without a namespace has the name of one with a namespace.
    """
    own = cache(lambda: own_namespace(settings.kubernetes))
    rotated = [
        (index, target.token_source)
        for index, target in enumerate(settings.targets)
        if target.rotation is not None and not isinstance(target.token_source, InClear)
    ]
    placed = {_apart_from_namespace(source) for _, source in rotated if _is_placed(source)}
    first_of: dict[Source, int] = {}
    for index, source in rotated:
        place: Source = InFile(posixpath.normpath(source.path)) if isinstance(source, InFile) else source
        if isinstance(source, InSecret) and source.namespace is None and _apart_from_namespace(source) in placed:
            place = InSecret(source.name, source.key, own())
        first = first_of.setdefault(place, index)
        if first != index:
            yield ("targets", index, "auth"), *_one_place(settings, first, index, own)


def _is_placed(source: Source) -> bool:
    return isinstance(source, InSecret) and source.namespace is not None


def _apart_from_namespace(source: Source) -> Source:
    return InSecret(source.name, source.key) if isinstance(source, InSecret) else source


def _one_place(settings: Settings, first: int, second: int, own: Callable[[], str | None]) -> tuple[str, str]:
    """What is said of two targets with one place, and what to write instead."""
    one, other = settings.targets[first], settings.targets[second]
    what = (
        f"the key of {shown(other.name)} is kept in {other.token_source}, like that of {shown(one.name)}"
        f" (targets[{first}]): two rotations would undo each other"
    )
    instead = "give it its own Secret or file, or set rotation.enabled: false in one of them"
    if _is_placed(one.token_source) is _is_placed(other.token_source):
        return what, instead
    what += f" (a Secret without a namespace is one of {own()} here, where the monitor finds itself)"
    return what, f"{instead}; where the monitor runs in another namespace, write that into kubernetes.namespace"


def _renewal(target: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    auth, rotation = target.get("auth"), target.get("rotation") or {}
    if not isinstance(auth, Mapping) or not isinstance(rotation, Mapping):
        return
    mode, renews, rotates = auth.get("type"), target.get("renew") is True, rotation.get("enabled") is not False
    if renews and not rotates:
        yield ((*path, "renew"), "is true beside rotation.enabled: false, so nothing is renewed", "keep one of them")
    if renews and mode == "password":
        yield ((*path, "renew"), "belongs to token mode; in password mode the key is replaced without it", "remove it")
    if mode != "token":
        return
    if renews:
        yield from _can_renew_itself(auth, path)
    elif rotates and rotation.get("drillEvery") is not None:
        said = "nothing is rotated in token mode without renew, so no drill is held"
        yield ((*path, "rotation", "drillEvery"), said, "add renew: true to the target, or remove it")


def _can_renew_itself(auth: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    if auth.get("token") not in (None, ""):
        said = "a token that is written here cannot be replaced, and renew is true"
        yield ((*path, "auth", "token"), said, "use tokenSecretKeyRef or tokenFile instead")
    username = auth.get("username")
    if isinstance(username, str) and username.startswith("proj:"):
        said = "is a project role, and renew is true: its tokens do not make their own successors"
        yield ((*path, "auth", "username"), said, "use a token of an account, or remove renew")


def _patience(target: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """The old key waits for consumers from the end of the grace period to that of the longest wait."""
    rotation, consumers = target.get("rotation") or {}, target.get("consumers") or {}
    if not isinstance(rotation, Mapping) or not isinstance(consumers, Mapping):
        return
    if not consumers.get("preset") and not consumers.get("workloads"):
        return
    grace = _duration(rotation.get("grace"), Rotation.model_fields["grace"].default)
    longest = _duration(consumers.get("longestWait"), Consumers.model_fields["longest_wait"].default)
    if grace is None or longest is None or longest > grace:
        return
    key: tuple[str, str] = ("consumers", "longestWait") if "longestWait" in consumers else ("rotation", "grace")
    said = f"longestWait ({durations.written(longest)}) is not longer than grace ({durations.written(grace)})"
    yield ((*path, *key), f"{said}, so the old key would wait for nobody", "make longestWait longer, or grace shorter")


def _duration(given: object, default: float) -> float | None:
    return default if given is None else durations.parse(given)


def _intervals(section: Mapping[str, Any], defaults: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    interval = _effective("interval", section, defaults)
    account_interval = _effective("accountInterval", section, defaults)
    if interval is None or account_interval is None or account_interval >= interval:
        return
    said = f"accountInterval ({durations.written(account_interval)}) is shorter than interval"
    key = "accountInterval" if section.get("accountInterval") is not None else "interval"
    yield ((*path, key), f"{said} ({durations.written(interval)})", "make accountInterval at least as long as interval")


def _effective(key: str, section: Mapping[str, Any], defaults: Mapping[str, Any]) -> float | None:
    for values in (section, defaults):
        if values.get(key) is not None:
            return durations.parse(values[key])
    if key == "accountInterval":
        return None  # nobody wrote one: it follows the interval where that is longer (`resolution.resolve_target`)
    return float(Document.model_fields["interval"].default)
