{{/*
The target that follows from the values of a Codefresh GitOps Runtime.

The same as monitor/config/codefresh.py (`token-monitor config from-codefresh`), rule by rule and with its words where the
runtime's chart refuses; tests/chart/test_codefresh.py holds both together. Templates give JSON, since a template gives text.
*/}}

{{/* "true" where a target follows from the values. */}}
{{- define "token-monitor.codefresh.follows" -}}
{{- $values := .Values -}}
{{- if kindIs "bool" $values.codefresh.enabled -}}
{{- if $values.codefresh.enabled -}}true{{- end -}}
{{- else -}}
{{- $found := or (hasKey $values "argo-cd") (hasKey $values "app-proxy") -}}
{{- range list "codefresh" "runtime" "integrations" "external-argo-cd" "external-arg-cd" -}}
{{- $found = or $found (hasKey ($values.global | default dict) .) -}}
{{- end -}}
{{- if $found -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* dict "values" MAPPING "path" (list KEYS): {"found": VALUE}, or {} where there is none. */}}
{{- define "token-monitor.codefresh.at" -}}
{{- $found := .values -}}
{{- $there := true -}}
{{- range .path -}}
{{- if and $there (kindIs "map" $found) (hasKey $found .) -}}
{{- $found = get $found . -}}
{{- else -}}
{{- $there = false -}}
{{- end -}}
{{- end -}}
{{- if and $there (not (kindIs "invalid" $found)) -}}
{{- dict "found" $found | toJson -}}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{/* dict "defaults" "given" "path": values laid over defaults as Helm does it; null takes a default away. */}}
{{- define "token-monitor.codefresh.merged" -}}
{{- $path := .path -}}
{{- $defaults := .defaults -}}
{{- $merged := deepCopy $defaults -}}
{{- range $key, $value := .given -}}
{{- if kindIs "invalid" $value -}}
{{- $merged = unset $merged $key -}}
{{- else if kindIs "map" (get $defaults $key) -}}
{{- if not (kindIs "map" $value) -}}
{{- fail (printf ".Values.%s.%s must be a mapping" $path $key) -}}
{{- end -}}
{{- $inner := dict "defaults" (get $defaults $key) "given" $value "path" (printf "%s.%s" $path $key) -}}
{{- $merged = set $merged $key (include "token-monitor.codefresh.merged" $inner | fromJson) -}}
{{- else -}}
{{- $merged = set $merged $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $merged -}}
{{- end -}}

{{/* The runtime's Argo CD, over the chart's defaults. */}}
{{- define "token-monitor.codefresh.bundled" -}}
{{- $given := index .Values "argo-cd" -}}
{{- if not (or (kindIs "invalid" $given) (kindIs "map" $given)) -}}
{{- fail ".Values.argo-cd must be a mapping" -}}
{{- end -}}
{{- $defaults := dict "enabled" true "fullnameOverride" "argo-cd" "nameOverride" "argocd" "server" (dict "name" "server") "configs" (dict "params" (dict "server.insecure" true)) -}}
{{- include "token-monitor.codefresh.merged" (dict "defaults" $defaults "given" ($given | default dict) "path" "argo-cd") -}}
{{- end -}}

{{/* The first of the older spellings that has a key, as {"path", "block"}; dict "values" "key". */}}
{{- define "token-monitor.codefresh.older" -}}
{{- $values := .values -}}
{{- $key := .key -}}
{{- $first := dict -}}
{{- range list "external-argo-cd" "external-arg-cd" -}}
{{- $block := index (include "token-monitor.codefresh.at" (dict "values" $values "path" (list "global" .)) | fromJson) "found" -}}
{{- if and (not $first) (kindIs "map" $block) (hasKey ($block | default dict) $key) -}}
{{- $first = dict "path" (printf "global.%s" .) "block" $block -}}
{{- end -}}
{{- end -}}
{{- toJson $first -}}
{{- end -}}

