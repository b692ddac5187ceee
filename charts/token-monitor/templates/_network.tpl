{{/* Where the monitor talks to, for the NetworkPolicy. A NetworkPolicy sees pods and their own ports, never Services. */}}

{{/*
dict "root" "url": {"namespace", "outside", "port"}. The namespace is empty where the host is none of a Service. Two labels
are a Service with its namespace (`argocd-server.argocd`) as well as a domain (`argocd.internal`), and only DNS tells which:
the host is then both, so that neither is cut off.
*/}}
{{- define "token-monitor.place" -}}
{{- $scheme := regexFind "^[A-Za-z]+" .url | lower -}}
{{- $authority := regexReplaceAll "^[A-Za-z]+://([^/]*).*$" .url "$1" -}}
{{- $host := regexReplaceAll ":[0-9]+$" $authority "" | lower -}}
{{- $port := regexFind ":[0-9]+$" $authority | trimPrefix ":" | default (ternary "443" "80" (eq $scheme "https")) | atoi -}}
{{- $labels := splitList "." ($host | trimSuffix ".") -}}
{{- $padded := concat $labels (list "" "" "" "") -}}
{{- $namespace := "" -}}
{{- if and (eq (len $labels) 1) (not (contains ":" $host)) -}}
{{- $namespace = .root.Release.Namespace -}}
{{- else if eq (len $labels) 2 -}}
{{- $namespace = index $labels 1 -}}
{{- else if eq (index $padded 2) "svc" -}}
{{- $namespace = index $labels 1 -}}
{{- else if eq (index $padded 3) "svc" -}}
{{- /* One pod of a headless Service: `alertmanager-0.alertmanager-operated.monitoring.svc`. */ -}}
{{- $namespace = index $labels 2 -}}
{{- end -}}
{{- dict "namespace" $namespace "outside" (or (eq (len $labels) 2) (not $namespace)) "port" $port | toJson -}}
{{- end -}}

{{/* {"argocd": namespaces of Argo CD's pods, "services": {"NAMESPACE": ports}, "outside": ports elsewhere}. */}}
{{- define "token-monitor.places" -}}
{{- $root := . -}}
{{- $argocd := list -}}
{{- $outside := list -}}
{{- $services := dict -}}
{{- range (include "token-monitor.given" . | fromJson).targets -}}
{{- $server := .server | default dict -}}
{{- $url := $server.url | default .url -}}
{{- if $url -}}
{{- $place := include "token-monitor.place" (dict "root" $root "url" $url) | fromJson -}}
{{- if $place.namespace -}}
{{- $argocd = append $argocd $place.namespace -}}
{{- end -}}
{{- if $place.outside -}}
{{- $outside = append $outside $place.port -}}
{{- end -}}
{{- else -}}
{{- $labels := splitList "." $server.svc -}}
{{- $argocd = append $argocd (gt (len $labels) 1 | ternary (index (append $labels "") 1) $root.Release.Namespace) -}}
{{- end -}}
{{- end -}}
{{- $heartbeat := .Values.config.heartbeat | default dict -}}
{{- $urls := (.Values.config.alertmanager | default dict).urls | default list -}}
{{- if or $heartbeat.url $heartbeat.urlFile -}}
{{- $urls = append $urls ($heartbeat.url | default "https://outside.example") -}}
{{- end -}}
{{- range $urls -}}
{{- $place := include "token-monitor.place" (dict "root" $root "url" .) | fromJson -}}
{{- if $place.namespace -}}
{{- $services = set $services $place.namespace (append (get $services $place.namespace | default list) $place.port | uniq) -}}
{{- end -}}
{{- if $place.outside -}}
{{- $outside = append $outside $place.port -}}
{{- end -}}
{{- end -}}
{{- dict "argocd" ($argocd | uniq | sortAlpha) "services" $services "outside" ($outside | uniq) | toJson -}}
{{- end -}}

{{/* dict "ports" "protocols": the `ports` of a rule. */}}
{{- define "token-monitor.ports" -}}
{{- $all := list -}}
{{- range $port := .ports -}}
{{- range $.protocols -}}
{{- $all = append $all (dict "port" (int $port) "protocol" .) -}}
{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}
