"""Accounts and their API keys, and what the caller may do (server/account/account.go)."""

from __future__ import annotations

import re
from typing import Any

from monitor.simulator import rbac
from monitor.simulator.calls import Call, project_role_of
from monitor.simulator.messages import APIError, Code, Response, json_response
from monitor.simulator.sessions import check_password
from monitor.simulator.settings import Account, Key
from monitor.simulator.state import (
    CapabilityMissingError,
    KeyIdTakenError,
    NoSuchAccountError,
    NoSuchKeyError,
)
from monitor.simulator.tokens import ISSUER
from monitor.simulator.wording import Text

PASSWORD_PATTERN = "^.{8,32}$"  # noqa: S105 - Argo CD's default rule, no password


def list_accounts(call: Call) -> Response:
    """Every account that the caller may read, by name."""
    declared = [account for account in call.settings.accounts.values() if account.declared]
    seen = [
        account for account in declared if _is_own(call, account.name) or call.allows("accounts", "get", account.name)
    ]
    items = [_shown(call, account) for account in sorted(seen, key=lambda account: account.name)]
    return json_response({"items": items} if items else {})


def get_account(call: Call) -> Response:
    """One account, with every key that was ever made and not deleted."""
    name = call.path["name"]
    _require(call, "get", name)
    account = call.settings.account(name)
    if account is None:
        raise call.error(Code.NOT_FOUND, Text.ACCOUNT_MISSING, name=name)
    return json_response(_shown(call, account))


def create_token(call: Call) -> Response:
    """Mints an API key. The name in the path wins over the one in the body."""
    name, id_ = call.path["name"], call.message["id"]
    _require(call, "update", name)
    try:
        token = call.state.mint_key(name, id_, call.message["expiresIn"], replica=call.replica)
    except NoSuchAccountError:
        raise call.error(Code.NOT_FOUND, Text.ACCOUNT_MISSING, name=name) from None
    except KeyIdTakenError:
        raise call.error(Code.UNKNOWN, Text.KEY_ID_TAKEN, id=id_) from None
    except CapabilityMissingError:
        raise call.error(Code.UNKNOWN, Text.KEY_CAPABILITY_MISSING, name=name) from None
    return json_response({"token": token})


def delete_token(call: Call) -> Response:
    """Deletes an API key."""
    name, id_ = call.path["name"], call.path["id"]
    _require(call, "update", name)
    try:
        call.state.revoke_key(name, id_, replica=call.replica)
    except NoSuchAccountError:
        raise call.error(Code.NOT_FOUND, Text.ACCOUNT_MISSING, name=name) from None
    except NoSuchKeyError:
        raise call.error(Code.NOT_FOUND, Text.KEY_ID_UNKNOWN, id=id_) from None
    return json_response({})


def can_i(call: Call) -> Response:
    """Whether the caller may do that: always 200 for a question that the server understands."""
    version = call.state.wording.version
    resource, action, object_ = call.path["resource"], call.path["action"], call.path["object"]
    for known, asked in ((rbac.actions(version), action), (rbac.resources(version), resource)):
        if asked not in known:
            raise call.error(Code.INVALID_ARGUMENT, Text.NOT_IN_LIST, known=" ".join(known), asked=asked)
    if action == "rollback":  # enforced apart only with server.rbac.rollback.enforce.enable
        action = "sync"
    if resource == "logs" and version == "2":  # enforced only with server.rbac.log.enforce.enable
        return json_response({"value": "yes"})
    return json_response({"value": "yes" if call.allows(resource, action, object_) else "no"})


def update_password(call: Call) -> Response:
    """Changes a password: the caller's own, or another's with permission; always with the caller's present one."""
    caller = call.caller
    name = call.message["name"] or caller.name
    if name != caller.name or caller.issuer != ISSUER:
        call.require("accounts", "update", call.message["name"])
    if caller.issuer != ISSUER:
        raise call.error(Code.UNKNOWN, Text.PASSWORD_NO_ISSUE_TIME)
    if not call.message["name"] and project_role_of(caller.name) is not None:
        raise call.error(Code.INVALID_ARGUMENT, Text.PASSWORD_OF_PROJECT, name=caller.name)
    delay = _check_own_password(call)
    if re.fullmatch(PASSWORD_PATTERN, call.message["newPassword"]) is None:
        raise call.error(Code.UNKNOWN, Text.PASSWORD_PATTERN, delay=delay, pattern=PASSWORD_PATTERN)
    try:
        call.state.change_password(name, call.message["newPassword"], replica=call.replica)
    except NoSuchAccountError:
        raise call.error(Code.NOT_FOUND, Text.ACCOUNT_MISSING, delay=delay, name=name) from None
    return json_response({}, delay=delay)


def _check_own_password(call: Call) -> float:
    try:
        return check_password(call, call.caller.name, call.message["currentPassword"])
    except APIError as refused:
        raise call.error(Code.INVALID_ARGUMENT, Text.PASSWORD_DOES_NOT_MATCH, delay=refused.delay) from None


def _is_own(call: Call, name: str) -> bool:
    return call.caller.name == name and call.caller.issuer == ISSUER


def _require(call: Call, action: str, name: str) -> None:
    if not _is_own(call, name):
        call.require("accounts", action, name)


def _shown(call: Call, account: Account) -> dict[str, Any]:
    newest_first = sorted(account.keys, key=lambda key: -key.issued_at)
    fields = {
        "name": account.name,
        "enabled": account.enabled,
        "capabilities": [str(capability) for capability in account.capabilities],
        "tokens": [_shown_key(call, key) for key in newest_first],
    }
    return {name: value for name, value in fields.items() if value}  # false and empty fields are left out


def _shown_key(call: Call, key: Key) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": key.id, "issuedAt": key.issued_at, "expiresAt": key.expires_at}
    present = {name: value for name, value in fields.items() if value}
    if call.state.numbers_as_text:
        return {name: str(value) for name, value in present.items()}
    return present
