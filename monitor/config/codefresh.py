"""A values file of Codefresh's GitOps Runtime -> the configuration that watches the credential it uses.

It restates what the chart does with the values (codefresh-io/gitops-runtime-helm, 2026-08:
templates/_helpers.tpl `argocd.server.url`, `argocd-auth`, `argocd-token-auth`, and its tests): the user's values are
laid over the chart's defaults, then address, mode, Secret and key follow. Three spellings were in use:
`global.integrations.argo-cd.server` (today), `global.external-argo-cd` (charts until 2025-11) and
`global.external-arg-cd` (the documentation). Address and auth are each taken from the first of these that has them.
Where the chart refuses, `CodefreshError` says it in the chart's words. Credentials in clear are never carried over:
the Secret that the chart makes of them is named instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from monitor.config import address, fields, yamltext
from monitor.config.address import AddressError
from monitor.config.conversion import Conversion, render
from monitor.config.problems import ConfigurationError, shown

__all__ = ["CodefreshError", "Conversion", "from_codefresh", "read_values", "render"]

TODAY = "global.integrations.argo-cd.server"
OLDER = ("global.external-argo-cd", "global.external-arg-cd")
TOKEN_SECRET = "gitops-runtime-argo-cd-token"  # noqa: S105 - the name of a Secret
PASSWORD_SECRET = "gitops-runtime-argo-cd-password"  # noqa: S105 - the name of a Secret

# charts/gitops-runtime/values.yaml
_AUTH: dict[str, Any] = {
    "type": "password",
    "username": "admin",
    "password": "",
    "passwordSecretKeyRef": {"name": "argocd-initial-admin-secret", "key": "password"},
    "token": "",
    "tokenSecretKeyRef": {},
}
_SERVER: dict[str, Any] = {"svc": "argo-cd-server", "port": 80, "rootpath": ""}
_OLDER_SERVER: dict[str, Any] = {"svc": "argocd-server", "port": 80, "rootpath": ""}
_BUNDLED: dict[str, Any] = {
    "enabled": True,
    "fullnameOverride": "argo-cd",
    "nameOverride": "argocd",
    "server": {"name": "server"},
    "configs": {"params": {"server.insecure": True}},
}


class CodefreshError(ValueError):
    """The chart would refuse these values, or Kubernetes what the chart makes of them."""


def read_values(text: str | bytes) -> Mapping[str, Any]:
    """A values file as Helm reads it (merge keys, yes and no), within our bounds."""
    try:
        values = yamltext.read(text, helm=True).value
    except ConfigurationError as error:
        raise CodefreshError(str(error)) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise CodefreshError("the values must be a mapping; give the values file of the GitOps Runtime")
    return values


def from_codefresh(
    values: Mapping[str, Any], release_namespace: str | None = None, release_name: str = "codefresh-gitops-runtime"
) -> Conversion:
    """The configuration for the runtime that these values install."""
    notes: list[str] = []
    if not _tells_of_argocd(values):
        notes.append(
            "These values say nothing of Argo CD (argo-cd, app-proxy, global.integrations.argo-cd), so all of this is what "
            "the chart does by itself. If that surprises you, it was another file."
        )
    auth_path, auth = _auth(values, notes)
    target: dict[str, Any] = {"name": _target_name(values)}
    target.update(_where(values, release_name, notes))
    target["auth"] = _credential(auth_path, auth, values, notes)
    if release_namespace:
        target["namespace"] = release_namespace
    if target["auth"]["type"] == "password":
        target["consumers"] = {"preset": "codefresh"}
        notes.append(
            "In password mode the monitor replaces the API key; rotation: {enabled: false} makes it only watch. app-proxy "
            "reads the key at its start only: consumers.restartConsumers: true restarts it with the new one."
        )
    if "svc" in target["server"]:
        notes.append(
            "A Service's short name is found only from within its namespace: run the monitor in the runtime's "
            "namespace, or write svc as NAME.NAMESPACE."
        )
    _note_overrides(values, notes)
    return Conversion({"targets": [target]}, tuple(notes))


def _tells_of_argocd(values: Mapping[str, Any]) -> bool:
    return any(_at(values, *path.split(".")) is not None for path in ("argo-cd", "app-proxy", TODAY, *OLDER))


def _target_name(values: Mapping[str, Any]) -> str:
    name = _at(values, "global", "runtime", "name")
    return name if isinstance(name, str) and re.fullmatch(fields.NAME_PATTERN, name) else "codefresh"


# ------------------------------------------------------------------------------------------------ the address


def _where(values: Mapping[str, Any], release_name: str, notes: list[str]) -> dict[str, Any]:
    override = _at(values, "app-proxy", "config", "argoCdUrl")
    if truthy(override):
        notes.append("app-proxy.config.argoCdUrl is set, and app-proxy talks to that address: it is used here.")
        return _by_url(str(override))
    bundled = _merged(_BUNDLED, _mapping(values, "argo-cd"), "argo-cd")
    if truthy(bundled.get("enabled")):
        return _bundled(bundled, release_name, notes)
    return _external(values, notes)


def _bundled(argo_cd: Mapping[str, Any], release_name: str, notes: list[str]) -> dict[str, Any]:
    params = _mapping(argo_cd, "configs", "params")
    plain = truthy(params.get("server.insecure"))
    if isinstance(params.get("server.insecure"), str) and str(params["server.insecure"]).lower() == "false":
        notes.append(
            'server.insecure is the text "false": the chart takes any text for true and uses http, '
            "Argo CD itself serves https. Write false without quotes."
        )
    rootpath = _text(params.get("server.rootpath"))
    svc = _bundled_service(argo_cd, release_name, notes)
    if plain:
        return _by_service(svc, 80, rootpath, notes)
    notes.append(
        "The bundled Argo CD serves https with a certificate that it signed itself, so it is not checked "
        "(tls.insecure). Better: tls.caFile with that certificate."
    )
    return {**_by_url(f"https://{svc}{_rootpath(rootpath, notes)}"), "tls": {"insecure": True}}


def _bundled_service(argo_cd: Mapping[str, Any], release_name: str, notes: list[str]) -> str:
    server = _text(_mapping(argo_cd, "server").get("name")) or "server"
    full = _text(argo_cd.get("fullnameOverride"))
    if not full:
        # Argo CD's own chart then names the Service after the release; today's runtime chart prints "-server".
        name = _text(argo_cd.get("nameOverride")) or "argocd"
        full = (release_name if name in release_name else f"{release_name}-{name}")[:63].rstrip("-")
        notes.append(
            f"argo-cd.fullnameOverride is empty: the Service is named after the release ({shown(release_name)} is "
            "taken for its name), while the runtime's chart would print an address that does not exist."
        )
    return f"{full}-{server}"[:63].rstrip("-")


def _external(values: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    integration = _at(values, "global", "integrations", "argo-cd")
    today = integration.get("server") if isinstance(integration, Mapping) else None
    given_today = isinstance(today, Mapping) and any(key in today for key in _SERVER)
    older = [(path, block) for path in OLDER if (block := _older(values, path)) is not None and "server" in block]
    if given_today or not older:
        for path, _ in older:
            notes.append(f"{path}.server is not used: {TODAY} comes first.")
        server = _merged(_SERVER, today if isinstance(today, Mapping) else {}, TODAY)
        errors = (f".Values.{TODAY}.svc is not set", f".Values.{TODAY}.port is not set")
    else:
        path, block = older[0]
        notes.append(
            f"{path}.server is the spelling of older charts: today's chart ignores it, so move it to {TODAY} "
            "before you upgrade."
        )
        lead = f"ArgoCD is not enabled and .Values.{path}.server"
        if not truthy(block["server"]):
            raise CodefreshError(f"{lead} is not set")
        server = _merged(_OLDER_SERVER, _mapping(block, "server"), f"{path}.server")
        errors = (f"{lead}.svc is not set", f"{lead}.port is not set")
    for key, error in zip(("svc", "port"), errors, strict=True):
        if server.get(key) in (None, ""):  # Helm's `required`
            raise CodefreshError(error)
    return _by_service(_text(server["svc"]), _port(server["port"]), _text(server.get("rootpath")), notes)


def _by_service(svc: str, port: int, rootpath: str, notes: list[str]) -> dict[str, Any]:
    if "://" in svc:
        raise CodefreshError(
            "svc is an address; write the name of the Service alone: the runtime's chart puts http:// before it"
        )
    path = _rootpath(rootpath, notes)
    try:
        name = address.service_name(svc)
    except AddressError:
        # The chart pastes the parts together, so `svc: argocd:8080` works there: carry over what it prints.
        return _by_url(f"http://{svc}{'' if port == 80 else f':{port}'}{path}")
    return {"server": {"svc": name, "port": port, "rootpath": path}}


def _by_url(url: str) -> dict[str, Any]:
    try:
        return {"server": {"url": address.of_url(url).url}}
    except AddressError as error:
        raise CodefreshError(
            f"the address that the chart makes of these values {error.what}; {error.instead}"
        ) from None


def _rootpath(text: str, notes: list[str]) -> str:
    try:
        path = address.normal_rootpath(text)
    except AddressError as error:
        raise CodefreshError(f"rootpath: {error.what}; {error.instead}") from None
    if path and not text.startswith("/"):
        notes.append(
            f"rootpath has no slash in front: the chart pastes it to the host as it is, which cannot work. {path} is "
            "used here; correct the values."
        )
    return path


def _port(value: Any) -> int:
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise CodefreshError("port must be a number from 1 to 65535; correct the values")
    return int(text)


# --------------------------------------------------------------------------------------------- the credential


def _auth(values: Mapping[str, Any], notes: list[str]) -> tuple[str, Mapping[str, Any]]:
    """The auth block that counts, over the chart's defaults, and where it stands."""
    given = _at(values, "global", "integrations", "argo-cd", "server", "auth")
    older = [(path, block) for path in OLDER if (block := _older(values, path)) is not None and "auth" in block]
    path: str = f"{TODAY}.auth"
    if given is None and older:
        path, found = f"{older[0][0]}.auth", older[0][1]["auth"]
        if truthy(_merged(_BUNDLED, _mapping(values, "argo-cd"), "argo-cd").get("enabled")):
            notes.append(f"{path} is not used: the charts that read it did so only with argo-cd.enabled: false.")
            return f"{TODAY}.auth", dict(_AUTH)
        given = found
        notes.append(
            f"{path} is the spelling of older charts: today's chart ignores it, so move it to {TODAY}.auth "
            "before you upgrade."
        )
    elif older:
        notes.extend(f"{where}.auth is not used: {TODAY}.auth comes first." for where, _ in older)
    if given is not None and not isinstance(given, Mapping):
        raise CodefreshError(f".Values.{path} must be a mapping")
    return path, _merged(_AUTH, given or {}, path)


