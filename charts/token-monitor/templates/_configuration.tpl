{{/*
The monitor's configuration: the sections of `config`, and the targets. What is secret in it becomes a file of a Secret.
*/}}

{{- define "token-monitor.directory" -}}/etc/token-monitor{{- end -}}
{{- define "token-monitor.file" -}}{{ include "token-monitor.directory" . }}/config/token-monitor.yaml{{- end -}}

{{/* dict "below" "above": two mappings laid over each other; null takes a key away. */}}
{{- define "token-monitor.laid" -}}
{{- $result := deepCopy .below -}}
{{- range $key, $value := .above -}}
{{- $below := get $result $key -}}
{{- if kindIs "invalid" $value -}}
{{- $result = unset $result $key -}}
{{- else if and (kindIs "map" $value) (kindIs "map" $below) -}}
{{- $result = set $result $key (include "token-monitor.laid" (dict "below" $below "above" $value) | fromJson) -}}
{{- else -}}
{{- $result = set $result $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $result -}}
{{- end -}}

{{/* All targets as they were given, as {"targets": [...]}: the runtime's first. */}}
{{- define "token-monitor.given" -}}
{{- $targets := list -}}
{{- $own := list -}}
{{- range .Values.targets -}}
{{- if has .name $own -}}
{{- fail (printf "targets: %q is there twice; give each target a name of its own" .name) -}}
{{- end -}}
{{- $own = append $own .name -}}
{{- end -}}
{{- if include "token-monitor.codefresh.follows" . -}}
{{- $target := include "token-monitor.codefresh.target" . | fromJson -}}
{{- if not (has $target.name $own) -}}
{{- $targets = append $targets $target -}}
{{- else if .Values.codefresh.target -}}
{{- fail (printf "codefresh.target: is not used, since targets has one that is called %q, too; write it there" $target.name) -}}
{{- end -}}
{{- else if .Values.codefresh.target -}}
{{- fail "codefresh.target: there are no values of a runtime that a target follows from; give them with -f, or use targets" -}}
{{- end -}}
{{- $targets = concat $targets .Values.targets -}}
{{- if not (or $targets .Values.config.discovery) -}}
{{- fail "targets: there is nothing to monitor; give targets, or the values file of the Codefresh runtime with -f" -}}
{{- end -}}
{{- $keptBy := dict -}}
{{- range $target := $targets -}}
{{- with include "token-monitor.tokenSecret" $target | fromJson -}}
{{- if include "token-monitor.rotates" $target -}}
{{- $place := printf "%s/%s, key %s" (include "token-monitor.namespaceOf" (dict "root" $ "target" $target)) .name .key -}}
{{- if hasKey $keptBy $place -}}
{{- fail (printf "targets: the key of %q is kept in Secret %s, like that of %q: two rotations would undo each other; give it its own with auth.tokenSecretKeyRef, or set rotation.enabled: false in one of them" $target.name $place (get $keptBy $place)) -}}
{{- end -}}
{{- $keptBy = set $keptBy $place $target.name -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "targets" ($targets | default list) | toJson -}}
{{- end -}}

{{/* "true" where the monitor replaces the target's key. */}}
{{- define "token-monitor.rotates" -}}
{{- $rotation := .rotation | default dict -}}
{{- $off := and (hasKey $rotation "enabled") (eq (toString $rotation.enabled) "false") -}}
{{- if and (or (eq .auth.type "password") .renew) (not $off) -}}true{{- end -}}
{{- end -}}

{{/* The Secret that holds the target's token, as {"name", "key"}; {} where it is in a file or in clear. */}}
{{- define "token-monitor.tokenSecret" -}}
{{- $reference := .auth.tokenSecretKeyRef | default dict -}}
{{- if and .auth.token (eq .auth.type "token") -}}
{}
{{- else if $reference.name -}}
{{- toJson $reference -}}
{{- else if .auth.tokenFile -}}
{}
{{- else -}}
{{- dict "name" "argocd-token" "key" "token" | toJson -}}
{{- end -}}
{{- end -}}

{{/* The Secret that holds the password with which the target's key is made; {} where there is none. */}}
{{- define "token-monitor.passwordSecret" -}}
{{- $reference := .auth.passwordSecretKeyRef | default dict -}}
{{- if or (ne .auth.type "password") .auth.password -}}
{}
{{- else if $reference.name -}}
{{- toJson $reference -}}
{{- else if .auth.passwordFile -}}
{}
{{- else -}}
{{- dict "name" "argocd-initial-admin-secret" "key" "password" | toJson -}}
{{- end -}}
{{- end -}}

