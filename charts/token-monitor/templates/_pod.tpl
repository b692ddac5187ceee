{{/* What the monitor's pods and the pod of `helm test` have in common. */}}

{{/* dict "root" "arguments" (list ...) "serves" true: the specification of a pod. */}}
{{- define "token-monitor.pod" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ include "token-monitor.serviceAccountName" $root }}
automountServiceAccountToken: {{ include "token-monitor.usesKubernetes" $root | empty | not }}
enableServiceLinks: false
securityContext:
  {{- toYaml $values.podSecurityContext | nindent 2 }}
terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
containers:
  - name: token-monitor
    image: {{ include "token-monitor.image" $root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args:
      {{- toYaml .arguments | nindent 6 }}
    env:
      # So that commands in the pod need no --config.
      - name: TOKEN_MONITOR_CONFIG
        value: {{ include "token-monitor.file" $root }}
      {{- if and .serves (include "token-monitor.shards" $root | fromJson).enabled }}
      # Where the other replicas ask what this one sees.
      - name: POD_IP
        valueFrom:
          fieldRef:
            fieldPath: status.podIP
      {{- end }}
      {{- with $values.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- if .serves }}
    ports:
      - name: http
        containerPort: {{ $values.config.http.port }}
        protocol: TCP
    {{- include "token-monitor.probes" $root | nindent 4 }}
    {{- end }}
    resources:
      {{- toYaml $values.resources | nindent 6 }}
    securityContext:
      {{- toYaml $values.securityContext | nindent 6 }}
    volumeMounts:
      {{- include "token-monitor.mounts" $root | nindent 6 }}
volumes:
  {{- include "token-monitor.volumes" $root | nindent 2 }}
{{- range $key := list "imagePullSecrets" "nodeSelector" "tolerations" "affinity" "priorityClassName" "hostAliases" }}
{{- with get $values $key }}
{{ dict $key . | toYaml }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "token-monitor.scheme" -}}
{{- if .Values.config.http.tls }}HTTPS{{ else }}HTTP{{ end -}}
{{- end -}}

{{- define "token-monitor.probes" -}}
{{- $root := . -}}
{{- $probes := dict -}}
{{- range $name, $path := dict "startupProbe" "/livez" "livenessProbe" "/livez" "readinessProbe" "/readyz" -}}
{{- $asks := dict "path" $path "port" "http" "scheme" (include "token-monitor.scheme" $root) -}}
{{- $probes = set $probes $name (merge (dict "httpGet" $asks) (get $root.Values $name)) -}}
{{- end -}}
{{- toYaml $probes -}}
{{- end -}}

{{/* Everything is mounted as a directory: what is mounted by subPath never changes again. */}}
{{- define "token-monitor.mounts" -}}
{{- $directory := include "token-monitor.directory" . -}}
- name: config
  mountPath: {{ $directory }}/config
  readOnly: true
{{- if include "token-monitor.credentials" . | fromJson }}
- name: credentials
  mountPath: {{ $directory }}/credentials
  readOnly: true
{{- end }}
{{- range $index, $name := .Values.files.secrets }}
- name: secret-{{ $index }}
  mountPath: {{ $directory }}/secrets/{{ $name }}
  readOnly: true
{{- end }}
{{- range $index, $name := .Values.files.configMaps }}
- name: configmap-{{ $index }}
  mountPath: {{ $directory }}/configmaps/{{ $name }}
  readOnly: true
{{- end }}
{{- range $index, $mount := .Values.extraVolumeMounts }}
{{- range list "subPath" "subPathExpr" }}
{{- if get $mount . }}
{{- fail (printf "extraVolumeMounts[%d].%s: what is mounted by it never changes again; mount the directory" $index .) }}
{{- end }}
{{- end }}
{{ list $mount | toYaml }}
{{- end }}
{{- end -}}

{{- define "token-monitor.volumes" -}}
- name: config
  configMap:
    name: {{ include "token-monitor.fullname" . }}
{{- if include "token-monitor.credentials" . | fromJson }}
- name: credentials
  secret:
    secretName: {{ include "token-monitor.named" (dict "root" . "suffix" "credentials") }}
    defaultMode: 288  # 0440
{{- end }}
{{- range $index, $name := .Values.files.secrets }}
- name: secret-{{ $index }}
  secret:
    secretName: {{ $name }}
    defaultMode: 288  # 0440
{{- end }}
{{- range $index, $name := .Values.files.configMaps }}
- name: configmap-{{ $index }}
  configMap:
    name: {{ $name }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
