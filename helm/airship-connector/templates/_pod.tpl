{{/*
The pod, in three purposes: `run` (the job), `settings` (the check before a release, which reaches nothing and does
without what the release itself makes) and `check` (`helm test`). All take dict "root" $ "purpose" PURPOSE.

Credentials are files, not variables: a file can change under a running pod (the bearer token is read again), and is in
no `kubectl describe`, no /proc/PID/environ and no child's environment.
*/}}

{{- define "airship-connector.env" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
- name: CONNECTOR_CONFIG
  value: /etc/airship-connector/settings/connector.yaml
{{- if (include "airship-connector.secretSources" . | fromJson).sources }}
- name: CONNECTOR_SECRETS_DIR
  value: /etc/airship-connector/secrets
{{- end }}
{{- if include "airship-connector.credentialsSecret" $root }}
{{- if eq $values.credentials.method "bearerToken" }}
- name: CONNECTOR__AIRSHIP__AUTH__BEARER_TOKEN_FILE
  value: /etc/airship-connector/secrets/bearer-token
{{- else if eq $values.credentials.method "privateKey" }}
- name: CONNECTOR__AIRSHIP__AUTH__OAUTH__PRIVATE_KEY_FILE
  value: /etc/airship-connector/secrets/private-key
{{- end }}
{{- end }}
{{- if and $values.strimzi.enabled (ne .purpose "settings") }}
{{- range $name, $value := include "airship-connector.strimzi.properties" $root | fromJson }}
- name: CONNECTOR__KAFKA__PROPERTIES__{{ $name | upper | replace "." "_" }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- if and $values.staticMembership.enabled (eq .purpose "run") }}
- name: CONNECTOR__KAFKA__GROUP_INSTANCE_ID
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end }}
{{- if eq .purpose "run" }}
{{ include "airship-connector.telemetryEnv" $root | trim }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Variables that others refer to come first: $(NAME) is replaced by what stands before. */}}
{{- define "airship-connector.telemetryEnv" -}}
{{- range $name, $field := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "POD_UID" "metadata.uid" "NODE_NAME" "spec.nodeName" }}
- name: {{ $name }}
  valueFrom:
    fieldRef:
      fieldPath: {{ $field }}
{{- end }}
- name: OTEL_SERVICE_NAME
  value: {{ default (include "airship-connector.fullname" .) .Values.telemetry.serviceName | quote }}
{{- $workload := printf "k8s.%s.name" (include "airship-connector.workloadKind" . | lower) }}
{{- $attributes := dict
  "service.instance.id" "$(POD_NAMESPACE).$(POD_NAME).connector"
  "k8s.namespace.name" "$(POD_NAMESPACE)" "k8s.pod.name" "$(POD_NAME)" "k8s.pod.uid" "$(POD_UID)"
  "k8s.node.name" "$(NODE_NAME)" "k8s.container.name" "connector" $workload (include "airship-connector.fullname" .) }}
{{- $pairs := list }}
{{- range $name, $value := mergeOverwrite $attributes (deepCopy .Values.telemetry.resourceAttributes) }}
{{- $pairs = append $pairs (printf "%s=%s" $name $value) }}
{{- end }}
- name: OTEL_RESOURCE_ATTRIBUTES
  value: {{ join "," $pairs | quote }}
{{- with .Values.telemetry.otlp }}
{{- if .endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_EXPORTER_OTLP_PROTOCOL
  value: {{ .protocol | quote }}
{{- if .headersSecret.name }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef:
      name: {{ .headersSecret.name }}
      key: {{ .headersSecret.key }}
{{- end }}
{{- if .traces }}
- name: OTEL_TRACES_EXPORTER
  value: otlp
- name: OTEL_TRACES_SAMPLER
  value: {{ .sampler | quote }}
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ .samplerArg | quote }}
{{- end }}
{{- if .metrics }}
- name: OTEL_METRICS_EXPORTER
  value: otlp
- name: OTEL_METRIC_EXPORT_INTERVAL
  value: {{ int .metricsIntervalMs | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Which key of the credentials becomes which file, as JSON {"items": [...]}. The names with `__` are settings. */}}
{{- define "airship-connector.credentialItems" -}}
{{- $keys := .Values.credentials.keys -}}
{{- $items := list (dict "key" $keys.appKey "path" "airship__app_key") -}}
{{- if eq .Values.credentials.method "bearerToken" -}}
{{- $items = append $items (dict "key" $keys.bearerToken "path" "bearer-token") -}}
{{- else -}}
{{- $items = append $items (dict "key" $keys.clientId "path" "airship__auth__oauth__client_id") -}}
{{- if eq .Values.credentials.method "clientSecret" -}}
{{- $items = append $items (dict "key" $keys.clientSecret "path" "airship__auth__oauth__client_secret") -}}
{{- else -}}
{{- $items = append $items (dict "key" $keys.privateKey "path" "private-key") -}}
{{- end -}}
{{- end -}}
{{ dict "items" $items | toJson }}
{{- end }}

{{/*
What the directory of secrets is made of, as JSON {"sources": [...]}. Before a release a secret may be missing: that it
is, the program says better than a pod that does not start; and what the release itself makes has a stand-in.
*/}}
{{- define "airship-connector.secretSources" -}}
{{- $values := .root.Values -}}
{{- $settings := eq .purpose "settings" -}}
{{- $sources := list -}}
{{- $items := (include "airship-connector.credentialItems" .root | fromJson).items -}}
{{- if and $values.externalSecret.enabled $settings -}}
{{- $standIn := printf "%s-settings-check" (include "airship-connector.fullname" .root) -}}
{{- $sources = append $sources (dict "configMap" (dict "name" $standIn "items" $items)) -}}
{{- else if include "airship-connector.credentialsSecret" .root -}}
{{- $secret := dict "name" (include "airship-connector.credentialsSecret" .root) "items" $items -}}
{{- if $settings }}{{ $_ := set $secret "optional" true }}{{ end -}}
{{- $sources = append $sources (dict "secret" $secret) -}}
{{- end -}}
{{- range $values.secretSettings -}}
{{- $item := dict "key" .key "path" (replace "." "__" .setting) -}}
{{- $secret := dict "name" .secretName "items" (list $item) -}}
{{- if $settings }}{{ $_ := set $secret "optional" true }}{{ end -}}
{{- $sources = append $sources (dict "secret" $secret) -}}
{{- end -}}
{{- if and $values.strimzi.enabled (eq $values.strimzi.user.authentication "scram-sha-512") (not $settings) -}}
{{- $item := dict "key" "password" "path" "kafka__properties__sasl__password" -}}
{{- $secret := dict "name" (include "airship-connector.strimzi.user" .root) "items" (list $item) -}}
{{- $sources = append $sources (dict "secret" $secret) -}}
{{- end -}}
{{ dict "sources" $sources | toJson }}
{{- end }}

{{- define "airship-connector.volumes" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $settings := eq .purpose "settings" -}}
- name: settings
  configMap:
    name: {{ include "airship-connector.fullname" $root }}-{{ ternary "settings-check" "settings" $settings }}
{{- with (include "airship-connector.secretSources" . | fromJson).sources }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- toYaml . | nindent 6 }}
{{- end }}
{{- if and $values.strimzi.enabled (not $settings) }}
- name: kafka-ca
  secret:
    secretName: {{ include "airship-connector.strimzi.caSecret" $root }}
    defaultMode: 0440
    items:
      - key: ca.crt
        path: ca.crt
{{- if eq $values.strimzi.user.authentication "tls" }}
- name: kafka-user
  secret:
    secretName: {{ include "airship-connector.strimzi.user" $root }}
    defaultMode: 0440
    items:
      - key: user.crt
        path: user.crt
      - key: user.key
        path: user.key
{{- end }}
{{- end }}
{{- with $values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "airship-connector.container" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $settings := eq .purpose "settings" -}}
name: connector
image: {{ include "airship-connector.image" $root }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args: {{ toJson .args }}
{{- with $values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
env:
  {{- include "airship-connector.env" . | nindent 2 }}
{{- with $values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
# The end of the log is the reason in `kubectl describe`: settings faults are its last lines.
terminationMessagePolicy: FallbackToLogsOnError
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: settings
    mountPath: /etc/airship-connector/settings
    readOnly: true
  {{- if (include "airship-connector.secretSources" . | fromJson).sources }}
  - name: secrets
    mountPath: /etc/airship-connector/secrets
    readOnly: true
  {{- end }}
  {{- if and $values.strimzi.enabled (not $settings) }}
  - name: kafka-ca
    mountPath: /etc/airship-connector/kafka-ca
    readOnly: true
  {{- if eq $values.strimzi.user.authentication "tls" }}
  - name: kafka-user
    mountPath: /etc/airship-connector/kafka-user
    readOnly: true
  {{- end }}
  {{- end }}
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What all three pods have in common beside their container and volumes. */}}
{{- define "airship-connector.placement" -}}
automountServiceAccountToken: {{ .Values.serviceAccount.automountServiceAccountToken }}
# Variables of every service of the namespace are of no use here.
enableServiceLinks: false
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
