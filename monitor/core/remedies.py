"""What to do next, for each status: one sentence that names the very command or setting.

Commands are Argo CD's own (`argocd account ...`), settings are keys of the ConfigMaps `argocd-cm`,
`argocd-rbac-cm` and of the Secret `argocd-secret` (documentation "Local users", and `argocd/codefresh.md`).
"""

from __future__ import annotations

import re

from monitor.core.model import Expectation, Fault, FaultKind, Mode
from monitor.core.status import Status

_SERVER_LOG = "Look at the log of argocd-server"
# A name may come from a token that nobody verified, and a remedy is pasted into a shell.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+:-]*")


def remedy(status: Status, expected: Expectation, account: str | None) -> str:
    """The remedy for `status` of a token of `account` (None: not known), for the target's owner."""
    name = _plain(account) or _plain(expected.account) or "ACCOUNT"
    mint = _replacement(expected, name)
    enabled = "admin.enabled" if name == "admin" else f"accounts.{name}.enabled"
    match status:
        case Status.VALID:
            return "Nothing to do."
        case Status.EXPIRING:
            return f"Replace it before it ends. {mint}"
        case Status.WRONG_ACCOUNT:
            return (
                f"Put a token of account {expected.account} into {expected.where}"
                f" ({_command(_plain(expected.account) or 'ACCOUNT')}), or correct `auth.username`."
            )
        case Status.INSUFFICIENT_PERMISSIONS:
            if (role := _project_role(name)) is not None:
                return (
                    f"Give the project role the permission (`argocd proj role add-policy {role} --action ACTION"
                    f" --permission allow --object OBJECT`), or take it out of `requiredPermissions`."
                )
            return (
                f"Give account {name} the permission in `policy.csv` of ConfigMap argocd-rbac-cm,"
                f" or take it out of `requiredPermissions`."
            )
        case Status.PASSWORD_CHANGED if expected.password_at:
            return f"Put the new password into {expected.password_at}: the monitor then makes a new key by itself."
        case Status.REVOKED | Status.EXPIRED | Status.PASSWORD_CHANGED | Status.MISSING:
            return mint
        case Status.MALFORMED:
            return f"Look at what {expected.where} holds: it must be the bare token and nothing else. {mint}"
        case Status.SIGNING_KEY_CHANGED:
            return (
                f"{mint} If nobody changed `server.secretkey` in Secret argocd-secret, check that the address"
                f" belongs to the Argo CD that issued the token."
            )
        case Status.NOT_YET_VALID:
            return "Set the clocks right (NTP) on the Argo CD server and where the token was made, or wait."
        case Status.ACCOUNT_DISABLED:
            return (
                f'Set `{enabled}: "true"` in ConfigMap argocd-cm; the token works again at once.'
                f" A new token would not help."
            )
        case Status.ACCOUNT_MISSING:
            if _project_role(name) is not None:
                return f"Restore the project or role of {name}, then make a new token: {_command(name)}."
            return (
                f"Add `accounts.{name}: apiKey, login` to ConfigMap argocd-cm, then make a new token:"
                f" `argocd account generate-token --account {name}`."
            )
        case Status.CAPABILITY_MISSING:
            return (
                f"Set `accounts.{name}: apiKey, login` in ConfigMap argocd-cm; the token works again at once."
                f" A new token would not help."
            )
        case Status.FOREIGN_ISSUER:
            return f"Use an API key of an Argo CD account instead of a token of another issuer. {_anew(expected, name)}"
        case Status.REJECTED:
            return f"{_SERVER_LOG} for this request. If the cause is not found there: {_anew(expected, name)}"
        case Status.UNREACHABLE:
            return "Check the address, the Service argocd-server and the network policies on the way."
        case Status.TLS_ERROR:
            return "Give the right CA in `tls.caFile`, or correct the certificate of argocd-server."
        case Status.NOT_ARGOCD:
            return (
                "Check `server.url` (or svc, port and rootpath): it must lead to argocd-server itself,"
                " without a login page or a cache between."
            )
        case Status.THROTTLED:
            return "Wait; if it stays, raise the limit of the proxy before Argo CD, or make `interval` longer."
        case Status.SERVER_ERROR:
            return f"{_SERVER_LOG} and of the proxy before it; check that argocd-server's pods are ready."
        case Status.PENDING:
            return "Wait for the first check."


