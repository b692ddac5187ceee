"""What `doctor` makes of the facts: each fault is named, with what to do about it, and nothing healthy is complained of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from monitor.core.doctor import (
    EXIT_CODES,
    Area,
    CertificateFacts,
    FileFacts,
    Finding,
    Level,
    Purpose,
    ServerFacts,
    file_findings,
    server_findings,
    worst,
)
from monitor.core.doctor_account import AccountFacts, LoginFacts, account_findings
from monitor.core.doctor_kubernetes import (
    Holds,
    Manager,
    Presence,
    Review,
    SecretFacts,
    permission_finding,
    secret_finding,
    writer_findings,
)
from monitor.core.model import Account, Fault, FaultKind, Key, Mode, Verdict
from monitor.core.permissions import Permission, ServiceAccount
from monitor.core.status import Status

NOW = 1_800_000_000.0
DAY = 86_400.0


def said(findings: list[Finding]) -> list[tuple[Level, str]]:
    return [(finding.level, finding.what) for finding in findings]


# --- all of them ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "code"),
    [
        ([], 3),
        ([Level.OK], 0),
        ([Level.OK, Level.WARN], 1),
        ([Level.WARN, Level.UNKNOWN], 3),
        ([Level.FAIL, Level.UNKNOWN, Level.OK], 2),
    ],
)
def test_the_worst_finding_decides_the_exit_code(levels: list[Level], code: int) -> None:
    assert EXIT_CODES[worst(Finding(level, Area.FILES, "x") for level in levels)] == code


# --- files ---------------------------------------------------------------------------------------------------------

TOKEN = FileFacts("/run/token", Purpose.TOKEN)
FOLDER = FileFacts("/run", Purpose.FOLDER, written=True, mode=0o700)


@pytest.mark.parametrize(
    ("facts", "level", "words"),
    [
        (TOKEN, Level.OK, ""),
        (replace(TOKEN, mode=0o640), Level.OK, ""),
        (replace(TOKEN, mode=0o644), Level.WARN, "chmod 600 /run/token"),
        (replace(TOKEN, exists=False), Level.FAIL, "write the credential into it"),
        (replace(TOKEN, exists=False, written=True), Level.WARN, "the first key"),
        (replace(TOKEN, fits=False), Level.FAIL, "regular file"),
        (replace(TOKEN, readable=False), Level.FAIL, "let that user read it"),
        (replace(TOKEN, writable=False), Level.OK, ""),
        (replace(TOKEN, writable=False, written=True), Level.FAIL, "mount it writable"),
        (replace(TOKEN, problem="cannot be looked at: I/O error"), Level.UNKNOWN, "reach it"),
        (FOLDER, Level.OK, ""),
        (replace(FOLDER, mode=0o755), Level.OK, ""),
        (replace(FOLDER, mode=0o777), Level.WARN, "chmod go-w /run"),
        (replace(FOLDER, mode=0o770), Level.WARN, "chmod go-w /run"),
        (replace(FOLDER, writable=False), Level.FAIL, "mount it writable"),
        (FileFacts("/s", Purpose.JOURNALS, written=True, exists=False), Level.FAIL, "install -d -m 700 /s"),
        (FileFacts("/s", Purpose.JOURNALS, written=True, fits=False), Level.FAIL, "directory"),
    ],
)
def test_files_are_there_for_the_monitor_and_for_nobody_else(facts: FileFacts, level: Level, words: str) -> None:
    (finding,) = file_findings(facts)
    assert finding.level is level
    assert words in finding.fix
    assert bool(finding.fix) == (level is not Level.OK)


# --- the address ---------------------------------------------------------------------------------------------------

CERTIFICATE = CertificateFacts("argocd.example.com", "Example CA", ("argocd.example.com",), NOW + 80 * DAY)
HTTPS = ServerFacts("https://argocd.example.com", ("192.0.2.1",), None, CERTIFICATE, status=200, version="v3.6.0")
HTTP = replace(HTTPS, url="http://argo-cd-server", certificate=None)


def test_a_healthy_server_is_described() -> None:
    found = list(server_findings(HTTPS, NOW))
    assert [finding.level for finding in found] == [Level.OK] * 3
    assert [finding.cause for finding in found] == [
        "can be reached (192.0.2.1)",
        "for argocd.example.com, issued by Example CA, 80 d left",
        "version v3.6.0",
    ]


def test_plain_http_has_no_certificate_to_speak_of() -> None:
    assert [finding.what for finding in server_findings(HTTP, NOW)] == ["http://argo-cd-server", "Argo CD"]


@pytest.mark.parametrize("kind", [FaultKind.DNS, FaultKind.REFUSED, FaultKind.TIMEOUT, FaultKind.NO_ROUTE])
def test_a_server_that_cannot_be_reached_is_all_that_is_said(kind: FaultKind) -> None:
    (finding,) = server_findings(ServerFacts("https://x", fault=Fault(kind, "details")), NOW)
    assert (finding.level, finding.what) == (Level.FAIL, "https://x")
    assert "details" in finding.cause
    assert finding.fix.startswith("Check ")


@pytest.mark.parametrize(
    ("kind", "fix"),
    [
        (FaultKind.TLS_UNKNOWN_CA, "tls.caFile"),
        (FaultKind.TLS_EXPIRED, "Renew the certificate"),
        (FaultKind.TLS_WRONG_HOST, "tls.serverName"),
    ],
)
def test_a_certificate_that_does_not_count_is_described_all_the_same(kind: FaultKind, fix: str) -> None:
    own = CertificateFacts("Argo CD", "Argo CD", ("localhost", "argocd-server"), NOW - 3 * DAY)
    found = list(server_findings(replace(HTTPS, fault=Fault(kind), certificate=own, status=None, version=None), NOW))
    assert said(found) == [(Level.OK, "https://argocd.example.com"), (Level.FAIL, "certificate")]
    assert "for localhost, argocd-server, issued by itself, ended 3 d ago" in found[1].cause
    assert fix in found[1].fix


def test_a_certificate_that_ends_soon_is_somebodys_task() -> None:
    soon = replace(CERTIFICATE, not_after=NOW + 13 * DAY)
    found = list(server_findings(replace(HTTPS, certificate=soon), NOW))
    assert (found[1].level, found[1].cause[-9:]) == (Level.WARN, "13 d left")
    later = replace(CERTIFICATE, not_after=NOW + 15 * DAY)
    assert (
        next(f for f in server_findings(replace(HTTPS, certificate=later), NOW) if f.what == "certificate").level
        is Level.OK
    )


def test_a_certificate_that_nobody_checks_is_told() -> None:
    found = list(server_findings(replace(HTTPS, verified=False), NOW))
    assert (found[1].level, "tls.caFile" in found[1].fix) == (Level.WARN, True)


@pytest.mark.parametrize(
    ("facts", "fix"),
    [
        (replace(HTTP, status=307, location="https://argo-cd-server/api/version", version=None), "write https://"),
        (replace(HTTPS, status=302, location="https://sso.example.com/", version=None), "without a login page"),
        (replace(HTTPS, status=404, content_type="text/plain", version=None), "server.rootpath"),
        (replace(HTTPS, status=200, content_type="text/html", version=None), "argocd-server itself"),
    ],
)
def test_what_is_no_argo_cd_is_told_by_what_it_answers(facts: ServerFacts, fix: str) -> None:
    finding = list(server_findings(facts, NOW))[-1]
    assert (finding.level, finding.what) == (Level.FAIL, "Argo CD")
    assert fix in finding.fix


# --- the account -----------------------------------------------------------------------------------------------------

BOTH = frozenset({"apiKey", "login"})
CI = Account("ci", enabled=True, capabilities=BOTH, keys=(Key("k1"),))
VALID = Verdict(Status.VALID, "Argo CD accepts the token as account ci", "Nothing to do.", account="ci")
WATCHED = AccountFacts(VALID, Mode.TOKEN, "ci", CI)
ROTATED = AccountFacts(VALID, Mode.PASSWORD, "ci", CI, rotated=True, expires_in=86_400)


def of_account(facts: AccountFacts, what: str) -> Finding:
    (finding,) = [found for found in account_findings(facts) if found.what == what]
    return finding


@pytest.mark.parametrize("facts", [WATCHED, ROTATED])
def test_a_healthy_account_is_not_complained_of(facts: AccountFacts) -> None:
    assert {finding.level for finding in account_findings(facts)} == {Level.OK}


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (Status.EXPIRING, Level.WARN),
        (Status.REVOKED, Level.FAIL),
        (Status.UNREACHABLE, Level.UNKNOWN),
        (Status.PENDING, Level.UNKNOWN),
        (Status.MISSING, Level.FAIL),
    ],
)
def test_the_verdict_on_the_token_is_told_with_its_remedy(status: Status, level: Level) -> None:
    verdict = Verdict(status, "the cause", "the remedy")
    finding = of_account(replace(WATCHED, verdict=verdict, account=None), "token")
    assert (finding.level, finding.fix) == (level, "the remedy")
    assert finding.cause == f"{status}: the cause"


def test_before_the_first_rotation_no_token_is_no_failure() -> None:
    verdict = Verdict(Status.MISSING, "there is no token", "make one")
    finding = of_account(replace(ROTATED, verdict=verdict, account=None), "token")
    assert finding.level is Level.WARN
    assert "the first key" in finding.fix
    assert of_account(replace(ROTATED, verdict=verdict, account=None), "account ci").level is Level.UNKNOWN


def test_a_disabled_account_is_enabled_by_its_own_setting() -> None:
    off = replace(CI, enabled=False)
    assert of_account(replace(WATCHED, account=off), "account ci").fix.startswith('set `accounts.ci.enabled: "true"`')
    admin = replace(off, name="admin")
    assert of_account(replace(WATCHED, account=admin), "account admin").fix.startswith('set `admin.enabled: "true"`')


def test_a_capability_that_lacks_is_named_with_the_whole_line() -> None:
    finding = of_account(replace(ROTATED, account=replace(CI, capabilities=frozenset({"apiKey"}))), "account ci")
    assert (finding.level, finding.cause) == (Level.FAIL, "lacks the capability login")
    assert "`accounts.ci: apiKey, login`" in finding.fix
    watched = of_account(replace(WATCHED, account=replace(CI, capabilities=frozenset({"apiKey"}))), "account ci")
    assert watched.level is Level.OK, "nobody logs in in token mode"


def test_anonymous_access_is_told() -> None:
    finding = of_account(replace(WATCHED, verdict=replace(VALID, anonymous_access=True)), "anonymous access")
    assert (finding.level, "users.anonymous.enabled" in finding.fix) == (Level.WARN, True)


def test_each_required_permission_is_answered() -> None:
    asked = (("applications/get/*/*", True), ("projects/get/*", False), ("nonsense/get/x", None))
    facts = replace(WATCHED, permissions=asked)
    assert of_account(facts, "permission applications/get/*/*").level is Level.OK
    refused = of_account(facts, "permission projects/get/*")
    assert (refused.level, "`p, ci, projects, get, *, allow`" in refused.fix) == (Level.WARN, True)
    assert of_account(facts, "permission nonsense/get/x").level is Level.UNKNOWN


def test_keys_that_the_monitor_did_not_make_are_told_with_their_age_and_are_no_failure() -> None:
    keys = (
        Key("laptop", NOW - 3 * DAY, NOW + 27 * DAY),
        Key("tm-1", NOW - DAY),
        Key("by-hand", NOW - 210 * DAY),
        Key("old", NOW - 90 * DAY, NOW - 2 * DAY),
    )
    verdict = replace(VALID, checked_at=NOW, token_id="by-hand")
    facts = replace(ROTATED, verdict=verdict, account=replace(CI, keys=keys))
    finding = of_account(facts, "keys of others")
    assert (finding.level, finding.cause) == (
        Level.OK,
        "3 that the monitor did not make, and never deletes: by-hand (the present token, made 210 d ago, never ends),"
        " old (made 90 d ago, ended 2 d ago), laptop (made 3 d ago, 27 d left)",
    )
    assert finding.fix == "delete those that nobody uses: `argocd account delete-token --account ci ID`"
    assert {found.level for found in account_findings(facts)} == {Level.OK}


def test_where_each_key_is_the_monitors_that_is_said_and_where_none_is_made_nothing() -> None:
    ours = of_account(replace(ROTATED, account=replace(CI, keys=(Key("tm-1"), Key("tm-2")))), "keys of others")
    assert (ours.level, ours.fix) == (Level.OK, "")
    assert ours.cause.startswith("none")
    assert "keys of others" not in {finding.what for finding in account_findings(WATCHED)}


def test_of_many_and_of_hostile_keys_little_is_shown() -> None:
    keys = tuple(Key(f"k{number:04}\u202e" + "x" * 1000, NOW - DAY) for number in range(500))
    cause = of_account(replace(ROTATED, account=replace(CI, keys=keys)), "keys of others").cause
    assert cause.startswith("500 that the monitor did not make")
    assert cause.endswith("and 490 more")
    assert len(cause) < 1500
    assert cause.isprintable()


def test_new_keys_that_never_expire_are_warned_of_where_keys_are_made() -> None:
    assert of_account(replace(ROTATED, expires_in=None), "new keys").level is Level.WARN
    renewed = replace(ROTATED, mode=Mode.TOKEN, expires_in=None)
    for facts in (WATCHED, renewed):
        assert "new keys" not in {finding.what for finding in account_findings(facts)}


def test_admin_is_advised_against_where_it_logs_in() -> None:
    admin = replace(ROTATED, name="admin", account=replace(CI, name="admin"))
    advice = [found for found in account_findings(admin) if found.what == "account admin" and found.fix]
    assert [found.level for found in advice] == [Level.WARN]
    assert "accounts.codefresh: apiKey, login" in advice[0].fix
    watched = replace(WATCHED, name="admin", account=replace(CI, name="admin"))
    assert {found.level for found in account_findings(watched)} == {Level.OK}


@pytest.mark.parametrize(
    ("login", "level", "words"),
    [
        (None, Level.OK, "--login tries it"),
        (LoginFacts(True), Level.OK, "accepted"),
        (LoginFacts(False, "refused"), Level.FAIL, "refused"),
        (LoginFacts(None, "not tried: a login must wait 5 min"), Level.UNKNOWN, "must wait 5 min"),
    ],
)
def test_a_login_is_only_tried_when_asked_for(login: LoginFacts | None, level: Level, words: str) -> None:
    finding = of_account(replace(ROTATED, login=login), "login as ci")
    assert finding.level is level
    assert words in finding.cause


def test_a_password_that_is_not_there_cannot_log_in() -> None:
    finding = of_account(
        replace(ROTATED, has_password=False, password_problem="Secret x does not exist"), "login as ci"
    )
    assert (finding.level, finding.cause) == (Level.FAIL, "Secret x does not exist")


# --- Secrets -----------------------------------------------------------------------------------------------------------

SECRET = SecretFacts("codefresh", "argocd-token", "token", Holds.TOKEN, Presence.THERE, keys=("token",))
MADE = replace(SECRET, made=True, rotated=True)


@pytest.mark.parametrize(
    ("facts", "level", "fix"),
    [
        (SECRET, Level.OK, ""),
        (
            replace(SECRET, presence=Presence.ABSENT),
            Level.FAIL,
            "kubectl create secret generic argocd-token -n codefresh",
        ),
        (replace(MADE, presence=Presence.ABSENT), Level.OK, ""),
        (replace(SECRET, presence=Presence.FORBIDDEN, problem="no"), Level.FAIL, "resourceNames [argocd-token]"),
        (replace(SECRET, presence=Presence.UNKNOWN, problem="away"), Level.UNKNOWN, "try again"),
        (replace(SECRET, keys=("other",)), Level.FAIL, "correct the key"),
        (replace(SECRET, line_end=True), Level.WARN, "printf"),
        (replace(SECRET, line_end=True, holds=Holds.PASSWORD), Level.OK, ""),
        (replace(SECRET, is_empty=True), Level.FAIL, "put the token there"),
        (replace(MADE, keys=(), is_empty=True), Level.OK, ""),
        (replace(SECRET, immutable=True), Level.OK, ""),
        (replace(MADE, immutable=True), Level.FAIL, "without immutable"),
        (replace(MADE, holds=Holds.JOURNAL, keys=(), is_empty=True), Level.OK, ""),
    ],
)
def test_a_secret_is_there_with_its_key(facts: SecretFacts, level: Level, fix: str) -> None:
    finding = secret_finding(facts)
    assert finding.level is level
    assert fix in finding.fix
    assert bool(finding.fix) == (level is not Level.OK)


def test_a_secret_without_the_key_says_which_keys_there_are() -> None:
    assert secret_finding(replace(SECRET, keys=("a", "b"))).cause == "has no key token (a, b)"


# --- permissions -------------------------------------------------------------------------------------------------------

READ = Permission("codefresh", "", "secrets", ("get",), "argocd-token", "the token is read from it")
WATCH = Permission("codefresh", "", "secrets", ("list", "watch"), "argocd-token", "seen at once", optional=True)
CREATE = Permission("codefresh", "", "secrets", ("create",), "journal", "makes it", optional=True)
LEASE = Permission("ops", "coordination.k8s.io", "leases", ("create",), "token-monitor", "agree", optional=True)


@pytest.mark.parametrize(
    ("review", "level"),
    [
        (Review(READ, allowed=("get",)), Level.OK),
        (Review(READ, denied=("get",)), Level.FAIL),
        (Review(READ, unanswered=("get",), problem="away"), Level.UNKNOWN),
        (Review(WATCH, allowed=("list",), denied=("watch",)), Level.WARN),
        (Review(CREATE, denied=("create",), exists=False), Level.FAIL),
        (Review(CREATE, denied=("create",), exists=None), Level.WARN),
        (Review(CREATE, allowed=("create",), exists=False), Level.OK),
        (Review(LEASE, denied=("create",), exists=False), Level.WARN),
    ],
)
def test_a_permission_that_lacks_is_named(review: Review, level: Level) -> None:
    finding = permission_finding(review, None)
    assert finding is not None
    assert finding.level is level
    assert bool(finding.fix) == (level is not Level.OK)


def test_the_verb_that_lacks_is_told_with_what_it_is_for_and_for_whom() -> None:
    review = Review(WATCH, allowed=("list",), denied=("watch",))
    finding = permission_finding(review, ServiceAccount("ops", "token-monitor"))
    assert finding is not None
    assert finding.cause == "service account ops/token-monitor may not watch: seen at once"
    assert "doctor --rbac" in finding.fix


def test_nobody_needs_to_create_what_is_there() -> None:
    assert permission_finding(Review(CREATE, exists=True), None) is None


def test_a_secret_that_may_not_be_created_can_be_made_by_hand() -> None:
    finding = permission_finding(Review(CREATE, denied=("create",), exists=False), None)
    assert finding is not None
    assert "kubectl create secret generic journal -n codefresh" in finding.fix


# --- other writers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "cause", "fix"),
    [
        ({"owners": ("ExternalSecret/argocd",)}, "ExternalSecret/argocd owns it", "creationPolicy"),
        ({"owners": ("SealedSecret/argocd",)}, "SealedSecret/argocd owns it", "rotate another one"),
        ({"marks": (("argocd.argoproj.io/tracking-id", "app:x"),)}, "Argo CD applies it", "ignoreDifferences"),
        ({"marks": (("argocd.argoproj.io/instance", "app"),)}, "Argo CD applies it", "ignoreDifferences"),
        ({"marks": (("meta.helm.sh/release-name", "r"),)}, "Helm applies it", "chart"),
        ({"marks": (("kustomize.toolkit.fluxcd.io/name", "r"),)}, "Flux applies it", "Flux"),
        (
            {"managers": (Manager("argocd-controller", "2026-08-20T10:00:00Z"),)},
            "argocd-controller",
            "ignoreDifferences",
        ),
        ({"managers": (Manager("cap-app-proxy"),)}, "Codefresh app-proxy", "auth.type: token"),
        ({"managers": (Manager("who-knows"),)}, "who-knows wrote the key token", "find out who writes"),
    ],
)
def test_another_writer_is_named_with_what_to_change(changes: dict[str, object], cause: str, fix: str) -> None:
    (finding,) = writer_findings(replace(MADE, **changes))  # type: ignore[arg-type]
    assert finding.level is Level.WARN
    assert cause in finding.cause
    assert fix in finding.fix


@pytest.mark.parametrize("managers", [(), (Manager("token-monitor"),), (Manager("kubectl-create"), Manager("kubectl"))])
def test_ourselves_and_who_made_it_by_hand_are_no_other_writers(managers: tuple[Manager, ...]) -> None:
    (finding,) = writer_findings(replace(MADE, managers=managers))
    assert (finding.level, finding.cause) == (Level.OK, "none")


def test_a_writer_that_is_seen_in_two_ways_is_told_once() -> None:
    marks = (("argocd.argoproj.io/instance", "app"), ("argocd.argoproj.io/tracking-id", "app:x"))
    assert len(list(writer_findings(replace(MADE, marks=marks, managers=(Manager("argocd-controller"),))))) == 1


@pytest.mark.parametrize("facts", [SECRET, replace(MADE, holds=Holds.JOURNAL), replace(MADE, presence=Presence.ABSENT)])
def test_nobody_else_is_looked_for_where_the_monitor_writes_nothing(facts: SecretFacts) -> None:
    assert list(writer_findings(replace(facts, owners=("ExternalSecret/x",)))) == []
