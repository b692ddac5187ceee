"""Tokens of project roles (server/project/project.go)."""

from __future__ import annotations

from monitor.simulator.calls import Call
from monitor.simulator.messages import APIError, Code, Response, json_response
from monitor.simulator.state import KeyIdTakenError, NoSuchKeyError
from monitor.simulator.wording import Text


def create_token(call: Call) -> Response:
    """Mints a token of a project role. That the role exists is checked before the permission."""
    project, role, id_ = call.path["project"], call.path["role"], call.message["id"]
    _require_project(call, project)
    if call.state.settings.project_role(project, role) is None:
        raise call.error(Code.NOT_FOUND, Text.PROJECT_ROLE_MISSING, project=project, role=role)
    call.require("projects", "update", project)
    try:
        expires_in = call.message["expiresIn"]
        token = call.state.mint_project_token(project, role, id_, expires_in, replica=call.replica)
    except KeyIdTakenError:
        raise call.error(Code.INVALID_ARGUMENT, Text.PROJECT_TOKEN_ID_TAKEN, id=id_) from None
    return json_response({"token": token})


def delete_token(call: Call) -> Response:
    """Deletes a token of a project role. One that is not there is no error."""
    project, role, id_ = call.path["project"], call.path["role"], call.query.get("id", "")
    _require_project(call, project)
    if call.state.settings.project_role(project, role) is None:
        return json_response({})
    call.require("projects", "update", project)
    try:
        call.state.revoke_project_token(project, role, _issued_at(call), id_, replica=call.replica)
    except NoSuchKeyError:
        return json_response({})
    return json_response({})


def _require_project(call: Call, project: str) -> None:
    if project not in call.state.settings.projects:
        raise call.error(Code.NOT_FOUND, Text.PROJECT_NOT_FOUND, project=project)


def _issued_at(call: Call) -> int:
    given = call.path["iat"]
    try:
        return int(given)
    except ValueError:
        said = f'type mismatch, parameter: iat, error: strconv.ParseInt: parsing "{given}": invalid syntax'
        raise APIError(Code.INVALID_ARGUMENT, said) from None
