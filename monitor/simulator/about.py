"""Endpoints that say nothing about the token: version, settings, health; and the empty lists of the rest."""

from __future__ import annotations

from monitor.simulator.calls import NOBODY, Call
from monitor.simulator.messages import PLAIN_TEXT, Response, json_response
from monitor.simulator.wording import Version

_NOT_INSTALLED = 'could not get {0} version: exec: "{0}": executable file not found in $PATH'
_JSONNET: dict[Version, str] = {"3": "v0.22.0", "2": "v0.20.0"}
_SETTINGS: dict[Version, dict[str, object]] = {
    "3": {
        "appLabelKey": "app.kubernetes.io/instance",
        "googleAnalytics": {"anonymizeUsers": True},
        "kustomizeOptions": {"BuildOptions": "", "BinaryPath": "", "Versions": None},
        "help": {},
        "trackingMethod": "annotation",
        "syncWithReplaceAllowed": True,
        "resourceViewEnabled": True,
    },
    "2": {
        "appLabelKey": "app.kubernetes.io/instance",
        "resourceOverrides": {
            "apiextensions.k8s.io/CustomResourceDefinition": {
                "ignoreDifferences": "jqPathExpressions: null\njsonPointers:\n- /status\n- /spec/preserveUnknownFields\n"
                "managedFieldsManagers: null\n",
                "ignoreResourceUpdates": "jqPathExpressions: null\njsonPointers: null\nmanagedFieldsManagers: null\n",
            }
        },
        "googleAnalytics": {"anonymizeUsers": True},
        "kustomizeOptions": {"BuildOptions": "", "BinaryPath": ""},
        "help": {},
        "passwordPattern": "^.{8,32}$",
    },
}


def version(call: Call) -> Response:
    """The version; everything else about the build to those who are signed in, or to all where nobody has to be."""
    closed = call.settings.anonymous is None and not call.settings.authentication_disabled
    if call.caller is NOBODY and closed:
        return json_response({"Version": call.state.version})
    return json_response(
        {
            "Version": call.state.version,
            "BuildDate": "1970-01-01T00:00:00Z",
            "GoVersion": "go1.26.8",
            "Compiler": "gc",
            "Platform": "linux/amd64",
            "KustomizeVersion": _NOT_INSTALLED.format("kustomize"),
            "HelmVersion": _NOT_INSTALLED.format("helm"),
            "JsonnetVersion": _JSONNET[call.state.wording.version],
        }
    )


def settings(call: Call) -> Response:
    """What the login page needs to know."""
    return json_response(_SETTINGS[call.state.wording.version])


def health() -> Response:
    """`/healthz`, with or without `?full=true`."""
    return Response(200, {"content-type": PLAIN_TEXT}, b"ok\n")


def applications(call: Call) -> Response:
    """The list of applications, which is empty: what one may not read is left out, so everybody gets 200."""
    if call.state.wording.version == "3":
        body = b'{"metadata":{"resourceVersion":"1"}\n,"items":null}'
    else:
        body = b'{"items":null,"metadata":{"resourceVersion":"1"}}'
    return Response(200, {"content-type": "application/json"}, body)


def certificates(call: Call) -> Response:
    """The list of certificates, which is empty."""
    del call
    return json_response({"metadata": {}, "items": None})
