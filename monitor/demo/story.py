"""What happens, and what the monitor must say: each scene is data that `play` performs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from monitor.core.status import Status
from monitor.demo.stage import Stage
from monitor.simulator.faults import Fault
from monitor.simulator.rbac import Role

Deed = Callable[[Stage], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """One event. told: the status that each target must come to; meanwhile: statuses that may show on the way.

    anonymous: what the monitor must say about anonymous access, None when it does not matter.
    """

    title: str
    deed: Deed
    told: Mapping[str, Status]
    meanwhile: frozenset[Status] = field(default_factory=frozenset)
    anonymous: bool | None = None


ALL = ("production", "staging", "portal")


def everything(status: Status) -> dict[str, Status]:
    """The same status for every target."""
    return dict.fromkeys(ALL, status)


def _revoke(stage: Stage) -> None:
    stage.argocd.revoke_key("admin", stage.keys["production"])


def _new_keys(*targets: str) -> Deed:
    def deed(stage: Stage) -> None:
        for target in targets:
            stage.new_key(target)

    return deed


def _fault(fault: Fault | None) -> Deed:
    def deed(stage: Stage) -> None:
        stage.front.fault = fault

    return deed


def _anonymous(stage: Stage) -> None:
    stage.argocd.set_anonymous(Role.READONLY)


def _anonymous_off(stage: Stage) -> None:
    stage.argocd.set_anonymous(None)
    stage.new_key("production")


STORY: tuple[Scene, ...] = (
    Scene("The monitor starts", lambda stage: None, everything(Status.VALID)),
    Scene("Somebody deletes the key of production in the UI", _revoke, {"production": Status.REVOKED}),
    Scene("A person makes a new key, as the remedy says", _new_keys("production"), {"production": Status.VALID}),
    Scene(
        "The account ci is disabled (accounts.ci.enabled)",
        lambda stage: stage.argocd.disable_account("ci"),
        {"staging": Status.ACCOUNT_DISABLED},
    ),
    Scene("It is enabled again", lambda stage: stage.argocd.enable_account("ci"), {"staging": Status.VALID}),
    Scene(
        "The password of ci is changed, which ends its keys",
        lambda stage: stage.argocd.change_password("ci", "another password"),
        {"staging": Status.PASSWORD_CHANGED},
    ),
    Scene("A new key for staging", _new_keys("staging"), {"staging": Status.VALID}),
    Scene(
        "The account robot loses the capability apiKey",
        lambda stage: stage.argocd.set_capabilities("robot", "login"),
        {"portal": Status.CAPABILITY_MISSING},
    ),
    Scene(
        "It gets the capability back",
        lambda stage: stage.argocd.set_capabilities("robot", "apiKey"),
        {"portal": Status.VALID},
    ),
    Scene(
        "The signing key (server.secretkey) is changed; the server restarts",
        lambda stage: stage.argocd.change_signing_key(outage=1.0),
        everything(Status.SIGNING_KEY_CHANGED),
        frozenset({Status.UNREACHABLE, Status.SERVER_ERROR}),
    ),
    Scene("New keys for all", _new_keys(*ALL), everything(Status.VALID)),
    Scene("Argo CD goes down", _fault(Fault.REFUSED), everything(Status.UNREACHABLE)),
    Scene("Argo CD is back", _fault(None), everything(Status.VALID)),
    Scene("A single sign-on page is put before everything", _fault(Fault.LOGIN_PAGE), everything(Status.NOT_ARGOCD)),
    Scene("It is taken away", _fault(None), everything(Status.VALID)),
    Scene(
        "Anonymous access is switched on: everything looks healthy",
        _anonymous,
        everything(Status.VALID),
        anonymous=True,
    ),
    Scene("And now the key of production is deleted", _revoke, {"production": Status.REVOKED}, anonymous=True),
    Scene(
        "Anonymous access is off again, production has a new key",
        _anonymous_off,
        everything(Status.VALID),
        anonymous=False,
    ),
)
