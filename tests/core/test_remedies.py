"""Each remedy names the command or the setting, for the very account."""

from __future__ import annotations

import pytest
from monitor.core.classify import FAULT_STATUS, unsent
from monitor.core.model import Expectation, Fault, FaultKind, Mode
from monitor.core.remedies import fault_remedy, remedy
from monitor.core.status import Status

TOKEN = Expectation(where="Secret codefresh/argocd-token, key token")
PASSWORD = Expectation(mode=Mode.PASSWORD, where="Secret codefresh/argocd-token, key token")

NAMED: list[tuple[Status, str]] = [
    (Status.VALID, "Nothing to do"),
    (Status.EXPIRING, "argocd account generate-token --account ci"),
    (Status.WRONG_ACCOUNT, "auth.username"),
    (Status.INSUFFICIENT_PERMISSIONS, "`policy.csv` of ConfigMap argocd-rbac-cm"),
    (Status.REVOKED, "argocd account generate-token --account ci"),
    (Status.EXPIRED, "argocd account generate-token --account ci"),
    (Status.NOT_YET_VALID, "NTP"),
    (Status.ACCOUNT_DISABLED, '`accounts.ci.enabled: "true"` in ConfigMap argocd-cm'),
    (Status.ACCOUNT_MISSING, "`accounts.ci: apiKey, login` to ConfigMap argocd-cm"),
    (Status.CAPABILITY_MISSING, "`accounts.ci: apiKey, login` in ConfigMap argocd-cm"),
    (Status.PASSWORD_CHANGED, "argocd account generate-token --account ci"),
    (Status.SIGNING_KEY_CHANGED, "`server.secretkey` in Secret argocd-secret"),
    (Status.MALFORMED, "the bare token and nothing else"),
    (Status.FOREIGN_ISSUER, "argocd account generate-token --account ci"),
    (Status.MISSING, "put it into Secret codefresh/argocd-token, key token"),
    (Status.REJECTED, "log of argocd-server"),
    (Status.UNREACHABLE, "Service argocd-server"),
    (Status.TLS_ERROR, "`tls.caFile`"),
    (Status.NOT_ARGOCD, "`server.url`"),
    (Status.THROTTLED, "`interval`"),
    (Status.SERVER_ERROR, "log of argocd-server"),
    (Status.PENDING, "Wait for the first check"),
]


@pytest.mark.parametrize(("status", "words"), NAMED)
def test_a_remedy_names_what_to_do(status: Status, words: str) -> None:
    text = remedy(status, TOKEN, "ci")
    assert words in text
    assert text.endswith(".")


def test_every_status_has_its_remedy() -> None:
    assert [status for status, _ in NAMED] == list(Status)


@pytest.mark.parametrize(
    ("account", "setting"),
    [("admin", "`admin.enabled: "), ("ci", "`accounts.ci.enabled: "), ("admin2", "`accounts.admin2.enabled: ")],
)
def test_the_built_in_admin_has_a_setting_of_its_own(account: str, setting: str) -> None:
    assert setting in remedy(Status.ACCOUNT_DISABLED, TOKEN, account)


@pytest.mark.parametrize("status", [Status.REVOKED, Status.EXPIRED, Status.PASSWORD_CHANGED, Status.MISSING])
def test_in_password_mode_the_secret_may_also_be_deleted_for_its_owner_to_make_again(status: Status) -> None:
    assert "delete the Secret" in remedy(status, PASSWORD, "ci")
    assert "delete the Secret" not in remedy(status, TOKEN, "ci")


