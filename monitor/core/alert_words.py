"""What the alerts say: templates of Prometheus (Go's text/template), with the remedies of `remedies` built in.

`$labels` are the labels of the alert; whatever else is told is asked for by `query` when the alert is evaluated. Each
line that only prepares something starts with `{{-` and ends with `-}}`, so that a text comes out as one paragraph.
"""

from __future__ import annotations

from collections.abc import Iterable

from monitor.core.model import Expectation
from monitor.core.remedies import remedy
from monitor.core.status import Kind, Status

REFUSED = tuple(status for status in Status if status.kind is Kind.REFUSED)
UNKNOWN = tuple(status for status in Status if status.kind is Kind.UNKNOWN)
# `expiring` has an alert of its own.
ATTENTION = tuple(status for status in Status if status.kind is Kind.ATTENTION and status is not Status.EXPIRING)

# What a name may consist of to be shown in a command: it may come from a token that nobody verified, and commands are
# pasted into a shell (the same rule as in `remedies`; a test compares them).
PLAIN_NAME = "[A-Za-z0-9][A-Za-z0-9._@+:-]*"

# Names that stand for the token's account until the template's own words take their place.
_ACCOUNT = "ACCOUNT-OF-TOKEN"
_ROLE = "proj:PROJECT:ROLE"
_COMMANDS = (f"argocd account generate-token --account {_ACCOUNT}", "argocd proj role create-token PROJECT ROLE")
# The account that the owner expects is not in the metrics: a remedy shows where its name belongs.
_EXPECTED = Expectation(account="ACCOUNT", where="its Secret or file")
# A token that has not been checked for minutes is one that cannot be read.
_PENDING = "Let the monitor read the token: `token-monitor doctor` names the permission or file that is missing."


# Of a token that some replicas of argocd-server accept and some refuse (`everyReplica`).
_SPLIT_REMEDY = (
    "Some replicas of argocd-server accept it, others ({{ $split }}) refuse it: a new token does not mend that. The monitor's page"
    " and `token-monitor status` name the pods to restart."
)


def _status(statuses: Iterable[Status]) -> str:
    """Sets `$status` to the present one, if it is one of these; else to an empty text."""
    names = "|".join(statuses)
    return f"""{{{{- $status := "" -}}}}
{{{{- with printf `tokenmonitor_token_status{{%s,status=~"{names}"}}` $at | query -}}}}
{{{{- $status = . | first | label "status" -}}}}
{{{{- end -}}}}
"""


def _remedies(statuses: Iterable[Status]) -> str:
    """The remedy for `$status`."""
    by_text: dict[str, list[str]] = {}
    for status in statuses:
        by_text.setdefault(_remedy(status), []).append(f'"{status}"')
    word, lines = "if", []
    for text, names in by_text.items():
        lines.append(f"{{{{- {word} eq $status {' '.join(names)} }}}} {text}")
        word = "else if"
    return "\n".join((*lines, "{{- end }}"))


def _remedy(status: Status) -> str:
    """The remedy of one status. The built-in admin and the roles of projects have settings of their own."""
    if status is Status.PENDING:
        return _PENDING
    if status is Status.REJECTED:
        return f"{{{{ if $split }}}}{_SPLIT_REMEDY}{{{{ else }}}}{_templated(remedy(status, _EXPECTED, _ACCOUNT))}{{{{ end }}}}"
    usual, role = (_templated(remedy(status, _EXPECTED, name)) for name in (_ACCOUNT, _ROLE))
    admin = remedy(status, _EXPECTED, "admin")
    if role != usual:
        return f"{{{{ if $role }}}}{role}{{{{ else }}}}{usual}{{{{ end }}}}"
    if admin != remedy(status, _EXPECTED, _ACCOUNT).replace(_ACCOUNT, "admin"):
        return f'{{{{ if eq $account "admin" }}}}{admin}{{{{ else }}}}{usual}{{{{ end }}}}'
    return usual


def _templated(text: str) -> str:
    for command in _COMMANDS:
        text = text.replace(command, "{{ $command }}")
    return text.replace("PROJECT ROLE", "{{ $role }}").replace(_ACCOUNT, "{{ $shown }}").replace(_ROLE, "{{ $shown }}")


# Which series are asked for. A label that the alert does not have matches series that do not have it either.
_AT = """{{- $at := printf "target=%q,namespace=%q,cluster=%q" $labels.target $labels.namespace $labels.cluster -}}
"""
_WHOSE = """{{- $account := "" -}}
{{- $server := "its server" -}}
{{- with printf `tokenmonitor_token_info{%s}` $at | query -}}
{{- $account = . | first | label "account" -}}
{{- $server = . | first | label "server" -}}
{{- end -}}
"""
_COMMAND = f"""{{{{- $shown := "ACCOUNT" -}}}}
{{{{- if match "^{PLAIN_NAME}$" $account -}}}}
{{{{- $shown = $account -}}}}
{{{{- end -}}}}
{{{{- $role := "" -}}}}
{{{{- $command := printf "argocd account generate-token --account %s" $shown -}}}}
{{{{- if match "^proj:[^:]+:[^:]+$" $shown -}}}}
{{{{- $role = reReplaceAll "^proj:(.+):(.+)$" "$1 $2" $shown -}}}}
{{{{- $command = printf "argocd proj role create-token %s" $role -}}}}
{{{{- end -}}}}
"""
_NAMED = "target {{ $labels.target }} ({{ with $account }}account {{ . }} at {{ end }}{{ $server }})"
# How many replicas of the server refuse the token while others accept it, as a text; empty where they agree.
_SPLIT = """{{- $split := "" -}}
{{- with printf `max(tokenmonitor_server_replicas{%s,answer="refused"}) > 0 and max(tokenmonitor_server_replicas{%s,answer="accepted"}) > 0` $at $at | query -}}
{{- $split = . | first | value | printf "%.0f" -}}
{{- end -}}
"""
# Where the monitor itself says more.
_MORE = "`token-monitor status --target {{ $labels.target }}` shows where it stands."

