"""What an alert says: which token, why, and the very command, filled in by a real Prometheus."""

from __future__ import annotations

from pathlib import Path

import pytest
from monitor.core import remedies
from monitor.core.alert_words import PLAIN_NAME
from monitor.core.alerts import AlertName, Severity
from monitor.core.endpoint_slices import Replica
from monitor.core.model import Expectation
from monitor.core.remedies import remedy
from monitor.core.replicas import ReplicasReport, Said, Voice
from monitor.core.report import RotationReport
from monitor.core.status import Kind, Status

from tests.rules.promtool import Fires, assert_says
from tests.rules.world import DAY, HOUR, MINUTE, Monitor, Target

EXPECTED = Expectation(account="ACCOUNT", where="its Secret or file")
SERVER = "https://argocd.example.com"
WHOSE = f"target production (account ci at {SERVER})"
ACCOUNTS = {
    "plain": "ci",
    "admin": "admin",
    "role": "proj:shop:deploy",
    "hostile": "x; rm -rf ~",
    "hostile-role": "proj:a b:$(id)",
    "none": "",
}


def fires(name: AlertName, severity: Severity, since: float, target: str = "production") -> Fires:
    return Fires(name, severity, since, target=target)


def says(
    where: Path, target: Target, name: AlertName, severity: Severity, since: float, words: str, place: str = ""
) -> None:
    assert_says(where, [Monitor((target,))], [(fires(name, severity, since), words)])


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.UNKNOWN, Kind.ATTENTION])
def test_the_remedy_of_every_status_is_told_for_the_very_account(tmp_path: Path, kind: Kind) -> None:
    name, severity, words = {
        Kind.REFUSED: (
            AlertName.REFUSED,
            Severity.CRITICAL,
            "Argo CD refuses the token of {whose}: {status}. Whoever uses this token gets no answer from Argo CD. {remedy}",
        ),
        Kind.UNKNOWN: (
            AlertName.NOT_VERIFIED,
            Severity.WARNING,
            "For 10m or longer no check could tell whether Argo CD accepts the token of {whose}: {status}. If it were"
            " refused, nobody would know. It has not been verified since the monitor started. {remedy}",
        ),
        Kind.ATTENTION: (
            AlertName.NEEDS_ATTENTION,
            Severity.WARNING,
            "Argo CD accepts the token of {whose}, and still it is not what its consumer needs: {status}. {remedy}",
        ),
    }[kind]
    targets, said = [], []
    for status in Status:
        if status.kind is not kind or status in (Status.EXPIRING, Status.PENDING):
            continue
        for label, account in ACCOUNTS.items():
            target = f"{status.value.replace('_', '-')}.{label}"
            targets.append(Target(((0, status),), name=target, account=account))
            whose = f"target {target} ({f'account {account} at ' if account else ''}{SERVER})"
            told = words.format(whose=whose, status=status, remedy=remedy(status, EXPECTED, account))
            said.append((fires(name, severity, 11 * MINUTE, target), told))
    assert_says(tmp_path, [Monitor(tuple(targets))], said)


def test_a_token_that_cannot_be_read_is_not_told_to_be_waited_for(tmp_path: Path) -> None:
    words = (
        f"For 10m or longer no check could tell whether Argo CD accepts the token of {WHOSE}: pending."
        " If it were refused, nobody would know. It has not been verified since the monitor started."
        " Let the monitor read the token: `token-monitor doctor` names the permission or file that is missing."
    )
    target = Target(((0, Status.PENDING),))
    says(tmp_path, target, AlertName.NOT_VERIFIED, Severity.WARNING, 11 * MINUTE, words)


def test_an_outage_says_when_the_token_was_last_verified(tmp_path: Path) -> None:
    words = (
        f"For 10m or longer no check could tell whether Argo CD accepts the token of {WHOSE}: tls_error."
        " If it were refused, nobody would know. It was last verified at 1970-01-01 00:04:45 +0000 UTC."
        " Give the right CA in `tls.caFile`, or correct the certificate of argocd-server."
    )
    target = Target(((0, Status.VALID), (5 * MINUTE, Status.TLS_ERROR)))
    says(tmp_path, target, AlertName.NOT_VERIFIED, Severity.WARNING, 16 * MINUTE, words)