{{/* A root path with one slash in front and none behind. */}}
{{- define "token-monitor.codefresh.rootpath" -}}
{{- $path := . | default "" | toString | trimAll "/" -}}
{{- if $path -}}
{{- if not (regexMatch "^[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$" $path) -}}
{{- fail (printf "rootpath: %q is not a path; write it like /argocd, without ?, # or spaces" $path) -}}
{{- end -}}
{{- range splitList "/" $path -}}
{{- if has . (list "" "." "..") -}}
{{- fail (printf "rootpath: %q has an empty, . or .. step; write the path as it is, like /argocd" $path) -}}
{{- end -}}
{{- end -}}
{{- printf "/%s" $path -}}
{{- end -}}
{{- end -}}

{{/* dict "root" "svc" "port" "rootpath": where that is, as {"server": ...}. */}}
{{- define "token-monitor.codefresh.service" -}}
{{- $port := .port | toString -}}
{{- if not (and (regexMatch "^[0-9]{1,5}$" $port) (ge (atoi $port) 1) (le (atoi $port) 65535)) -}}
{{- fail "port must be a number from 1 to 65535; correct the values" -}}
{{- end -}}
{{- if contains "://" .svc -}}
{{- fail "svc is an address; write the name of the Service alone: the runtime's chart puts http:// before it" -}}
{{- end -}}
{{- $path := include "token-monitor.codefresh.rootpath" .rootpath -}}
{{- $label := "[a-z0-9]([-a-z0-9_]{0,61}[a-z0-9])?" -}}
{{- if and (le (len .svc) 253) (regexMatch (printf "^%s([.]%s)*[.]?$" $label $label) .svc) -}}
{{- $svc := include "token-monitor.codefresh.qualified" (dict "root" .root "name" (.svc | trimSuffix ".")) -}}
{{- dict "server" (dict "svc" $svc "port" (atoi $port) "rootpath" $path) | toJson -}}
{{- else -}}
{{- /* The runtime's chart pastes the parts together, so `svc: argocd:8080` works there. */ -}}
{{- include "token-monitor.codefresh.url" (printf "http://%s%s%s" .svc (ternary "" (printf ":%s" $port) (eq $port "80")) $path) -}}
{{- end -}}
{{- end -}}

{{/* An address, as monitor/config/address.py takes it: the pod would not start with another one. */}}
{{- define "token-monitor.codefresh.url" -}}
{{- $label := "[A-Za-z0-9]([-A-Za-z0-9_]{0,61}[A-Za-z0-9])?" -}}
{{- $host := printf "(%s([.]%s)*[.]?|\\[[0-9A-Fa-f:.]+\\])" $label $label -}}
{{- $parts := printf "^[Hh][Tt][Tt][Pp][Ss]?://%s(:[0-9]{1,5})?(/[^?#\\s]*)?$" $host -}}
{{- $authority := regexReplaceAll "^[A-Za-z]+://([^/]*).*$" . "${1}" -}}
{{- $port := regexFind ":[0-9]*$" $authority | trimPrefix ":" | default "80" | atoi -}}
{{- if not (and (regexMatch $parts .) (ge $port 1) (le $port 65535)) -}}
{{- /* One with @ may hold a password. */ -}}
{{- $shown := ternary "" (printf ", %q," .) (contains "@" .) -}}
{{- fail (printf "the address that the chart makes of these values%s cannot be used; write it like https://argocd.example.com" $shown) -}}
{{- end -}}
{{- $path := include "token-monitor.codefresh.rootpath" (regexReplaceAll "^[A-Za-z]+://[^/]*" . "") -}}
{{- dict "server" (dict "url" .) | toJson -}}
{{- end -}}

{{/* dict "root" "name": the name of a Service of the runtime, as it is found from the namespace of this release. */}}
{{- define "token-monitor.codefresh.qualified" -}}
{{- $namespace := .root.Values.codefresh.namespace -}}
{{- if and $namespace (ne $namespace .root.Release.Namespace) (not (contains "." .name)) -}}
{{- printf "%s.%s.svc" .name $namespace -}}
{{- else -}}
{{- .name -}}
{{- end -}}
{{- end -}}