SAYS_REFUSED = (
    f"{_AT}{_WHOSE}{_COMMAND}{_status(REFUSED)}{_SPLIT}"
    f"Argo CD refuses the token of {_NAMED}"
    "{{ with $status }}: {{ . }}.{{ else }}. At this moment it cannot be asked for the reason.{{ end }}"
    " Whoever uses this token gets no answer from Argo CD.\n"
    f"{_remedies(REFUSED)}"
)

SAYS_EXPIRING = (
    f"{_AT}{_WHOSE}{_COMMAND}"
    f"The token of {_NAMED}"
    " {{ if gt $value 0.0 }}expires in {{ $value | humanizeDuration }}."
    "{{ else }}should have expired, and Argo CD cannot be asked.{{ end }}\n"
    "{{- with printf `tokenmonitor_rotation_state{%s}` $at | query }}"
    " The monitor rotates this token and has not replaced it in time: look at its rotation first.{{ end }}"
    f" {_remedy(Status.EXPIRING)}"
)

SAYS_NOT_VERIFIED = (
    f"{_AT}{_WHOSE}{_status(UNKNOWN)}"
    "For <not_verified_for> or longer no check could tell whether Argo CD accepts the token of "
    f"{_NAMED}"
    "{{ with $status }}: {{ . }}{{ end }}. If it were refused, nobody would know.\n"
    "{{- with printf `max(tokenmonitor_token_verified_timestamp_seconds{%s})` $at | query }}"
    " It was last verified at {{ . | first | value | humanizeTimestamp }}."
    "{{ else }} It has not been verified since the monitor started.{{ end }}\n"
    f"{_remedies(UNKNOWN)}"
)

SAYS_NEEDS_ATTENTION = (
    f"{_AT}{_WHOSE}{_COMMAND}{_status(ATTENTION)}"
    f"Argo CD accepts the token of {_NAMED}, and still it is not what its consumer needs"
    "{{ with $status }}: {{ . }}{{ end }}.\n"
    f"{_remedies(ATTENTION)}"
)

_FAILING = (
    f"{_AT}{_WHOSE}"
    f"The key of {_NAMED} cannot be replaced. Attempts in a row that failed: {{{{ $value }}}}.\n"
    "{{- with printf `max by (reason) (increase(tokenmonitor_rotation_failures_total{%s}[1h])) > 0` $at | query }}"
    ' Steps that failed in the last hour:{{ range sortByLabel "reason" . }} {{ .Labels.reason }}{{ end }}.{{ end }}'
)
SAYS_ROTATION_FAILING = f"{_FAILING} {_MORE}"
SAYS_ROTATION_FAILING_IN_NEED = (
    f"{_FAILING} The present token is refused or about to expire: make a key by hand, as the runbook says. {_MORE}"
)

SAYS_STOOD_DOWN = (
    f"{_AT}{_WHOSE}"
    f"Another writer keeps undoing what the monitor writes into the Secret of {_NAMED}."
    " The key is not replaced any more. Settle who owns the Secret; then"
    " `token-monitor rotate {{ $labels.target }}` takes the rotation up again."
    f" {_MORE}"
)

SAYS_ANONYMOUS_ACCESS = (
    f"{_AT}{_WHOSE}"
    f"The Argo CD of {_NAMED} lets requests through that carry no credential"
    " (`users.anonymous.enabled` in ConfigMap argocd-cm, or `--disable-auth`)."
    " To whoever holds a refused token, such a server looks healthy."
)

SAYS_CONFIG_REJECTED = (
    "The monitor{{ with $labels.namespace }} in namespace {{ . }}{{ end }} could not use its changed configuration,"
    " a certificate file, or a target that it found elsewhere. New targets are not tested, changed ones as they were"
    " before, and after a restart the monitor may not start at all."
    " `token-monitor config validate FILE` names every error of the file, `token-monitor doctor` those of certificates and"
    " of targets that are found elsewhere; the monitor's log and its page have them too."
)

SAYS_TARGETS_UNSEEN = (
    '{{- $at := printf "namespace=%q,cluster=%q" $labels.namespace $labels.cluster -}}\n'
    "Of {{ $value }} targets of the monitor{{ with $labels.namespace }} in namespace {{ . }}{{ end }}, the metrics show"
    " {{ with printf `count(max by (target) (tokenmonitor_token_status{%s}))` $at | query }}{{ . | first | value }}"
    "{{ else }}0{{ end }}. A refused token among the others pages nobody. Prometheus does not reach a replica of the monitor"
    " (Status > Targets), or no replica checks them: `shards` in `/status` of any replica says what each one does."
)

SAYS_DOWN = (
    "No metrics of Token Monitor have arrived for <down_for>: it does not run, or Prometheus does not reach it."
    " A token that is refused now goes unnoticed."
)
