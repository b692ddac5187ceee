"""The leaves of the configuration: each a function that takes what YAML gave and returns a value or refuses.

A refusal is written by `refuse` as (what is wrong, what to write instead) and never quotes a credential.
`Checked` puts such a function into a pydantic model together with the JSON Schema of what it takes; `SECRET` is the
hook that makes `monitor.core.secret.Secret` a field whose dump is `***`.
An empty text counts as "not given" wherever a value is optional, as in Codefresh's values.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from monitor.config import address, durations
from monitor.config.problems import kind, shown
from monitor.core.secret import Secret

JsonSchema = dict[str, Any]

REFUSED = "configuration"
# A target's name is part of the name of a Secret, its journal: labels of DNS with dots between.
NAME_PATTERN = r"(?=.{1,63}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*"
SECRET_NAME_PATTERN = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"  # noqa: S105 - no credential, a word for one
SECRET_KEY_PATTERN = r"[-._a-zA-Z0-9]{1,253}"  # noqa: S105 - no credential, a word for one
NAMESPACE_PATTERN = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
PERMISSION_PATTERN = r"[a-z][a-z-]{0,40}/[a-z*][A-Za-z*-]{0,40}/[A-Za-z0-9_.*:?\[\]{},/-]{1,200}"
USERNAME_PATTERN = r"[^\s\x00-\x20/\x7f]{1,253}"
HOST_PATTERN = r"[A-Za-z0-9]([-A-Za-z0-9._]{0,251}[A-Za-z0-9])?"
PATH_PATTERN = r"[^\x00-\x1f]{1,4096}"
MAX_SECRET = 65_536


def refuse(what: str, instead: str) -> PydanticCustomError:
    """The error of a field: what is wrong and what to write instead."""
    return PydanticCustomError(REFUSED, "{what}; {instead}", {"what": what, "instead": instead})


@dataclass(frozen=True, slots=True)
class Checked:
    """Marks a field as read by `check`; `schema` says the same to JSON Schema as well as it can."""

    check: Callable[[Any], Any]
    schema: JsonSchema
    dump: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        serialization = None if self.dump is None else core_schema.plain_serializer_function_ser_schema(self.dump)
        return core_schema.no_info_plain_validator_function(self.check, serialization=serialization)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return dict(self.schema)

    def __hash__(self) -> int:
        return hash(self.check)


def a_text(value: object) -> str:
    """A text; numbers, booleans and dates must be quoted to be one."""
    if isinstance(value, str):
        if "${" in value:
            raise refuse("holds ${...}, which is not replaced: no environment is read", "write the value out")
        return value
    raise refuse(
        f"must be a text, not {kind(value)}",
        "put it in quotes" if isinstance(value, int | float) else "write a text",
    )


def text(pattern: str, what: str, instead: str, *, required: bool = False, show: bool = True) -> Checked:
    """A text that matches `pattern` as a whole; empty means "not given" unless it is required.

    show: whether a wrong value may be shown; not where a credential is easily pasted by mistake.
    """
    compiled = re.compile(pattern)

    def check(value: object) -> str | None:
        given = a_text(value)
        if not given and not required:
            return None
        if not compiled.fullmatch(given):
            raise refuse(f"{shown(given) if show else 'the text'} is not {what}", instead)
        return given

    return Checked(check, {"type": "string", "pattern": f"^(?:{pattern}){'' if required else '?'}$"})


def _secret(limit: str, instead: str) -> Checked:
    refused = re.compile(limit)

    def check(value: object) -> Secret | None:
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str):
            raise refuse(f"must be a text, not {kind(value)}", "put it in quotes")
        if not value:
            return None
        if re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", value):
            raise refuse("is ${...}, which is not replaced: no environment is read", "name a Secret or a file instead")
        if len(value) > MAX_SECRET:
            raise refuse(f"is longer than {MAX_SECRET} characters", "write the credential and nothing else")
        if refused.search(value):
            raise refuse("holds a character that cannot belong to it (its value is not shown)", instead)
        return Secret(value)

    return Checked(check, {"type": "string", "format": "password", "writeOnly": True}, lambda _: "***")


TOKEN = _secret(r"[^\x21-\x7e]", "write the token on one line, without spaces or line breaks")
PASSWORD = _secret(r"[\x00-\x1f\x7f]", "write the password on one line (in YAML a | block adds a line break)")


def truth(value: object) -> bool:
    """true or false, and nothing that merely looks like it."""
    if isinstance(value, bool):
        return value
    raise refuse(f"must be true or false, not {kind(value)}", "write true or false without quotes")


TRUTH = Checked(truth, {"type": "boolean"})


def port(lowest: int) -> Checked:
    """A port as a number, or as a text of digits (values of Helm often quote it)."""

    def check(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= 65535:
            raise refuse(f"must be a port from {lowest} to 65535", "write a number like 8080")
        return value

    return Checked(
        check,
        {
            "anyOf": [
                {"type": "integer", "minimum": lowest, "maximum": 65535},
                {"type": "string", "pattern": "^[0-9]{1,5}$"},
            ]
        },
    )


def whole(lowest: int, highest: int) -> Checked:
    """A whole number."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise refuse("not a number that is allowed here", f"write a whole number from {lowest} to {highest}")
        return value

    return Checked(check, {"type": "integer", "minimum": lowest, "maximum": highest})