{{/* The address: {"server": ...} and, where the certificate is not to be checked, {"tls": ...}. */}}
{{- define "token-monitor.codefresh.address" -}}
{{- $values := .Values -}}
{{- $override := index (include "token-monitor.codefresh.at" (dict "values" $values "path" (list "app-proxy" "config" "argoCdUrl")) | fromJson) "found" -}}
{{- $bundled := include "token-monitor.codefresh.bundled" . | fromJson -}}
{{- if $override -}}
{{- include "token-monitor.codefresh.url" (toString $override) -}}
{{- else if $bundled.enabled -}}
{{- $configs := $bundled.configs | default dict -}}
{{- $params := $configs.params | default dict -}}
{{- $rootpath := get $params "server.rootpath" -}}
{{- $svc := include "token-monitor.codefresh.bundledService" (dict "root" . "argocd" $bundled) -}}
{{- if get $params "server.insecure" -}}
{{- include "token-monitor.codefresh.service" (dict "root" . "svc" $svc "port" 80 "rootpath" $rootpath) -}}
{{- else -}}
{{- $host := include "token-monitor.codefresh.qualified" (dict "root" . "name" $svc) -}}
{{- $url := printf "https://%s%s" $host (include "token-monitor.codefresh.rootpath" $rootpath) -}}
{{- dict "server" (dict "url" $url) "tls" (dict "insecure" true) | toJson -}}
{{- end -}}
{{- else -}}
{{- include "token-monitor.codefresh.external" . -}}
{{- end -}}
{{- end -}}

{{/* dict "root" "argocd": the Service of the Argo CD that the runtime brings. */}}
{{- define "token-monitor.codefresh.bundledService" -}}
{{- $server := .argocd.server | default dict -}}
{{- $full := .argocd.fullnameOverride | default "" | toString -}}
{{- if not $full -}}
{{- $name := .argocd.nameOverride | default "argocd" | toString -}}
{{- $release := .root.Values.codefresh.releaseName -}}
{{- $full = regexReplaceAll "-+$" (ternary $release (printf "%s-%s" $release $name) (contains $name $release) | trunc 63) "" -}}
{{- end -}}
{{- regexReplaceAll "-+$" (printf "%s-%s" $full ($server.name | default "server" | toString) | trunc 63) "" -}}
{{- end -}}

{{- define "token-monitor.codefresh.external" -}}
{{- $values := .Values -}}
{{- $path := "global.integrations.argo-cd.server" -}}
{{- $today := index (include "token-monitor.codefresh.at" (dict "values" $values "path" (splitList "." $path)) | fromJson) "found" -}}
{{- if not (kindIs "map" $today) -}}
{{- $today = dict -}}
{{- end -}}
{{- $given := or (hasKey $today "svc") (hasKey $today "port") (hasKey $today "rootpath") -}}
{{- $older := include "token-monitor.codefresh.older" (dict "values" $values "key" "server") | fromJson -}}
{{- $defaults := dict "svc" "argo-cd-server" "port" 80 "rootpath" "" -}}
{{- $lead := printf ".Values.%s" $path -}}
{{- if and $older (not $given) -}}
{{- $path = printf "%s.server" $older.path -}}
{{- $lead = printf "ArgoCD is not enabled and .Values.%s" $path -}}
{{- $defaults = dict "svc" "argocd-server" "port" 80 "rootpath" "" -}}
{{- $today = get $older.block "server" -}}
{{- if not $today -}}
{{- fail (printf "%s is not set" $lead) -}}
{{- else if not (kindIs "map" $today) -}}
{{- fail (printf ".Values.%s must be a mapping" $path) -}}
{{- end -}}
{{- end -}}
{{- $server := include "token-monitor.codefresh.merged" (dict "defaults" $defaults "given" $today "path" $path) | fromJson -}}
{{- range list "svc" "port" -}}
{{- $value := get $server . -}}
{{- if or (kindIs "invalid" $value) (eq (toString $value) "") -}}
{{- fail (printf "%s.%s is not set" $lead .) -}}
{{- end -}}
{{- end -}}
{{- include "token-monitor.codefresh.service" (dict "root" . "svc" (toString $server.svc) "port" $server.port "rootpath" $server.rootpath) -}}
{{- end -}}

