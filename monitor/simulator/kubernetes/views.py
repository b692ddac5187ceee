"""In which form an answer is given: the whole object, its metadata only, a list of either; or what Accept forbids.

A list's items come without kind and apiVersion, as the real API leaves them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from monitor.simulator.kubernetes.problems import SERVED_TYPES, not_acceptable
from monitor.simulator.kubernetes.resources import Resource
from monitor.simulator.kubernetes.wire import JSON, Object

PARTIAL = "PartialObjectMetadata"
PARTIAL_LIST = "PartialObjectMetadataList"
_META_VERSION = "meta.k8s.io/v1"
_ANY = frozenset({"*/*", "application/*", JSON, ""})


@dataclass(frozen=True, slots=True)
class View:
    """The form of an answer. as_: PartialObjectMetadata, its list, or "" for the whole."""

    resource: Resource
    as_: str = ""

    def one(self, object_: Object) -> Object:
        """One object."""
        if self.as_ == PARTIAL_LIST:
            words = f"you requested {PARTIAL_LIST}, but the requested object is not a list (*core.{self.resource.kind})"
            raise not_acceptable(words)
        return _partial(object_) if self.as_ == PARTIAL else object_

    def many(self, objects: Sequence[Object], metadata: Object) -> Object:
        """A list."""
        if self.as_ == PARTIAL:
            words = f"you requested {PARTIAL}, but the requested object is a list (*core.{self.resource.kind}List)"
            raise not_acceptable(words)
        if self.as_ == PARTIAL_LIST:
            items = [_partial(each) for each in objects]
            return {"kind": PARTIAL_LIST, "apiVersion": _META_VERSION, "metadata": metadata, "items": items}
        return {
            "kind": f"{self.resource.kind}List",
            "apiVersion": self.resource.api_version,
            "metadata": metadata,
            "items": [
                {name: value for name, value in each.items() if name not in ("kind", "apiVersion")} for each in objects
            ],
        }

    def bookmark(self, version: int) -> Object:
        """What a BOOKMARK carries: nothing but a version."""
        metadata = {"resourceVersion": str(version)}
        if self.as_ == PARTIAL:
            return {"kind": PARTIAL, "apiVersion": _META_VERSION, "metadata": metadata}
        return {"kind": self.resource.kind, "apiVersion": self.resource.api_version, "metadata": metadata}


@lru_cache(maxsize=256)
def negotiate(resource: Resource, accept: str) -> View:
    """The first form of the Accept header that can be given."""
    asked_json = False
    for clause in accept.split(","):
        media_type, *parameters = (part.strip() for part in clause.split(";"))
        options = dict(part.partition("=")[::2] for part in parameters)
        form = options.get("as", "")
        if media_type not in _ANY:
            continue
        asked_json = True
        if not form:
            return View(resource)
        known = (options.get("g"), options.get("v")) == ("meta.k8s.io", "v1")
        if media_type == JSON and known and form in (PARTIAL, PARTIAL_LIST):
            return View(resource, form)
    if asked_json:
        raise not_acceptable(f"only the following media types are accepted: {SERVED_TYPES}")
    raise not_acceptable(f"406: Not Acceptable\n\nAvailable representations: {SERVED_TYPES}", {})


def _partial(object_: Object) -> Object:
    return {"kind": PARTIAL, "apiVersion": _META_VERSION, "metadata": object_["metadata"]}
