"""Reading the bodies that Argo CD answers with. Strict where the truth depends on it, lenient where it does not.

Each reader returns None for anything that is not the expected shape; what that means is `classify`'s to say.
Sources: `argocd/README.md` ("Is the token good?", "Transport") and its recordings.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NoReturn

from monitor.core.claims import epoch
from monitor.core.model import Account, Answer, Key, Reply
from monitor.core.text import printable

MAX_MESSAGE = 300
MAX_NAME = 200
# gRPC codes that Argo CD's gateway puts into `code` (google.rpc.Code).
CODE_INVALID_ARGUMENT = 3
CODE_NOT_FOUND = 5
CODE_PERMISSION_DENIED = 7
CODE_UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class UserInfo:
    """`GET /api/v1/session/userinfo`: the only endpoint that tells whether a token is good."""

    logged_in: bool
    username: str = ""
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class ApiError:
    """An error of Argo CD's own gateway: JSON with a gRPC code and a message (printable, bounded)."""

    code: int
    message: str


class _DuplicateKeyError(ValueError):
    pass


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DuplicateKeyError
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def json_object(body: bytes, *, unique_keys: bool = True) -> dict[str, object] | None:
    """The JSON object in `body`, or None: no UTF-8, no JSON, no object, NaN, doubled keys, too deep."""
    try:
        # Decoded here: json.loads would also take UTF-16, a byte order mark and surrogates, which Argo CD never sends.
        value: object = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique if unique_keys else None, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_userinfo(answer: Answer | None) -> UserInfo | None:
    """Who Argo CD says we are. `loggedIn` must be a JSON boolean or absent (false fields are left out)."""
    if not isinstance(answer, Reply) or answer.status != 200:
        return None
    found = json_object(answer.body)
    if found is None:
        return None
    logged_in = found.get("loggedIn", False)
    if not isinstance(logged_in, bool):
        return None
    return UserInfo(logged_in, _name(found.get("username")), _name(found.get("iss")))


def read_error(answer: Answer | None) -> ApiError | None:
    """The error of Argo CD's gateway, told from any other server's by its numeric `code` and text `message`."""
    if not isinstance(answer, Reply) or answer.status < 400:
        return None
    found = json_object(answer.body)
    if found is None:
        return None
    code, message = found.get("code"), found.get("message", found.get("error"))
    if isinstance(code, bool) or not isinstance(code, int) or not isinstance(message, str):
        return None
    if not message.strip():
        return None  # Argo CD always says something; a bare code may be anybody's
    return ApiError(code, printable(message, MAX_MESSAGE))


def read_refusal(answer: Answer | None) -> str | None:
    """The text with which Argo CD itself refused the token (401, code 16), else None."""
    error = read_error(answer)
    if error is None or not isinstance(answer, Reply):
        return None
    if answer.status == 401 and error.code == CODE_UNAUTHENTICATED:
        return error.message
    return None


def read_account(answer: Answer | None) -> Account | None:
    """An account's page. False fields are left out; int64 comes as number or string; capabilities may repeat."""
    if not isinstance(answer, Reply) or answer.status != 200:
        return None
    # One body in a check may be large (every key ever made): doubled keys decide nothing here, so no hook.
    found = json_object(answer.body, unique_keys=False)
    if found is None or not isinstance(found.get("name"), str) or not found["name"]:
        return None
    capabilities, tokens = found.get("capabilities"), found.get("tokens")
    return Account(
        name=_name(found["name"]),
        enabled=found.get("enabled") is True,
        capabilities=frozenset(c for c in capabilities if isinstance(c, str))
        if isinstance(capabilities, list)
        else frozenset(),
        keys=tuple(key for item in tokens if (key := _key(item))) if isinstance(tokens, list) else (),
    )


def read_can_i(answer: Answer | None) -> bool | None:
    """`can-i`: True for yes, False for no, None when it was not answered."""
    if not isinstance(answer, Reply) or answer.status != 200:
        return None
    found = json_object(answer.body)
    value = found.get("value") if found is not None else None
    return {"yes": True, "no": False}.get(value) if isinstance(value, str) else None


def was_served(answer: Answer | None) -> bool:
    """Whether Argo CD dealt with the question instead of refusing the token: it answered, or said 403 or 404 itself."""
    if not isinstance(answer, Reply):
        return False
    if answer.status == 200:
        return read_can_i(answer) is not None or read_account(answer) is not None
    error = read_error(answer)
    return error is not None and (answer.status, error.code) in ((403, CODE_PERMISSION_DENIED), (404, CODE_NOT_FOUND))


def _key(item: object) -> Key | None:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        return None
    return Key(item["id"], epoch(item.get("issuedAt")), epoch(item.get("expiresAt")))


def _name(value: object) -> str:
    return printable(value, MAX_NAME) if isinstance(value, str) else ""
