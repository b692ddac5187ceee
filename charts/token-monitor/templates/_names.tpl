{{/*
Names, labels and the image. Every object is called like the release, unless it says what it is. The name of a release may
have dots, that of a Service may not.
*/}}

{{- define "token-monitor.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "token-monitor.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | replace "." "-" | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "token-monitor.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | replace "." "-" | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* dict "root" $ "suffix" "test": a name that ends with what it is, 63 characters at most. */}}
{{- define "token-monitor.named" -}}
{{- printf "%s-%s" (include "token-monitor.fullname" .root | trunc (sub 62 (len .suffix) | int) | trimSuffix "-") .suffix -}}
{{- end -}}

{{- define "token-monitor.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "token-monitor.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: give the name of the existing service account, or set serviceAccount.create: true" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What selects every pod of the release, the test's too; a component tells them apart. */}}
{{- define "token-monitor.releaseLabels" -}}
app.kubernetes.io/name: {{ include "token-monitor.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "token-monitor.selectorLabels" -}}
{{ include "token-monitor.releaseLabels" . }}
app.kubernetes.io/component: monitor
{{- end -}}

{{/* dict "root" $ "component" "monitor" "more" (dict ...): labels of a pod. What selects it cannot be overridden. */}}
{{- define "token-monitor.podLabels" -}}
{{- $selecting := include "token-monitor.releaseLabels" .root | fromYaml -}}
{{- $own := dict "app.kubernetes.io/version" (.root.Chart.AppVersion | trunc 63) "app.kubernetes.io/part-of" "token-monitor" -}}
{{- merge $selecting (dict "app.kubernetes.io/component" .component) (.more | default dict) .root.Values.commonLabels $own | toYaml -}}
{{- end -}}

{{/* The same for any other object. */}}
{{- define "token-monitor.labels" -}}
{{- $chart := printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- $own := dict "helm.sh/chart" $chart "app.kubernetes.io/managed-by" .root.Release.Service -}}
{{- merge (include "token-monitor.podLabels" . | fromYaml) $own | toYaml -}}
{{- end -}}

{{- define "token-monitor.image" -}}
{{- $image := .Values.image -}}
{{- $name := list $image.registry $image.repository | compact | join "/" -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}