@pytest.mark.parametrize("status", [Status.ACCOUNT_DISABLED, Status.CAPABILITY_MISSING])
def test_where_a_new_token_would_not_help_none_is_asked_for(status: Status) -> None:
    text = remedy(status, TOKEN, "ci")
    assert "generate-token" not in text
    assert "A new token would not help" in text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.REVOKED, "`argocd proj role create-token shop deploy`"),
        (Status.ACCOUNT_MISSING, "`argocd proj role create-token shop deploy`"),
        (Status.INSUFFICIENT_PERMISSIONS, "`argocd proj role add-policy shop deploy "),
    ],
)
def test_a_project_role_has_commands_of_its_own(status: Status, words: str) -> None:
    text = remedy(status, TOKEN, "proj:shop:deploy")
    assert words in text
    assert "argocd account" not in text
    assert "accounts.proj" not in text


@pytest.mark.parametrize("name", ["proj", "proj:shop", "proj:a:b:c"])
def test_an_account_whose_name_only_begins_like_a_role_s_is_an_account(name: str) -> None:
    assert f"`argocd account generate-token --account {name}`" in remedy(Status.REVOKED, TOKEN, name)


def test_the_wrong_account_is_put_right_by_a_token_of_the_configured_one() -> None:
    text = remedy(Status.WRONG_ACCOUNT, Expectation(account="ci"), "admin")
    assert "argocd account generate-token --account ci" in text
    role = remedy(Status.WRONG_ACCOUNT, Expectation(account="proj:shop:deploy"), "admin")
    assert "argocd proj role create-token shop deploy" in role


def test_without_a_name_the_place_for_it_is_shown_and_the_configured_one_serves() -> None:
    assert "--account ACCOUNT`" in remedy(Status.REVOKED, TOKEN, None)
    assert "--account ci`" in remedy(Status.REVOKED, Expectation(account="ci"), None)


@pytest.mark.parametrize("name", ["x; rm -rf ~", "$(id)", "a`id`", "a b", "--help", "a\nb", "a|b", "…", "x" * 10 + "…"])
def test_a_name_that_a_shell_would_run_is_not_put_into_a_command(name: str) -> None:
    """The name may come from a token that nobody verified, and a remedy is pasted into a shell."""
    for status in Status:
        assert name not in remedy(status, TOKEN, name)


@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_has_a_remedy_and_a_status_that_cannot_tell(kind: FaultKind) -> None:
    status, cause = FAULT_STATUS[kind]
    assert status.accepted is None
    assert cause
    assert fault_remedy(Fault(kind), status, TOKEN).endswith((".", "`."))


def test_a_credential_that_cannot_be_read_has_a_remedy_that_is_not_waiting() -> None:
    verdict = unsent(Status.PENDING, "403 Forbidden for Secret codefresh/argocd-token", TOKEN, 5.0)
    assert verdict.accepted is None
    assert "Let the monitor read Secret codefresh/argocd-token" in verdict.remedy
    assert unsent(Status.MISSING, "x" * 5_000 + "\n", TOKEN, 5.0).cause.endswith("…")


RENEWED = Expectation(
    mode=Mode.PASSWORD, account="ci", where="Secret a/argocd-token, key token", password_at="Secret a/pw"
)


def test_where_the_monitor_makes_keys_itself_nobody_is_sent_to_make_one() -> None:
    for status in (Status.REVOKED, Status.EXPIRED, Status.MISSING, Status.MALFORMED, Status.SIGNING_KEY_CHANGED):
        said = remedy(status, RENEWED, "ci")
        assert "by itself" in said
        assert "generate-token" not in said


def test_a_changed_password_is_asked_for_where_the_monitor_reads_it() -> None:
    assert remedy(Status.PASSWORD_CHANGED, RENEWED, "ci").startswith("Put the new password into Secret a/pw")


@pytest.mark.parametrize("status", [Status.REJECTED, Status.FOREIGN_ISSUER])
def test_where_the_monitor_makes_no_key_by_itself_it_is_told_how_to_have_one(status: Status) -> None:
    said = remedy(status, RENEWED, "ci")
    assert said.endswith(
        "Take the token out of Secret a/argocd-token, key token: the monitor then makes a new key, with the password in Secret a/pw."
    )
    assert "by itself" not in said