def test_a_refusal_that_can_no_longer_be_asked_for_does_not_invent_a_reason(tmp_path: Path) -> None:
    words = (
        f"Argo CD refuses the token of {WHOSE}. At this moment it cannot be asked for the reason."
        " Whoever uses this token gets no answer from Argo CD."
    )
    target = Target(((0, Status.REVOKED), (2 * MINUTE, Status.UNREACHABLE)))
    says(tmp_path, target, AlertName.REFUSED, Severity.CRITICAL, 3 * MINUTE, words)


def test_an_expiring_token_says_how_long_it_lasts_and_by_what_it_is_replaced(tmp_path: Path) -> None:
    words = (
        f"The token of {WHOSE} expires in 1d 23h 50m 0s. Replace it before it ends. Make a new token with"
        " `argocd account generate-token --account ci` and put it into its Secret or file."
    )
    target = Target(expires=((0, 2 * DAY),))
    says(tmp_path, target, AlertName.EXPIRING, Severity.WARNING, 10 * MINUTE, words)


def test_where_the_monitor_should_have_replaced_it_that_is_said(tmp_path: Path) -> None:
    words = (
        f"The token of {WHOSE} expires in 50m 0s. The monitor rotates this token and has not replaced it in time:"
        " look at its rotation first. Replace it before it ends. Make a new token with"
        " `argocd account generate-token --account ci` and put it into its Secret or file."
    )
    target = Target(expires=((0, HOUR),), rotation=((0, RotationReport()),))
    says(tmp_path, target, AlertName.EXPIRING, Severity.CRITICAL, 10 * MINUTE, words)


def test_a_token_that_has_ended_unseen_is_not_said_to_end_in_less_than_nothing(tmp_path: Path) -> None:
    words = (
        f"The token of {WHOSE} should have expired, and Argo CD cannot be asked. Replace it before it ends. Make a new"
        " token with `argocd account generate-token --account ci` and put it into its Secret or file."
    )
    target = Target(((0, Status.UNREACHABLE),), expires=((0, MINUTE),))
    says(tmp_path, target, AlertName.EXPIRING, Severity.CRITICAL, 10 * MINUTE, words)


FAILED = RotationReport(failing=2, failures={"mint": 3, "prove": 1})
FAILING = ((0, RotationReport()), (MINUTE, FAILED))
STEPS = (
    f"The key of {WHOSE} cannot be replaced. Attempts in a row that failed: 2."
    " Steps that failed in the last hour: mint prove."
)
MORE = " `token-monitor status --target production` shows where it stands."


def test_a_failing_rotation_names_the_steps_that_failed(tmp_path: Path) -> None:
    target = Target(rotation=FAILING)
    says(tmp_path, target, AlertName.ROTATION_FAILING, Severity.WARNING, 10 * MINUTE, STEPS + MORE)


def test_one_that_pages_says_that_a_person_has_to_do_it(tmp_path: Path) -> None:
    words = f"{STEPS} The present token is refused or about to expire: make a key by hand, as the runbook says.{MORE}"
    target = Target(((0, Status.REVOKED),), rotation=FAILING)
    says(tmp_path, target, AlertName.ROTATION_FAILING, Severity.CRITICAL, 10 * MINUTE, words)


def test_standing_down_says_how_the_rotation_is_taken_up_again(tmp_path: Path) -> None:
    words = (
        f"Another writer keeps undoing what the monitor writes into the Secret of {WHOSE}."
        " The key is not replaced any more. Settle who owns the Secret; then"
        f" `token-monitor rotate production` takes the rotation up again.{MORE}"
    )
    target = Target(rotation=((0, RotationReport(stood_down="argocd put it back, twice")),))
    says(tmp_path, target, AlertName.STOOD_DOWN, Severity.WARNING, 10 * MINUTE, words)


def test_anonymous_access_names_the_settings(tmp_path: Path) -> None:
    words = (
        f"The Argo CD of {WHOSE} lets requests through that carry no credential (`users.anonymous.enabled` in"
        " ConfigMap argocd-cm, or `--disable-auth`). To whoever holds a refused token, such a server looks healthy."
    )
    target = Target(anonymous=((0, True),))
    says(tmp_path, target, AlertName.ANONYMOUS_ACCESS, Severity.INFO, 20 * MINUTE, words)