def _credential(path: str, auth: Mapping[str, Any], values: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    match auth.get("type"):
        case "token":
            return {"type": "token", "tokenSecretKeyRef": _token_ref(path, auth, notes)}
        case "password":
            return _password(path, auth, values, notes)
        case None:
            given = "%!s(<nil>)"  # what Go prints
        case str() as text:
            given = shown(text).strip('"')
        case other:
            given = str(other)
    raise CodefreshError(f"Invalid value for .Values.{path}.type: {given}. Allowed values are: [password token]")


def _token_ref(path: str, auth: Mapping[str, Any], notes: list[str]) -> dict[str, str]:
    if truthy(auth.get("token")):
        notes.append(
            f"{path}.token is in clear in the values: it is not copied. The chart keeps it in the Secret "
            f"{TOKEN_SECRET}, key token, which is watched."
        )
        return {"name": TOKEN_SECRET, "key": "token"}
    ref = auth.get("tokenSecretKeyRef")
    if not truthy(ref) and path.startswith(OLDER):
        raise CodefreshError(
            f".Values.{path}.type is 'token' and .Values.{path}.token or .Values.{path}.tokenSecretKeyRef are not set"
        )
    ref = ref if isinstance(ref, Mapping) else {}
    said = [
        f".Values.{path}.type is set to 'token' therefore .Values.{path}.tokenSecretKeyRef.{key} is required"
        for key in ("name", "key")
        if ref.get(key) in (None, "")
    ][:1]
    if said and any(ref.get(key) not in (None, "") for key in ("name", "key")):
        said.append(f"Both 'name' and 'key' must be set in .Values.{path}.tokenSecretKeyRef")
    if said:
        raise CodefreshError("\n".join(said))
    return _reference(f"{path}.tokenSecretKeyRef", ref)


def _password(path: str, auth: Mapping[str, Any], values: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    older_name = _at(values, "app-proxy", "config", "argoCdUsername")
    username = _text(older_name if truthy(older_name) else auth.get("username"))
    if truthy(older_name):
        notes.append("app-proxy.config.argoCdUsername is set and comes before auth.username.")
    if not username:
        username = "admin"
        notes.append("No username is set, so app-proxy would not start: admin is used here; correct the values.")
    if not re.fullmatch(fields.USERNAME_PATTERN, username) or len(username.encode()) > 32:
        raise CodefreshError(f".Values.{path}.username is not the name of an account; correct the values")
    if truthy(auth.get("token")) or truthy(auth.get("tokenSecretKeyRef")):
        notes.append(
            "token and tokenSecretKeyRef are not used in password mode: the runtime keeps its API key in the Secret "
            "argocd-token, key token."
        )
    return {"type": "password", "username": username, "passwordSecretKeyRef": _password_ref(path, auth, notes)}


def _password_ref(path: str, auth: Mapping[str, Any], notes: list[str]) -> dict[str, str]:
    if truthy(auth.get("password")):
        notes.append(
            f"{path}.password is in clear in the values: it is not copied. The chart keeps it in the Secret "
            f"{PASSWORD_SECRET}, key token, which is used."
        )
        return {"name": PASSWORD_SECRET, "key": "token"}
    ref = auth.get("passwordSecretKeyRef")
    if not isinstance(ref, Mapping) or any(ref.get(key) in (None, "") for key in ("name", "key")):
        raise CodefreshError(
            f".Values.{path}.passwordSecretKeyRef needs both name and key: Kubernetes would refuse the Deployment of "
            "app-proxy that the chart makes of it"
        )
    return _reference(f"{path}.passwordSecretKeyRef", ref)


def _reference(path: str, ref: Mapping[str, Any]) -> dict[str, str]:
    name, key = _text(ref["name"]), _text(ref["key"])
    if not re.fullmatch(fields.SECRET_NAME_PATTERN, name) or not re.fullmatch(fields.SECRET_KEY_PATTERN, key):
        raise CodefreshError(f".Values.{path} does not name a Secret and a key of it as Kubernetes allows them")
    return {"name": name, "key": key}


def _note_overrides(values: Mapping[str, Any], notes: list[str]) -> None:
    """Environment variables of the pods that win over everything above; they are told, not converted."""
    if truthy(_at(values, "gitops-operator", "env", "ARGO_CD_URL")):
        notes.append("gitops-operator.env.ARGO_CD_URL is set: gitops-operator may talk to another address than this.")
    env = _at(values, "app-proxy", "env")
    notes.extend(
        f"app-proxy.env.{name} is set: app-proxy uses that instead of what is converted here."
        for name in ("ARGO_CD_TOKEN", "ARGO_CD_USERNAME", "ARGO_CD_PASSWORD")
        if isinstance(env, Mapping) and name in env
    )


# ------------------------------------------------------------------------------------------- Helm's ways


def truthy(value: Any) -> bool:
    """What `if` means in a chart's template: any text but the empty one is true, also "false"."""
    return value is not None and value is not False and value not in (0, "", {}, [])


def _merged(defaults: Mapping[str, Any], given: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Helm's laying of values over defaults: mappings key by key, and null takes a default away."""
    merged = dict(defaults)
    for key, value in given.items():
        default = defaults.get(key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(default, Mapping):
            if not isinstance(value, Mapping):
                raise CodefreshError(f".Values.{path}.{key} must be a mapping")
            merged[key] = _merged(default, value, f"{path}.{key}")
        else:
            merged[key] = value
    return merged


def _at(values: Any, *keys: str) -> Any:
    for key in keys:
        if not isinstance(values, Mapping):
            return None
        values = values.get(key)
    return values


def _mapping(values: Any, *keys: str) -> Mapping[str, Any]:
    found = _at(values, *keys)
    if found is not None and not isinstance(found, Mapping):
        raise CodefreshError(f".Values...{'.'.join(keys)} must be a mapping")
    return found or {}


def _older(values: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    found = _at(values, *path.split("."))
    return found if isinstance(found, Mapping) else None


def _text(value: Any) -> str:
    return "" if value is None else str(value)
