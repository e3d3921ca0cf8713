{{/* How KEDA's scaler signs in to Kafka, read from the same settings as the connector's. */}}

{{- define "airship-connector.keda.properties" -}}
{{- $properties := deepCopy (dig "kafka" "properties" dict .Values.config) -}}
{{- if .Values.strimzi.enabled -}}
{{- $properties = merge $properties (include "airship-connector.strimzi.properties" . | fromJson) -}}
{{- end -}}
{{ toJson $properties }}
{{- end }}

{{/* JSON: {"refs": [...]} of the TriggerAuthentication. */}}
{{- define "airship-connector.keda.secretTargetRef" -}}
{{- $refs := .Values.autoscaling.keda.secretTargetRef -}}
{{- if .Values.strimzi.enabled -}}
{{- $user := include "airship-connector.strimzi.user" . -}}
{{- $refs = append $refs (dict "parameter" "ca" "name" (include "airship-connector.strimzi.caSecret" .) "key" "ca.crt") -}}
{{- if eq .Values.strimzi.user.authentication "tls" -}}
{{- $refs = append $refs (dict "parameter" "cert" "name" $user "key" "user.crt") -}}
{{- $refs = append $refs (dict "parameter" "key" "name" $user "key" "user.key") -}}
{{- else -}}
{{- $refs = append $refs (dict "parameter" "password" "name" $user "key" "password") -}}
{{- end -}}
{{- end -}}
{{ dict "refs" $refs | toJson }}
{{- end }}

{{- define "airship-connector.keda.triggerMetadata" -}}
{{- $properties := include "airship-connector.keda.properties" . | fromJson -}}
{{- $protocol := get $properties "security.protocol" | default "plaintext" | lower -}}
{{- $mechanism := get $properties "sasl.mechanism" | default (get $properties "sasl.mechanisms") | default "PLAIN" -}}
{{- $kafka := .Values.config.kafka -}}
bootstrapServers: {{ $kafka.bootstrap_servers | quote }}
consumerGroup: {{ $kafka.group_id | quote }}
lagThreshold: {{ int .Values.autoscaling.keda.lagThreshold | quote }}
activationLagThreshold: {{ int .Values.autoscaling.keda.activationLagThreshold | quote }}
{{- /* KEDA knows earliest and latest; with `error` the job has to start to say that there is no position */}}
offsetResetPolicy: {{ ternary "latest" "earliest" (eq (get $kafka "auto_offset_reset") "latest") }}
excludePersistentLag: {{ .Values.autoscaling.keda.excludePersistentLag | quote }}
allowIdleConsumers: "false"
{{- if has $protocol (list "ssl" "sasl_ssl") }}
tls: enable
{{- end }}
{{- if hasPrefix "sasl" $protocol }}
sasl: {{ get (dict "PLAIN" "plaintext" "SCRAM-SHA-256" "scram_sha256" "SCRAM-SHA-512" "scram_sha512" "OAUTHBEARER" "oauthbearer") (upper $mechanism) }}
{{- end }}
{{- end }}