def duration(lowest: float, highest: float) -> Checked:
    """Seconds, written as `durations.parse` takes them, within bounds."""

    def check(value: object) -> float:
        seconds = durations.parse(value)
        if seconds is None:
            given = shown(value) if isinstance(value, str) else kind(value)
            if isinstance(value, int | float) and value < 0:
                given = "a negative number"
            raise refuse(f"{given} is not a duration", f"write seconds, or {durations.EXAMPLES}")
        if not lowest <= seconds <= highest:
            bounds = f"{durations.written(lowest)} to {durations.written(highest)}"
            given = "too short" if seconds < lowest else "too long"
            raise refuse(f"is {given}", f"write {bounds}")
        return seconds

    return Checked(
        check,
        {
            "anyOf": [
                {"type": "number", "minimum": lowest, "maximum": highest},
                {"type": "string", "pattern": durations.PATTERN},
            ],
            "examples": ["15s", "1m30s"],
        },
    )


def choice(*values: str, of: str) -> Checked:
    """One of a closed list of words. The wording is that of Codefresh's chart for `auth.type`."""
    allowed = " ".join(values)

    def check(value: object) -> str:
        if isinstance(value, str) and value in values:
            return value
        given = shown(value) if isinstance(value, str) else kind(value)
        raise refuse(f"invalid value for {of}: {given}", f"allowed values are: [{allowed}]")

    return Checked(check, {"enum": list(values)})


def _svc(value: object) -> str | None:
    given = a_text(value)
    return _addressed(address.service_name, given) if given else None


def _rootpath(value: object) -> str:
    return _addressed(address.normal_rootpath, a_text(value))


def _url(value: object) -> str | None:
    given = a_text(value)
    return _addressed(lambda url: address.of_url(url).url, given) if given else None


def _addressed(check: Callable[[str], str], given: str) -> str:
    try:
        return check(given)
    except address.AddressError as error:
        raise refuse(error.what, error.instead) from None


SVC = Checked(_svc, {"type": "string", "maxLength": 253, "pattern": f"^(?:{address.HOST_PATTERN})?$"})
ROOTPATH = Checked(_rootpath, {"type": "string", "pattern": f"^{address.ROOTPATH_PATTERN}$"})
URL = Checked(
    _url,
    {"type": "string", "maxLength": address.MAX_URL, "pattern": r"^(?:[Hh][Tt][Tt][Pp][Ss]?://[^\s@?#]+)?$"},
)


def _bind(value: object) -> str:
    given = a_text(value)
    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        if given == "localhost":
            return given
        raise refuse(f"{shown(given)} is not an address", "write 127.0.0.1, 0.0.0.0, :: or the like") from None