{{/* The credential, as {"auth": ...}. */}}
{{- define "token-monitor.codefresh.credential" -}}
{{- $values := .Values -}}
{{- $path := "global.integrations.argo-cd.server.auth" -}}
{{- $given := include "token-monitor.codefresh.at" (dict "values" $values "path" (splitList "." $path)) | fromJson -}}
{{- $block := index $given "found" -}}
{{- $bundled := include "token-monitor.codefresh.bundled" . | fromJson -}}
{{- $old := false -}}
{{- if not (hasKey $given "found") -}}
{{- $older := include "token-monitor.codefresh.older" (dict "values" $values "key" "auth") | fromJson -}}
{{- if and $older (not $bundled.enabled) -}}
{{- $old = true -}}
{{- $path = printf "%s.auth" $older.path -}}
{{- $block = get $older.block "auth" -}}
{{- end -}}
{{- end -}}
{{- if kindIs "invalid" $block -}}
{{- $block = dict -}}
{{- else if not (kindIs "map" $block) -}}
{{- fail (printf ".Values.%s must be a mapping" $path) -}}
{{- end -}}
{{- $defaults := dict "type" "password" "username" "admin" "password" "" "passwordSecretKeyRef" (dict "name" "argocd-initial-admin-secret" "key" "password") "token" "" "tokenSecretKeyRef" dict -}}
{{- $auth := include "token-monitor.codefresh.merged" (dict "defaults" $defaults "given" $block "path" $path) | fromJson -}}
{{- if eq (toString $auth.type) "token" -}}
{{- $reference := include "token-monitor.codefresh.tokenReference" (dict "path" $path "auth" $auth "old" $old) | fromJson -}}
{{- dict "auth" (dict "type" "token" "tokenSecretKeyRef" $reference) | toJson -}}
{{- else if eq (toString $auth.type) "password" -}}
{{- $override := index (include "token-monitor.codefresh.at" (dict "values" $values "path" (list "app-proxy" "config" "argoCdUsername")) | fromJson) "found" -}}
{{- $username := $override | default $auth.username | default "admin" | toString -}}
{{- if not (and (regexMatch "^[^\\s\\x00-\\x20/\\x7f]{1,253}$" $username) (le (len $username) 32)) -}}
{{- fail (printf ".Values.%s.username is not the name of an account; correct the values" $path) -}}
{{- end -}}
{{- $reference := include "token-monitor.codefresh.passwordReference" (dict "path" $path "auth" $auth) | fromJson -}}
{{- dict "auth" (dict "type" "password" "username" $username "passwordSecretKeyRef" $reference) | toJson -}}
{{- else -}}
{{- fail (printf "Invalid value for .Values.%s.type: %v. Allowed values are: [password token]" $path $auth.type) -}}
{{- end -}}
{{- end -}}

{{/* A token in clear is never copied: the runtime's chart keeps it in a Secret, which is named here. */}}
{{- define "token-monitor.codefresh.tokenReference" -}}
{{- $path := .path -}}
{{- $reference := .auth.tokenSecretKeyRef -}}
{{- if .auth.token -}}
{{- dict "name" "gitops-runtime-argo-cd-token" "key" "token" | toJson -}}
{{- else -}}
{{- if and .old (not $reference) -}}
{{- fail (printf ".Values.%s.type is 'token' and .Values.%s.token or .Values.%s.tokenSecretKeyRef are not set" $path $path $path) -}}
{{- end -}}
{{- if not (kindIs "map" $reference) -}}
{{- $reference = dict -}}
{{- end -}}
{{- range list "name" "key" -}}
{{- if not (get $reference . | toString | replace "<nil>" "") -}}
{{- $both := or (get $reference "name") (get $reference "key") -}}
{{- fail (printf ".Values.%s.type is set to 'token' therefore .Values.%s.tokenSecretKeyRef.%s is required%s" $path $path . (ternary (printf "\nBoth 'name' and 'key' must be set in .Values.%s.tokenSecretKeyRef" $path) "" (not (empty $both)))) -}}
{{- end -}}
{{- end -}}
{{- include "token-monitor.codefresh.reference" (dict "path" (printf "%s.tokenSecretKeyRef" $path) "reference" $reference) -}}
{{- end -}}
{{- end -}}

