{{/* Where the monitor talks to, for the NetworkPolicy. A NetworkPolicy sees pods and their own ports, never Services. */}}

{{/* dict "root" "url": {"namespace", "port"}; the namespace is empty where the host is none of a Service. */}}
{{- define "token-monitor.place" -}}
{{- $scheme := regexFind "^[A-Za-z]+" .url | lower -}}
{{- $authority := regexReplaceAll "^[A-Za-z]+://([^/]*).*$" .url "$1" -}}
{{- $host := regexReplaceAll ":[0-9]+$" $authority "" -}}
{{- $port := regexFind ":[0-9]+$" $authority | trimPrefix ":" | default (ternary "443" "80" (eq $scheme "https")) | atoi -}}
{{- $labels := splitList "." ($host | trimSuffix ".") -}}
{{- $namespace := "" -}}
{{- if and (eq (len $labels) 1) (not (contains ":" $host)) -}}
{{- $namespace = .root.Release.Namespace -}}
{{- else if gt (len $labels) 2 -}}
{{- if eq (index $labels 2) "svc" -}}
{{- $namespace = index $labels 1 -}}
{{- end -}}
{{- end -}}
{{- dict "namespace" $namespace "port" $port | toJson -}}
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
{{- else -}}
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
{{- else -}}
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
