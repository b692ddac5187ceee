"""Every refusal of the API as the Status object that the real one sends, with its words.

Words and shapes: k8s.io/apimachinery/pkg/api/errors, .../util/validation/field and k8s.io/apiserver's handlers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from monitor.simulator.kubernetes.resources import Resource
from monitor.simulator.kubernetes.wire import JSON, TEXT, Attributes, Object, Response

SERVED_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class ProblemError(Exception):
    """A request is refused: the Status object that says so."""

    def __init__(self, status: Object, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(status.get("message", "")))
        self.status = status
        self.headers = headers or {}

    def response(self) -> Response:
        """The answer."""
        return Response(int(self.status["code"]), self.status, self.headers)


class PageNotFoundError(ProblemError):
    """No such path: plain text, without a Status."""

    def __init__(self) -> None:
        super().__init__({"code": 404})

    def response(self) -> Response:
        return Response(404, {}, {"content-type": TEXT}, "404 page not found\n")


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: FieldValueInvalid, FieldValueRequired, ..., the path, and the words."""

    type: str
    field: str
    body: str


def failure(code: int, reason: str, message: str, details: Object | None = None) -> Object:
    """A Status object. reason "" is left out, as Go does."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
    if reason:
        status["reason"] = reason
    if details is not None:
        status["details"] = details
    return {**status, "code": code}


def success(resource: Resource, name: str, uid: str) -> Object:
    """What a deletion is answered with."""
    details = {**_details(resource, name), "uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def not_found(resource: Resource, name: str) -> ProblemError:
    """`secrets "x" not found`."""
    message = f"{resource.qualified} {_quoted(name)} not found"
    return ProblemError(failure(404, "NotFound", message, _details(resource, name)))


def unknown_resource() -> ProblemError:
    """The group is served, the resource is not."""
    return ProblemError(failure(404, "NotFound", "the server could not find the requested resource", {}))


def method_not_allowed() -> ProblemError:
    """The resource exists and does not do that."""
    words = "the server does not allow this method on the requested resource"
    return ProblemError(failure(405, "MethodNotAllowed", words, {}))


def already_exists(resource: Resource, name: str) -> ProblemError:
    """`secrets "x" already exists`."""
    message = f"{resource.qualified} {_quoted(name)} already exists"
    return ProblemError(failure(409, "AlreadyExists", message, _details(resource, name)))


def conflict(resource: Resource, name: str, why: str = MODIFIED) -> ProblemError:
    """The compare-and-swap was lost."""
    message = f"Operation cannot be fulfilled on {resource.qualified} {_quoted(name)}: {why}"
    return ProblemError(failure(409, "Conflict", message, _details(resource, name)))


def forbidden(asked: Attributes) -> ProblemError:
    """No rule lets the user do that."""
    if not asked.resource:
        message = f"forbidden: User {_quoted(asked.user)} cannot {asked.verb} path {_quoted(asked.path)}"
        return ProblemError(failure(403, "Forbidden", message, {}))
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    what = f"{qualified} {_quoted(asked.name)}" if asked.name else qualified
    where = f"in the namespace {_quoted(asked.namespace)}" if asked.namespace else "at the cluster scope"
    message = (
        f"{what} is forbidden: User {_quoted(asked.user)} cannot {asked.verb} resource {_quoted(asked.full_resource)}"
        f" in API group {_quoted(asked.group)} {where}"
    )
    named = {"name": asked.name} if asked.name else {}
    grouped = {"group": asked.group} if asked.group else {}
    return ProblemError(failure(403, "Forbidden", message, {**named, **grouped, "kind": asked.resource}))


def unauthorized() -> ProblemError:
    """The bearer token belongs to nobody."""
    return ProblemError(failure(401, "Unauthorized", "Unauthorized"))


def bad_request(message: str) -> ProblemError:
    """What was sent cannot be read."""
    return ProblemError(failure(400, "BadRequest", message))


def invalid(kind: str, name: str, errors: list[FieldError]) -> ProblemError:
    """What was sent can be read and breaks a rule. kind: `Secret`, `Lease.coordination.k8s.io`, or "" for none."""
    told = list(dict.fromkeys(f"{error.field}: {error.body}" for error in errors))
    joined = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    causes = [{"reason": error.type, "message": error.body, "field": error.field} for error in errors]
    name_of_kind, _, group = kind.partition(".")
    details: Object = {"name": name} if name else {}
    details |= {"group": group} if group else {}
    details |= {"kind": name_of_kind} if name_of_kind else {}
    message = f"{kind} {_quoted(name)} is invalid: {joined}"
    return ProblemError(failure(422, "Invalid", message, {**details, "causes": causes}))


def patch_rejected() -> ProblemError:
    """A JSON patch that does not fit, its `test` among the rest: the API keeps the reason to itself."""
    words = "the server rejected our request due to an error in our request"
    return ProblemError(failure(422, "Invalid", words, {}))


def unsupported_media_type() -> ProblemError:
    """The body is of a type that is not read."""
    words = f"the body of the request was in an unknown format - accepted media types include: {SERVED_TYPES}"
    return ProblemError(failure(415, "UnsupportedMediaType", words))


def unsupported_patch() -> ProblemError:
    """A patch of a type that is none; it is the router that says so."""
    return ProblemError(failure(415, "UnsupportedMediaType", "415: Unsupported Media Type", {}))


def not_acceptable(words: str, details: Object | None = None) -> ProblemError:
    """The answer cannot be given in the form that was asked for."""
    return ProblemError(failure(406, "NotAcceptable", words, details))


def expired(message: str) -> ProblemError:
    """The version is compacted away."""
    return ProblemError(failure(410, "Expired", message))


def too_large_version(asked: int, current: int) -> ProblemError:
    """A version from the future: this server has not seen it yet."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    words = f"Timeout: Too large resource version: {asked}, current: {current}"
    return ProblemError(failure(504, "Timeout", words, {"causes": causes, "retryAfterSeconds": 1}))