{{- define "token-monitor.codefresh.passwordReference" -}}
{{- $reference := .auth.passwordSecretKeyRef -}}
{{- if .auth.password -}}
{{- dict "name" "gitops-runtime-argo-cd-password" "key" "token" | toJson -}}
{{- else -}}
{{- if not (and (kindIs "map" $reference) (get ($reference | default dict) "name") (get ($reference | default dict) "key")) -}}
{{- fail (printf ".Values.%s.passwordSecretKeyRef needs both name and key: Kubernetes would refuse the Deployment of app-proxy that the chart makes of it" .path) -}}
{{- end -}}
{{- include "token-monitor.codefresh.reference" (dict "path" (printf "%s.passwordSecretKeyRef" .path) "reference" $reference) -}}
{{- end -}}
{{- end -}}

{{- define "token-monitor.codefresh.reference" -}}
{{- $name := .reference.name | toString -}}
{{- $key := .reference.key | toString -}}
{{- if not (and (regexMatch "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$" $name) (regexMatch "^[-._a-zA-Z0-9]{1,253}$" $key)) -}}
{{- fail (printf ".Values.%s does not name a Secret and a key of it as Kubernetes allows them" .path) -}}
{{- end -}}
{{- dict "name" $name "key" $key | toJson -}}
{{- end -}}

{{/*
dict "target" "above": the target without what `above` gives in another way: an address takes the place of the whole
address (and of how its certificate is looked at), a file that of the Secret.
*/}}
{{- define "token-monitor.codefresh.without" -}}
{{- $target := deepCopy .target -}}
{{- $server := .above.server | default dict -}}
{{- if or .above.url $server.url (and $server.svc $target.server.url) -}}
{{- $target = omit $target "server" "tls" -}}
{{- end -}}
{{- $auth := .above.auth | default dict -}}
{{- range list "token" "password" -}}
{{- if get $auth (printf "%sFile" .) -}}
{{- $target = set $target "auth" (omit $target.auth (printf "%sSecretKeyRef" .)) -}}
{{- end -}}
{{- end -}}
{{- toJson $target -}}
{{- end -}}

{{/* The whole target. */}}
{{- define "token-monitor.codefresh.target" -}}
{{- $target := merge (include "token-monitor.codefresh.address" . | fromJson) (include "token-monitor.codefresh.credential" . | fromJson) -}}
{{- $name := index (include "token-monitor.codefresh.at" (dict "values" .Values "path" (list "global" "runtime" "name")) | fromJson) "found" -}}
{{- $valid := and (kindIs "string" $name) (le (len (toString $name)) 63) (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$" (toString $name)) -}}
{{- $target = set $target "name" (ternary (toString $name) "codefresh" $valid) -}}
{{- if eq $target.auth.type "password" -}}
{{- $target = set $target "consumers" (dict "preset" "codefresh") -}}
{{- end -}}
{{- if .Values.codefresh.namespace -}}
{{- $target = set $target "namespace" .Values.codefresh.namespace -}}
{{- end -}}
{{- $above := .Values.codefresh.target -}}
{{- $target = include "token-monitor.codefresh.without" (dict "target" $target "above" $above) | fromJson -}}
{{- include "token-monitor.laid" (dict "below" $target "above" $above) -}}
{{- end -}}