def test_a_refused_configuration_names_the_command_that_names_every_error(tmp_path: Path) -> None:
    words = (
        "The monitor in namespace codefresh could not use its changed configuration, a certificate file, or a target that"
        " it found elsewhere. New targets are not tested, changed ones as they were before, and after a restart the"
        " monitor may not start at all. `token-monitor config validate FILE` names every error of the file,"
        " `token-monitor doctor` those of certificates and of targets that are found elsewhere; the monitor's log and its"
        " page have them too."
    )
    rejected = Fires(AlertName.CONFIG_REJECTED, Severity.WARNING, 10 * MINUTE, target=None)
    assert_says(tmp_path, [Monitor((Target(),), configuration=((0, False),))], [(rejected, words)])


def test_an_absent_monitor_says_what_is_not_seen_now(tmp_path: Path) -> None:
    words = (
        "No metrics of Token Monitor have arrived for 4m: it does not run, or Prometheus does not reach it."
        " A token that is refused now goes unnoticed."
    )
    down = Fires(AlertName.DOWN, Severity.CRITICAL, 10 * MINUTE, target=None, place=())
    assert_says(tmp_path, [], [(down, words)])


def test_two_replicas_that_disagree_for_a_moment_do_not_break_the_text(tmp_path: Path) -> None:
    words = (
        f"Argo CD refuses the token of {WHOSE}: expired. Whoever uses this token gets no answer from Argo CD. Make a"
        " new token with `argocd account generate-token --account ci` and put it into its Secret or file."
    )
    monitors = [Monitor((Target(((0, Status.EXPIRED),)),)), Monitor((Target(),), name="b")]
    assert_says(tmp_path, monitors, [(fires(AlertName.REFUSED, Severity.CRITICAL, MINUTE), words)])


def test_targets_of_the_same_name_elsewhere_are_not_mistaken_for_this_one(tmp_path: Path) -> None:
    words = (
        f"Argo CD refuses the token of {WHOSE}: revoked. Whoever uses this token gets no answer from Argo CD. Make a"
        " new token with `argocd account generate-token --account ci` and put it into its Secret or file."
    )
    elsewhere = Target(((0, Status.EXPIRED),), account="other")
    monitors = [
        Monitor((elsewhere,), name="b", place='namespace="a"'),
        Monitor((Target(((0, Status.REVOKED),)),)),
        Monitor((elsewhere,), name="c", place='namespace="z"'),
        Monitor((elsewhere,), name="d", place=""),
    ]
    expected = [(fires(AlertName.REFUSED, Severity.CRITICAL, MINUTE), words)]
    for place in ("a", "z", ""):
        labels = (("namespace", place),) if place else ()
        other = Fires(AlertName.REFUSED, Severity.CRITICAL, MINUTE, place=labels)
        expected.append((other, words.replace("revoked", "expired").replace("account ci", "account other")))
    said = [
        (one, text.replace("--account ci", "--account other") if "expired" in text else text) for one, text in expected
    ]
    assert_says(tmp_path, monitors, said)


def test_a_name_is_shown_in_a_command_by_the_same_rule_as_in_a_remedy() -> None:
    assert remedies._PLAIN_NAME.pattern == PLAIN_NAME


def test_of_replicas_that_disagree_no_new_token_is_asked_for(tmp_path: Path) -> None:
    """The runbook and the page name the pods; a new key would be refused by the same ones."""
    said = (Said.ACCEPTED, Said.ACCEPTED, Said.REFUSED)
    voices = tuple(Voice(Replica(f"argocd-server-{n}", f"10.0.0.{n}", 8080), one) for n, one in enumerate(said))
    target = Target(((0, Status.REJECTED),), replicas=ReplicasReport("argocd/argocd-server", voices, 3))
    words = (
        f"Argo CD refuses the token of {WHOSE}: rejected. Whoever uses this token gets no answer from Argo CD. Some replicas of"
        " argocd-server accept it, others (1) refuse it: a new token does not mend that. The monitor's page and `token-monitor status`"
        " name the pods to restart."
    )
    says(tmp_path, target, AlertName.REFUSED, Severity.CRITICAL, MINUTE, words)
