{{/*
What the schema cannot say: values that contradict each other, and secrets in plain values. All is told at once.
*/}}

{{- define "airship-connector.secretSettings" -}}
airship.app_key
airship.auth.bearer_token
airship.auth.oauth.client_secret
schema_registry.password
schema_registry.bearer_token
schema_registry.oauth.client_secret
{{- end }}

{{/* Of `kafka.properties` and `dead_letters.properties`. */}}
{{- define "airship-connector.secretProperties" -}}
sasl.password
ssl.key.password
ssl.key.pem
ssl.keystore.password
sasl.oauthbearer.client.secret
sasl.oauthbearer.client.credentials.client.secret
sasl.oauthbearer.assertion.private.key.passphrase
sasl.oauthbearer.assertion.private.key.pem
{{- end }}

{{- define "airship-connector.validate" -}}
{{- $faults := list -}}
{{- $config := .Values.config -}}
{{- $mend := "name it in existingSecret or secretSettings" -}}
{{- range splitList "\n" (include "airship-connector.secretSettings" .) }}
  {{- $node := $config }}
  {{- range splitList "." . }}{{ $node = ternary (get (default dict $node) .) "" (kindIs "map" $node) }}{{ end }}
  {{- if $node }}
    {{- $faults = append $faults (printf "config.%s: found a secret in plain values, expected it in a Secret; %s" . $mend) }}
  {{- end }}
{{- end }}
{{- range $section := list "kafka" "dead_letters" }}
  {{- range splitList "\n" (include "airship-connector.secretProperties" $) }}
    {{- if hasKey (dig $section "properties" dict $config) . }}
      {{- $faults = append $faults (printf "config.%s.properties.%s: found a secret in plain values, expected it in a Secret; %s" $section . $mend) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- $admin := dig "admin" dict $config }}
{{- if eq (include "airship-connector.adminPort" .) "0" }}
  {{- $faults = append $faults "config.admin.port: found 0, expected a fixed port, which probes and scrapes can name" }}
{{- end }}
{{- if has (get $admin "host") (list "127.0.0.1" "::1" "localhost") }}
  {{- $faults = append $faults (printf "config.admin.host: found %s, expected an address that the kubelet's probes reach; leave it out" $admin.host) }}
{{- end }}
{{- if dig "kafka" "group_instance_id" "" $config }}
  {{- $faults = append $faults "config.kafka.group_instance_id: found one name for all pods, of which each would throw the others out; use staticMembership.enabled" }}
{{- end }}
{{- if and .Values.staticMembership.enabled (eq (dig "kafka" "group_protocol" "classic" $config) "consumer") }}
  {{- $faults = append $faults "staticMembership.enabled: found it with config.kafka.group_protocol: consumer, where a killed pod that comes back is refused until its old session has timed out; expected the classic protocol" }}
{{- end }}
{{- $grace := include "airship-connector.gracePeriodSeconds" . | int }}
{{- $drain := include "airship-connector.drainSeconds" . | int }}
{{- if le $grace $drain }}
  {{- $faults = append $faults (printf "terminationGracePeriodSeconds: found %d, expected more than the drain's deadline of %d s, else pods are killed while they commit" $grace $drain) }}
{{- end }}
{{- with .Values.autoscaling }}
  {{- if and .keda.enabled (not .enabled) }}
    {{- $faults = append $faults "autoscaling.keda.enabled: found true without autoscaling.enabled" }}
  {{- end }}
  {{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
    {{- $faults = append $faults (printf "autoscaling.minReplicas: found %d, expected at most maxReplicas (%d)" (int .minReplicas) (int .maxReplicas)) }}
  {{- end }}
  {{- if and .enabled (not .keda.enabled) (lt (int .minReplicas) 1) }}
    {{- $faults = append $faults "autoscaling.minReplicas: found 0, expected at least 1; only KEDA can wake it from 0" }}
  {{- end }}
{{- end }}
{{- if and (not (kindIs "invalid" .Values.podDisruptionBudget.minAvailable)) (not (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable)) }}
  {{- $faults = append $faults "podDisruptionBudget.minAvailable: found it beside maxUnavailable, expected one of them; set maxUnavailable: null" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
  {{- $faults = append $faults "podMonitor.enabled: found it beside serviceMonitor.enabled, expected one of them, else every sample is there twice" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not .Values.service.enabled) (not .Values.staticMembership.enabled) }}
  {{- $faults = append $faults "serviceMonitor.enabled: found it without service.enabled; use podMonitor.enabled" }}
{{- end }}
{{- with .Values.externalSecret }}
  {{- if and .enabled (not .secretStoreRef.name) }}
    {{- $faults = append $faults "externalSecret.secretStoreRef.name: missing; expected the name of a SecretStore" }}
  {{- end }}
  {{- if and .enabled (not .data) }}
    {{- $faults = append $faults "externalSecret.data: missing; expected what is fetched: [{secretKey: app-key, remoteRef: {key: ...}}, ...]" }}
  {{- end }}
{{- end }}
{{- if .Values.strimzi.enabled }}
  {{- if not .Values.strimzi.clusterName }}
    {{- $faults = append $faults "strimzi.clusterName: missing; expected the name of the Kafka resource" }}
  {{- end }}
  {{- if eq (include "airship-connector.strimzi.user" .) (include "airship-connector.credentialsSecret" .) }}
    {{- $faults = append $faults "strimzi.user.name: found the name of the credentials' secret, which Strimzi would overwrite; expected another" }}
  {{- end }}
  {{- if and .Values.strimzi.user.create (include "airship-connector.hasPattern" .) (not .Values.strimzi.user.topicPrefixes) }}
    {{- $faults = append $faults "strimzi.user.topicPrefixes: missing; a route has topics_pattern, and rights are given by prefix" }}
  {{- end }}
{{- end }}
{{- if $faults }}
  {{- fail (printf "\n%s" (join "\n" $faults)) }}
{{- end }}
{{- end }}
