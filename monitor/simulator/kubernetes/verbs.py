"""`handle(state, request) -> Response | Watch`: the whole API server as one function, without a socket.

The order is that of the real one: who may do that, does it exist, can the answer be given in that form, can the body
be read, and only then what was asked.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from monitor.simulator.kubernetes import access, events, ownership, patches, validation, writes
from monitor.simulator.kubernetes.problems import (
    PageNotFoundError,
    ProblemError,
    bad_request,
    conflict,
    expired,
    field_invalid,
    forbidden,
    invalid,
    method_not_allowed,
    not_found,
    patch_rejected,
    too_large_version,
    unexplained,
    unknown_resource,
    unsupported_media_type,
    unsupported_patch,
)
from monitor.simulator.kubernetes.resources import REVIEWS, REVIEWS_GROUP, Resource, find, served
from monitor.simulator.kubernetes.selectors import Selection, SelectorError, selection
from monitor.simulator.kubernetes.state import ClusterState
from monitor.simulator.kubernetes.views import View, negotiate
from monitor.simulator.kubernetes.watches import TOO_OLD, Watch
from monitor.simulator.kubernetes.wire import JSON, TEXT, Attributes, Object, Request, Response, attributes
from monitor.simulator.kubernetes.writes import STATUS, Place, Writer

VERSION = {"major": "1", "minor": "34", "gitVersion": "v1.34.0+simulated", "platform": "linux/amd64"}
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
# A watch without timeoutSeconds ends after 30 to 60 minutes.
WATCH_SECONDS = (1800.0, 3600.0)
_LIST_TOO_OLD = "The provided resource version is too old."
_CONTINUE_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without"
    " the continue parameter."
)


def handle(state: ClusterState, request: Request, *, stale: int = 0) -> Response | Watch:
    """The answer. stale: reads are served as of so many versions ago."""
    try:
        return _handle(state, request, attributes(request), stale)
    except ProblemError as problem:
        return problem.response()


@dataclass(frozen=True, slots=True)
class _Call:
    state: ClusterState
    request: Request
    asked: Attributes
    resource: Resource
    view: View
    at: int | None  # the version that reads are served from; None: the present one

    @property
    def place(self) -> Place:
        return Place(self.resource, self.asked.namespace, self.asked.name)

    @property
    def writer(self) -> Writer:
        manager = ownership.manager_name(self.request.query.get("fieldManager", ""), self.request.user_agent)
        return Writer(manager, self.asked.subresource, self.request.query.get("dryRun") == "All")

    def shown(self, object_: Object) -> Object:
        """An object as this version words it."""
        return events.from_core(object_) if self.resource.group == events.GROUP else object_

    def kept(self, object_: Object) -> Object:
        """The other way round."""
        return events.to_core(object_) if self.resource.group == events.GROUP else object_


def _handle(state: ClusterState, request: Request, asked: Attributes, stale: int) -> Response | Watch:
    if asked.group == REVIEWS_GROUP and asked.resource == REVIEWS:
        return _review(state, request)  # system:basic-user: everybody may ask about themselves
    if state.access.reason(asked) is None:
        raise forbidden(asked)
    if not asked.resource:
        return _plain(request)
    resource = find(asked.group, asked.version, asked.resource)
    if resource is None:
        raise unknown_resource() if served(asked.group, asked.version) else PageNotFoundError
    if asked.subresource and not (asked.subresource == STATUS and resource.status):
        raise unknown_resource()
    at = max(state.compacted, state.version - stale) if stale else None
    call = _Call(state, request, asked, resource, negotiate(resource, request.accept), at)
    verb = _VERBS.get(asked.verb)
    fits = bool(asked.name) is (asked.verb not in ("create", "list", "watch")) or asked.verb in ("list", "watch")
    if verb is None or not fits or (asked.verb == "create" and not asked.namespace):
        raise method_not_allowed()
    return verb(call)


def _plain(request: Request) -> Response:
    if request.method == "GET" and request.path == "/version":
        return Response(200, dict(VERSION))
    if request.method == "GET" and request.path in ("/healthz", "/livez", "/readyz"):
        return Response(200, {}, {"content-type": TEXT}, "ok")
    raise PageNotFoundError


def _review(state: ClusterState, request: Request) -> Response:
    if request.method != "POST":
        raise method_not_allowed()
    body = _json(request)
    spec = body.get("spec") if isinstance(body, dict) else None
    if not isinstance(spec, dict) or ("resourceAttributes" in spec) == ("nonResourceAttributes" in spec):
        told = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise invalid(f".{REVIEWS_GROUP}", "", [field_invalid("spec.resourceAttributes", None, told)])
    answer = {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": f"{REVIEWS_GROUP}/v1",
        "metadata": {},
        "spec": spec,
        STATUS: access.review(state.access, request.user, spec),
    }
    return Response(201, answer)


# --- reading -----------------------------------------------------------------------------------------------------


def _get(call: _Call) -> Response:
    wanted = _version(call)
    _not_from_the_future(call.state, wanted)
    object_ = call.state.get(call.place.key, at=call.at)
    if object_ is None:
        raise not_found(call.resource, call.asked.name)
    return Response(200, call.view.one(call.shown(object_)))


def _list(call: _Call) -> Response:
    query, state = call.request.query, call.state
    wanted = _version(call)
    _not_from_the_future(state, wanted)
    chosen = _selection(call)
    at, after, limit = call.at, "", _number(query.get("limit", ""))
    if query.get("continue"):
        at, after = _read_token(query["continue"])
        if at < state.compacted:
            raise expired(_CONTINUE_TOO_OLD)
    elif query.get("resourceVersionMatch") == "Exact" and wanted:
        at = wanted
        if at < state.compacted:
            raise expired(_LIST_TOO_OLD)
    found = [call.shown(each) for each in state.all(*_stored(call), call.asked.namespace, at=at)]
    found = [each for each in found if chosen.matches(each) and _order(each) > after]
    metadata: Object = {"resourceVersion": str(state.version if at is None else at)}
    if limit and len(found) > limit:
        metadata["continue"] = _token(int(metadata["resourceVersion"]), _order(found[limit - 1]))
        if not chosen.labels and not chosen.fields:
            metadata["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    return Response(200, call.view.many(found, metadata))


def _watch(call: _Call) -> Watch:
    query, state = call.request.query, call.state
    chosen, wanted = _selection(call), _version(call)
    if 0 < wanted < state.compacted and state.gone_as_status:
        raise expired(TOO_OLD.format(asked=wanted, oldest=state.compacted))
    call.view.one({"metadata": {}})  # can it be given in that form?
    seconds = float(_number(query.get("timeoutSeconds", ""))) or state.random.uniform(*WATCH_SECONDS)
    watch = Watch(
        state,
        call.view,
        chosen,
        path=call.request.path,
        namespace=call.asked.namespace,
        bookmarks=call.request.flag("allowWatchBookmarks"),
        began_at=wanted or state.version,
        ends_at=state.clock.monotonic() + seconds,
    )
    if wanted == 0:
        present = [call.shown(each) for each in state.all(*_stored(call), call.asked.namespace)]
        watch.start_with([each for each in present if chosen.matches(each)])
    elif wanted < state.compacted:
        watch.expire(TOO_OLD.format(asked=wanted, oldest=state.compacted))
    else:
        watch.catch_up(state.changes_since(wanted))
    return watch


# --- writing -----------------------------------------------------------------------------------------------------


def _create(call: _Call) -> Response:
    object_ = _body(call)
    return Response(201, _answer(call, writes.create(call.state, call.place, object_, call.writer)))


def _update(call: _Call) -> Response:
    object_ = _body(call)
    if not object_["metadata"].get("name"):
        told = f"the name of the object ({call.asked.name} based on URL) was undeterminable: name must be provided"
        raise bad_request(told)
    if call.state.get(call.place.key) is None and call.resource.created_by_put and not call.asked.subresource:
        creating = Attributes(call.asked.user, "create", *_without_verb(call.asked))
        if call.state.access.reason(creating) is None:
            raise forbidden(creating)
        if object_["metadata"].get("uid"):  # the object that was read is gone; another one was not meant
            raise conflict(call.resource, call.place.name, "StorageError: invalid object, Code: 4")
        return Response(201, _answer(call, writes.create(call.state, call.place, object_, call.writer, by_put=True)))
    return Response(200, _answer(call, writes.update(call.state, call.place, lambda _: object_, call.writer)))


def _patch(call: _Call) -> Response:
    apply = _PATCHES.get(_media_type(call.request))
    if apply is None:
        raise unsupported_patch()
    patch = _json(call.request)
    if not isinstance(patch, dict) and apply is not patches.apply_json_patch:
        told = "json: cannot unmarshal array into Go value of type map[string]interface {}"
        raise bad_request(f"error decoding patch: {told}")

    def change(old: Object) -> Object:
        try:
            patched = apply(call.shown(old), patch)
        except patches.PatchError:
            raise patch_rejected() from None
        except patches.PatchFormError as error:
            raise bad_request(str(error)) from None
        try:
            return call.kept(validation.decode(call.resource, patched))
        except validation.DecodingError as error:
            # The real one shows the whole object here, a Secret's values among it.
            shown, told = json.dumps(patched, separators=(",", ":"), sort_keys=True), str(error)
            if apply is patches.strategic:
                shown, told = _go_map(patch), f"error decoding from json: {told}"
            raise invalid("", "", [field_invalid("patch", shown, told)]) from None

    return Response(200, _answer(call, writes.update(call.state, call.place, change, call.writer)))


def _delete(call: _Call) -> Response:
    options = _json(call.request) if call.request.body else {}
    preconditions = options.get("preconditions") or {} if isinstance(options, dict) else {}
    gone = writes.delete(call.state, call.place, preconditions, call.writer)
    return Response(200, gone if gone["kind"] == "Status" else _answer(call, gone))


def _answer(call: _Call, object_: Object) -> Object:
    return call.view.one(call.shown(object_))


def _body(call: _Call) -> Object:
    if _media_type(call.request) != JSON:
        raise unsupported_media_type()
    body, resource = _json(call.request), call.resource
    if isinstance(body, dict):
        kind, version = body.get("kind", resource.kind), body.get("apiVersion", resource.api_version)
        if (kind, version) != (resource.kind, resource.api_version):
            told = f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'
            group, _, number = str(version).rpartition("/")
            if find(group, number, f"{str(kind).lower()}s") is not None:
                told = f"converting (v1.{kind}) to (core.{resource.kind}): unknown conversion"
            raise bad_request(f'{kind} in version "{version}" cannot be handled as a {resource.kind}: {told}')
    try:
        return call.kept(validation.decode(resource, body))
    except validation.DecodingError as error:
        kind = resource.kind
        raise bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {error}') from None


_VERBS: Mapping[str, Callable[[_Call], Response | Watch]] = {
    "get": _get,
    "list": _list,
    "watch": _watch,
    "create": _create,
    "update": _update,
    "patch": _patch,
    "delete": _delete,
}
_PATCHES: Mapping[str, Callable[[Any, Any], Any]] = {
    MERGE: patches.merge,
    STRATEGIC: patches.strategic,
    JSON_PATCH: patches.apply_json_patch,
}


# --- parameters --------------------------------------------------------------------------------------------------


def _selection(call: _Call) -> Selection:
    labels, fields = call.request.query.get("labelSelector", ""), call.request.query.get("fieldSelector", "")
    try:
        return selection(labels, fields, call.resource.selectable)
    except SelectorError as error:
        raise bad_request(str(error)) from None


def _version(call: _Call) -> int:
    text = call.request.query.get("resourceVersion", "")
    if text and not text.isdecimal():
        told = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f"invalid resource version: {told}") if call.asked.verb == "list" else unexplained(told)
    return int(text or 0)


def _not_from_the_future(state: ClusterState, wanted: int) -> None:
    if wanted > state.version:
        raise too_large_version(wanted, state.version)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _token(version: int, last: str) -> str:
    raw = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": last}).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read_token(text: str) -> tuple[int, str]:
    try:
        value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return int(value["rv"]), str(value["start"])
    except (ValueError, KeyError, TypeError):
        raise bad_request("invalid continue token: continue key is not valid") from None


def _order(object_: Object) -> str:
    metadata = object_["metadata"]
    return f"{metadata.get('namespace', '')}\0{metadata['name']}"


def _stored(call: _Call) -> tuple[str, str]:
    return call.resource.stored_group, call.resource.plural


def _without_verb(asked: Attributes) -> tuple[str, str, str, str, str]:
    # A creation is decided on without a name.
    return asked.path, asked.group, asked.version, asked.resource, asked.namespace


def _go_map(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return f"map[{' '.join(f'{name}:{_go_map(value[name])}' for name in sorted(value))}]"


def _media_type(request: Request) -> str:
    return request.content_type.partition(";")[0].strip().lower()


def _json(request: Request) -> Any:
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the object provided is unrecognized: {type(error).__name__}") from None