{{/* What is secret in the values, by the name of its file: the content of the chart's own Secret. */}}
{{- define "token-monitor.credentials" -}}
{{- $found := dict -}}
{{- range (include "token-monitor.given" . | fromJson).targets -}}
{{- if and .auth.token (eq .auth.type "token") -}}
{{- $found = set $found (printf "%s.token" .name) .auth.token -}}
{{- end -}}
{{- if and .auth.password (eq .auth.type "password") -}}
{{- $found = set $found (printf "%s.password" .name) .auth.password -}}
{{- end -}}
{{- end -}}
{{- with (.Values.config.heartbeat | default dict).url -}}
{{- $found = set $found "heartbeat-url" . -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* dict "root" "target": a target as the configuration has it. */}}
{{- define "token-monitor.target" -}}
{{- $target := deepCopy .target -}}
{{- $directory := printf "%s/credentials" (include "token-monitor.directory" .root) -}}
{{- range $word, $mode := dict "token" "token" "password" "password" -}}
{{- if get $target.auth $word -}}
{{- if ne $target.auth.type $mode -}}
{{- fail (printf "targets: auth.%s of %q is in clear and not used in %s mode; remove it" $word $target.name $target.auth.type) -}}
{{- end -}}
{{- if and (eq $word "token") $target.renew -}}
{{- fail (printf "targets: auth.token of %q cannot be replaced, and renew is true; use tokenSecretKeyRef" $target.name) -}}
{{- end -}}
{{- $auth := omit $target.auth $word (printf "%sSecretKeyRef" $word) -}}
{{- $target = set $target "auth" (set $auth (printf "%sFile" $word) (printf "%s/%s.%s" $directory $target.name $word)) -}}
{{- else -}}
{{- $target = set $target "auth" (omit $target.auth $word) -}}
{{- end -}}
{{- end -}}
{{- if and (include "token-monitor.rotates" $target) $target.auth.tokenFile (not .root.Values.config.stateDir) -}}
{{- fail (printf "targets: the key of %q is replaced, and auth.tokenFile is a file of a pod, which ends with it; use tokenSecretKeyRef" $target.name) -}}
{{- end -}}
{{- toJson $target -}}
{{- end -}}

{{/* dict "root" "targets": whether a Lease decides which replica works: as `config` says, else where there is such work. */}}
{{- define "token-monitor.elects" -}}
{{- $lease := (.root.Values.config.kubernetes | default dict).lease | default dict -}}
{{- $wanted := gt (int .root.Values.replicaCount) 1 -}}
{{- $found := ((.root.Values.config.discovery | default dict).kubernetes) | default dict -}}
{{- $possible := not (empty $found) -}}
{{- if $found.allowRotation -}}
{{- $wanted = true -}}
{{- end -}}
{{- range .targets -}}
{{- if include "token-monitor.tokenSecret" . | fromJson -}}
{{- $possible = true -}}
{{- if include "token-monitor.rotates" . -}}
{{- $wanted = true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if kindIs "bool" $lease.enabled -}}
{{- $wanted = $lease.enabled -}}
{{- end -}}
{{- /* With shards each replica does its part, and nobody leads. */ -}}
{{- $shards := include "token-monitor.shards" .root | fromJson -}}
{{- if and $possible $wanted (not $shards.enabled) -}}true{{- end -}}
{{- end -}}

{{/* How replicas share the targets: {"enabled", "slots", "names"}, the names of the Leases. `config` wins. */}}
{{- define "token-monitor.shards" -}}
{{- $given := (.Values.config.kubernetes | default dict).shards | default dict -}}
{{- $enabled := ternary $given.enabled .Values.shards.enabled (kindIs "bool" $given.enabled) -}}
{{- /* More than there are replicas, in steps of four, so that one more replica does not restart all others. */ -}}
{{- $slots := int ($given.slots | default (mul 4 (div (add 4 (int .Values.replicaCount)) 4))) -}}
{{- $lease := include "token-monitor.lease" . | fromJson -}}
{{- $names := list -}}
{{- if $enabled -}}
{{- range until $slots -}}
{{- $names = append $names (printf "%s-shard-%d" $lease.name .) -}}
{{- end -}}
{{- end -}}
{{- dict "enabled" $enabled "slots" $slots "names" $names | toJson -}}
{{- end -}}

{{/* The whole configuration. */}}
{{- define "token-monitor.configuration" -}}
{{- $root := . -}}
{{- $given := (include "token-monitor.given" . | fromJson).targets -}}
{{- $targets := list -}}
{{- range $given -}}
{{- $targets = append $targets (include "token-monitor.target" (dict "root" $root "target" .) | fromJson) -}}
{{- end -}}
{{- $above := deepCopy .Values.config -}}
{{- $kubernetes := $above.kubernetes | default dict -}}
{{- $lease := $kubernetes.lease | default dict -}}
{{- $lease = set $lease "enabled" (include "token-monitor.elects" (dict "root" . "targets" $given) | empty | not) -}}
{{- $lease = set $lease "name" ($lease.name | default (include "token-monitor.fullname" .)) -}}
{{- $kubernetes = set $kubernetes "lease" $lease -}}
{{- $shards := include "token-monitor.shards" . | fromJson -}}
{{- if $shards.enabled -}}
{{- $kubernetes = set $kubernetes "shards" (dict "enabled" true "slots" (int $shards.slots)) -}}
{{- end -}}
{{- $above = set $above "kubernetes" $kubernetes -}}
{{- if .Values.config.heartbeat -}}
{{- if .Values.config.heartbeat.url -}}
{{- $file := printf "%s/credentials/heartbeat-url" (include "token-monitor.directory" .) -}}
{{- $above = set $above "heartbeat" (set (omit .Values.config.heartbeat "url") "urlFile" $file) -}}
{{- end -}}
{{- end -}}
{{- if .Values.config.alertmanager -}}
{{- $labels := $above.alertmanager.labels | default dict -}}
{{- /* A pod without a token of its service account does not know its namespace. */ -}}
{{- if not (hasKey $labels "namespace") -}}
{{- $labels = set $labels "namespace" .Release.Namespace -}}
{{- end -}}
{{- $above = set $above "alertmanager" (set $above.alertmanager "labels" $labels) -}}
{{- end -}}
{{- toJson (set $above "targets" $targets) -}}
{{- end -}}

{{/* The sections that the monitor takes over at its start only (monitor/daemon, `_reload` and `telling`). */}}
{{- define "token-monitor.startOnly" -}}
{{- pick (include "token-monitor.configuration" . | fromJson) "http" "log" "kubernetes" "stateDir" "alerts" "alertmanager" "heartbeat" "discovery" | toJson -}}
{{- end -}}