FAULT_REMEDIES: dict[FaultKind, str] = {
    FaultKind.DNS: "Check the host name of the address, and that DNS answers where the monitor runs.",
    FaultKind.REFUSED: "Check the port, and that argocd-server runs: `kubectl get pods -l app.kubernetes.io/name=argocd-server`.",
    FaultKind.TIMEOUT: "Check that argocd-server is not overloaded, and the network policies on the way; or raise `timeout`.",
    FaultKind.RESET: "Check that the port speaks what the address says (http or https), and the log of argocd-server.",
    FaultKind.NO_ROUTE: "Check routes, firewalls and network policies between the monitor and argocd-server.",
    FaultKind.FORBIDDEN_ADDRESS: "Look at what the host name resolves to where the monitor runs, and who may change it; give argocd-server's own address.",
    FaultKind.OUT_OF_FILES: "Raise the limit of open files of the monitor: LimitNOFILE= of systemd, --ulimit nofile= of a container, `ulimit -n`.",
    FaultKind.TLS_EXPIRED: "Renew the certificate of argocd-server (Secret argocd-server-tls), or of the proxy before it.",
    FaultKind.TLS_NOT_YET_VALID: "Set the clocks right: the certificate of argocd-server is dated in the future.",
    FaultKind.TLS_UNKNOWN_CA: "Give the CA that signed the certificate of argocd-server in `tls.caFile`.",
    FaultKind.TLS_WRONG_HOST: "Use a host name that the certificate carries, or set `tls.serverName` to one of them.",
    FaultKind.TLS_NOT_SPOKEN: "The port does not speak TLS: use http:// if argocd-server runs with --insecure, or another port.",
    FaultKind.TOO_LARGE: "Check the address: an answer of that size is not one of Argo CD's session API.",
    FaultKind.NOT_HTTP: "Check the port: what listens there does not speak HTTP.",
}


def fault_remedy(fault: Fault, status: Status, expected: Expectation) -> str:
    """The remedy for a request that got no answer."""
    return FAULT_REMEDIES.get(fault.kind) or remedy(status, expected, None)


def _plain(name: str | None) -> str | None:
    return name if name and _PLAIN_NAME.fullmatch(name) else None


def _project_role(account: str) -> str | None:
    """`PROJECT ROLE`, as the commands of `argocd proj role` take them."""
    parts = account.split(":")
    return f"{parts[1]} {parts[2]}" if len(parts) == 3 and parts[0] == "proj" else None


def _command(account: str) -> str:
    role = _project_role(account)
    if role is not None:
        return f"`argocd proj role create-token {role}`"
    return f"`argocd account generate-token --account {account}`"


def _anew(expected: Expectation, account: str) -> str:
    """A new token where the monitor makes none by itself (`policy.not_mended`)."""
    if expected.password_at:
        return (
            f"Take the token out of {expected.where}: the monitor then makes a new key, with the password in"
            f" {expected.password_at}."
        )
    return _replacement(expected, account)


def _replacement(expected: Expectation, account: str) -> str:
    command = _command(account)
    if expected.password_at:
        return (
            f"The monitor makes a new key by itself, with the password in {expected.password_at}; if it does not,"
            " `token-monitor status` says what it waits for."
        )
    if expected.mode is Mode.PASSWORD:
        return (
            f"Make a new key with {command} and put it into {expected.where},"
            " or delete the Secret so that its owner makes it again."
        )
    return f"Make a new token with {command} and put it into {expected.where}."