def version_on_create() -> ProblemError:
    """An object to be created that names a version."""
    return unexplained("resourceVersion should not be set on objects to be created")


def unexplained(message: str) -> ProblemError:
    """An error of the server's inside that nobody gave a reason: 500."""
    return ProblemError(failure(500, "", message))


def deletion_conflict(resource: Resource, name: str, why: str) -> ProblemError:
    """The preconditions of a deletion do not hold; the kind is named instead of the resource."""
    details = {**_details(resource, name), "kind": resource.kind}
    named = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    message = f"Operation cannot be fulfilled on {named} {_quoted(name)}: {why}"
    return ProblemError(failure(409, "Conflict", message, details))


def out_of_order(status: int) -> ProblemError:
    """What a server with a problem of its own says: 429, 500, 503, 504 and the like."""
    reason, words, details, headers = _OUT_OF_ORDER.get(status, ("", f"simulated fault {status}", None, {}))
    return ProblemError(failure(status, reason, words, details), {**headers, "content-type": JSON})


_ETCD = "etcdserver: request timed out"
_OUT_OF_ORDER: dict[int, tuple[str, str, Object | None, dict[str, str]]] = {
    410: ("Expired", "The resourceVersion for the provided watch is too old.", None, {}),
    429: (
        "TooManyRequests",
        "Too many requests, please try again later.",
        {"retryAfterSeconds": 1},
        {"retry-after": "1"},
    ),
    500: ("InternalError", f"Internal error occurred: {_ETCD}", {"causes": [{"message": _ETCD}]}, {}),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request", {}, {}),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout", {}, {}),
}


# --- one field ---------------------------------------------------------------------------------------------------


def field_invalid(path: str, value: object, why: str) -> FieldError:
    """`Invalid value: "x": why`."""
    shown = value if isinstance(value, str) else _shown(value)
    return FieldError(
        "FieldValueInvalid", path, f"Invalid value: {_quoted(shown) if isinstance(value, str) else shown}: {why}"
    )


def field_required(path: str, why: str = "") -> FieldError:
    """`Required value`."""
    return FieldError("FieldValueRequired", path, f"Required value: {why}" if why else "Required value")


def field_forbidden(path: str, why: str) -> FieldError:
    """`Forbidden: why`."""
    return FieldError("FieldValueForbidden", path, f"Forbidden: {why}")


def field_too_long(path: str, limit: int) -> FieldError:
    """More bytes than are allowed."""
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {limit} bytes")


def _details(resource: Resource, name: str) -> Object:
    group = {"group": resource.group} if resource.group else {}
    return {"name": name, **group, "kind": resource.plural}


def _quoted(text: str) -> str:
    # Go's %q and JSON agree on what occurs here.
    return json.dumps(text, ensure_ascii=False)


def _shown(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
