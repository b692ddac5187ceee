{{/*
What the monitor may do in Kubernetes: the table of monitor/config/permissions.py, which tests/chart/test_permissions.py
holds this to. A permission is {"namespace", "group", "resource", "verbs", "name"}; without a name it is for all of them.
*/}}

{{/* dict "root" "target": namespace of a target's Secrets and consumers. */}}
{{- define "token-monitor.namespaceOf" -}}
{{- .target.namespace | default ((.root.Values.config.kubernetes | default dict).namespace) | default .root.Release.Namespace -}}
{{- end -}}

{{/* dict "root" "target": the name of a target's journal, where its key is replaced and is in a Secret. */}}
{{- define "token-monitor.journalOf" -}}
{{- if and (include "token-monitor.rotates" .target) (include "token-monitor.tokenSecret" .target | fromJson) -}}
token-monitor-journal-{{ .target.name }}
{{- end -}}
{{- end -}}

{{/* All permissions, as {"permissions": [...]}. */}}
{{- define "token-monitor.permissions" -}}
{{- $root := . -}}
{{- $kubernetes := .Values.config.kubernetes | default dict -}}
{{- $events := not (and (hasKey $kubernetes "events") (eq (toString $kubernetes.events) "false")) -}}
{{- $targets := (include "token-monitor.given" . | fromJson).targets -}}
{{- $all := list -}}
{{- range $target := $targets -}}
{{- $namespace := include "token-monitor.namespaceOf" (dict "root" $root "target" $target) -}}
{{- $token := include "token-monitor.tokenSecret" $target | fromJson -}}
{{- $password := include "token-monitor.passwordSecret" $target | fromJson -}}
{{- $journal := include "token-monitor.journalOf" (dict "root" $root "target" $target) -}}
{{- $secrets := dict "namespace" $namespace "group" "" "resource" "secrets" -}}
{{- if $token -}}
{{- $verbs := ternary (list "get" "list" "watch" "patch") (list "get" "list" "watch") (not (empty $journal)) -}}
{{- $all = append $all (merge (dict "name" $token.name "verbs" $verbs) $secrets) -}}
{{- if $events -}}
{{- $all = append $all (dict "namespace" $namespace "group" "events.k8s.io" "resource" "events" "verbs" (list "create" "patch")) -}}
{{- end -}}
{{- end -}}
{{- if kindIs "map" $target.watchArgoCD -}}
{{- /* What decides about the token inside of Argo CD; of the Secret only the metadata is asked for. */ -}}
{{- $of := splitList "." (($target.server | default dict).svc | default "") -}}
{{- $argocd := $target.watchArgoCD.namespace | default (index (append (append $of "") "") 1) | default $namespace -}}
{{- range $resource, $name := dict "configmaps" "argocd-cm" "secrets" "argocd-secret" -}}
{{- $all = append $all (dict "namespace" $argocd "group" "" "resource" $resource "name" $name "verbs" (list "list" "watch")) -}}
{{- end -}}
{{- end -}}
{{- if eq (toString $target.everyReplica) "true" -}}
{{- /* Who answers for its Service. The names of EndpointSlices are made by Kubernetes, so none can be named here. */ -}}
{{- $server := $target.server | default dict -}}
{{- $host := $server.svc | default (regexReplaceAll "^[A-Za-z]+://([^/:]*).*$" ($server.url | default $target.url | default "") "${1}") -}}
{{- $service := index (append (append (splitList "." $host) "") "") 1 | default $kubernetes.namespace | default $root.Release.Namespace -}}
{{- $all = append $all (dict "namespace" $service "group" "discovery.k8s.io" "resource" "endpointslices" "verbs" (list "list" "watch")) -}}
{{- end -}}
{{- if include "token-monitor.rotates" $target -}}
{{- if $password -}}
{{- $all = append $all (merge (dict "name" $password.name "verbs" (list "get" "list" "watch")) $secrets) -}}
{{- end -}}
{{- if $journal -}}
{{- $all = append $all (merge (dict "name" $journal "verbs" (list "get" "patch")) $secrets) -}}
{{- if $root.Values.rbac.allowCreate -}}
{{- $all = append $all (merge (dict "verbs" (list "create")) $secrets) -}}
{{- end -}}
{{- end -}}
{{- $all = concat $all (include "token-monitor.consumerPermissions" (dict "consumers" ($target.consumers | default dict) "namespace" $namespace) | fromJson).permissions -}}
{{- end -}}
{{- end -}}
{{- with $discovery := (.Values.config.discovery | default dict).kubernetes -}}
{{- range $namespace := .namespaces -}}
{{- range $discovery.kinds | default (list "ConfigMap") -}}
{{- $all = append $all (dict "namespace" $namespace "group" "" "resource" (printf "%ss" (lower .)) "verbs" (list "list" "watch")) -}}
{{- end -}}
{{- if $events -}}
{{- $all = append $all (dict "namespace" $namespace "group" "events.k8s.io" "resource" "events" "verbs" (list "create" "patch")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if include "token-monitor.elects" (dict "root" . "targets" $targets) -}}
{{- $lease := include "token-monitor.lease" . | fromJson -}}
{{- $all = append $all (dict "namespace" $lease.namespace "group" "coordination.k8s.io" "resource" "leases" "name" $lease.name "verbs" (list "get" "update")) -}}
{{- if not .Values.lease.create -}}
{{- $all = append $all (dict "namespace" $lease.namespace "group" "coordination.k8s.io" "resource" "leases" "verbs" (list "create")) -}}
{{- end -}}
{{- end -}}
{{- $place := include "token-monitor.lease" . | fromJson -}}
{{- range (include "token-monitor.shards" . | fromJson).names -}}
{{- $all = append $all (dict "namespace" $place.namespace "group" "coordination.k8s.io" "resource" "leases" "name" . "verbs" (list "get" "update")) -}}
{{- if not $root.Values.lease.create -}}
{{- $all = append $all (dict "namespace" $place.namespace "group" "coordination.k8s.io" "resource" "leases" "verbs" (list "create")) -}}
{{- end -}}
{{- end -}}
{{- dict "permissions" $all | toJson -}}
{{- end -}}

{{/* The Lease's {"name", "namespace"}. */}}
{{- define "token-monitor.lease" -}}
{{- $kubernetes := .Values.config.kubernetes | default dict -}}
{{- $lease := $kubernetes.lease | default dict -}}
{{- dict "name" ($lease.name | default (include "token-monitor.fullname" .)) "namespace" ($lease.namespace | default $kubernetes.namespace | default .Release.Namespace) | toJson -}}
{{- end -}}

{{/* dict "consumers" "namespace": to wait for the consumers of a replaced key, and to restart them where that is wanted. */}}
{{- define "token-monitor.consumerPermissions" -}}
{{- $namespace := .namespace -}}
{{- $restarts := .consumers.restartConsumers -}}
{{- $codefresh := eq (.consumers.preset | default "") "codefresh" -}}
{{- $waits := list -}}
{{- range .consumers.workloads -}}
{{- if not .live -}}
{{- $waits = append $waits . -}}
{{- end -}}
{{- end -}}
{{- $all := list -}}
{{- if or $waits $codefresh -}}
{{- $all = append $all (dict "namespace" $namespace "group" "" "resource" "pods" "verbs" (list "list")) -}}
{{- end -}}
{{- if $codefresh -}}
{{- $deployments := dict "namespace" $namespace "group" "apps" "resource" "deployments" -}}
{{- $all = append $all (merge (dict "verbs" (list "list")) $deployments) -}}
{{- if $restarts -}}
{{- $all = append $all (merge (dict "name" "cap-app-proxy" "verbs" (list "patch")) $deployments) -}}
{{- end -}}
{{- end -}}
{{- range $waits -}}
{{- $workloads := dict "namespace" $namespace "group" "apps" "resource" (printf "%ss" (lower (.kind | default "Deployment"))) -}}
{{- $verbs := ternary (list "get" "patch") (list "get") (not (empty $restarts)) -}}
{{- if .name -}}
{{- $all = append $all (merge (dict "name" .name "verbs" $verbs) $workloads) -}}
{{- else -}}
{{- $all = append $all (merge (dict "verbs" (without (concat (list "list") $verbs) "get")) $workloads) -}}
{{- end -}}
{{- end -}}
{{- dict "permissions" $all | toJson -}}
{{- end -}}

{{/* The same by namespace, and each object once with all its verbs: {NAMESPACE: {PLACE: permission}}. */}}
{{- define "token-monitor.permissionsByNamespace" -}}
{{- $namespaces := dict -}}
{{- range (include "token-monitor.permissions" . | fromJson).permissions -}}
{{- $places := get $namespaces .namespace | default dict -}}
{{- /* "create" cannot be limited to a name, so it stays apart from what is. */ -}}
{{- $place := printf "%s/%s/%s" .group .resource (.name | default "") -}}
{{- $verbs := concat ((get $places $place | default dict).verbs | default list) .verbs | uniq | sortAlpha -}}
{{- $namespaces = set $namespaces .namespace (set $places $place (merge (dict "verbs" $verbs) .)) -}}
{{- end -}}
{{- toJson $namespaces -}}
{{- end -}}

{{/* "true" where the monitor talks to the Kubernetes API at all. */}}
{{- define "token-monitor.usesKubernetes" -}}
{{- if (include "token-monitor.permissions" . | fromJson).permissions -}}true{{- end -}}
{{- end -}}

{{/* dict "root" "namespace": in a namespace of somebody else a role also says whose it is. */}}
{{- define "token-monitor.roleName" -}}
{{- if eq .namespace .root.Release.Namespace -}}
{{- include "token-monitor.fullname" .root -}}
{{- else -}}
{{- printf "%s:%s" .root.Release.Namespace (include "token-monitor.fullname" .root) -}}
{{- end -}}
{{- end -}}