BIND = Checked(_bind, {"type": "string", "minLength": 2})
NAME = text(
    NAME_PATTERN,
    "a name for a target",
    "use 1 to 63 lower-case letters, digits, - and ., with a letter or a digit first, last and beside each dot",
    required=True,
)
SECRET_NAME = text(
    SECRET_NAME_PATTERN, "the name of a Secret", "write it as in Kubernetes, like argocd-token", show=False
)
SECRET_KEY = text(SECRET_KEY_PATTERN, "a key of a Secret", "use letters, digits, -, _ and ., like token", show=False)
WORKLOAD_NAME = text(SECRET_NAME_PATTERN, "the name of a workload", "write it as in Kubernetes, like cap-app-proxy")
LEASE_NAME = text(
    SECRET_NAME_PATTERN, "the name of a Lease", "write it as in Kubernetes, like token-monitor", required=True
)
NAMESPACE = text(NAMESPACE_PATTERN, "a namespace", "write it as in Kubernetes, like argocd")
USERNAME = text(USERNAME_PATTERN, "the name of an account", "write it as Argo CD does, without spaces and slashes")
HOST = text(HOST_PATTERN, "the name of a host", "write it like argocd.example.com")
FILE = text(PATH_PATTERN, "a path of a file", "write it like /etc/token-monitor/ca.crt", show=False)
SELECTOR = text(
    r"[A-Za-z0-9][-A-Za-z0-9._/]{0,300}=[-A-Za-z0-9._]{0,63}(,[A-Za-z0-9][-A-Za-z0-9._/]{0,300}=[-A-Za-z0-9._]{0,63}){0,9}",
    "a label selector",
    "write it like app=cap-app-proxy",
)
CONTEXT = text(PATH_PATTERN, "the name of a context", "write it as kubectl config get-contexts lists it")
REQUIRED_FILE = text(
    PATH_PATTERN, "a path of a file", "write it like /etc/token-monitor/password", required=True, show=False
)
BASIC_USERNAME = text(
    r"[^\x00-\x1f\x7f:]{1,253}", "a user name", "write it without a colon and line breaks", required=True, show=False
)
PERMISSION = text(
    PERMISSION_PATTERN,
    "a permission",
    "write RESOURCE/ACTION/OBJECT, like applications/get/*/*",
    required=True,
)


def _web_address(value: object) -> str:
    given = a_text(value)
    try:
        return address.of_url(given).url
    except address.AddressError as error:
        raise refuse(error.what, "write the address alone, like https://name.example.com:8443/path") from None


# An address that is not Argo CD's, where one must be given.
WEB_ADDRESS = Checked(
    _web_address, {"type": "string", "maxLength": address.MAX_URL, "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s@?#]+$"}
)

SECRET_ADDRESS_PATTERN = r"(?:[Hh][Tt][Tt][Pp][Ss]?://[!-~]{1,2000})?"  # noqa: S105 - no credential, a word for one


def _secret_address(value: object) -> Secret | None:
    if isinstance(value, Secret):
        return value
    given = a_text(value)
    if not re.fullmatch(SECRET_ADDRESS_PATTERN, given):
        raise refuse("is not an address (it is not shown)", "write it like https://hc-ping.com/UUID, on one line")
    return Secret(given) if given else None


SECRET_ADDRESS = Checked(
    _secret_address, {"type": "string", "pattern": f"^{SECRET_ADDRESS_PATTERN}$", "writeOnly": True}, lambda _: "***"
)

LABEL_PATTERN = r"(?!__)[a-zA-Z_][a-zA-Z0-9_]{0,62}"
MAX_LABELS = 20
MAX_LABEL_VALUE = 200
# Those that say which alert it is.
OWN_LABELS = ("alertname", "severity", "target")


def _labels(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise refuse(f"must be a mapping, not {kind(value)}", "write NAME: TEXT below it")
    if len(value) > MAX_LABELS:
        raise refuse(f"has more than {MAX_LABELS} labels", "write fewer")
    for name, given in value.items():
        if not isinstance(name, str) or not re.fullmatch(LABEL_PATTERN, name):
            raise refuse("has a name that is none of a label", "use letters, digits and _, with no digit first")
        if name in OWN_LABELS:
            raise refuse(f"{name} is a label that each alert has by itself", "leave it out")
        if len(a_text(given)) > MAX_LABEL_VALUE or not given.isprintable():
            raise refuse(f"{name} is longer than {MAX_LABEL_VALUE} characters, or not on one line", "shorten it")
    return dict(value)


LABELS = Checked(
    _labels,
    {
        "type": "object",
        "maxProperties": MAX_LABELS,
        "propertyNames": {"pattern": f"^{LABEL_PATTERN}$", "not": {"enum": list(OWN_LABELS)}},
        "additionalProperties": {"type": "string", "maxLength": MAX_LABEL_VALUE},
    },
)
