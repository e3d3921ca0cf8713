{{/*
What the chart reads out of `config`. The defaults are those of connector/settings.py; tests/chart holds them to it.
*/}}

{{- define "airship-connector.adminPort" -}}
{{ dig "admin" "port" 8080 .Values.config | int }}
{{- end }}

{{/* settings.drain_seconds, rounded up: with the new group protocol the session is the broker's. */}}
{{- define "airship-connector.drainSeconds" -}}
{{- $config := .Values.config -}}
{{- $session := dig "kafka" "session_timeout_ms" 15000 $config -}}
{{- if eq (dig "kafka" "group_protocol" "classic" $config) "consumer" }}{{ $session = 45000 }}{{ end -}}
{{- $drain := dig "delivery" "drain_ms" 20000 $config -}}
{{- $poll := dig "kafka" "max_poll_interval_ms" 300000 $config -}}
{{ divf (minf $drain (divf $poll 3) (divf $session 2)) 1000 | ceil | int }}
{{- end }}

{{- define "airship-connector.gracePeriodSeconds" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{ add (include "airship-connector.drainSeconds" .) 30 }}
{{- else -}}
{{ int .Values.terminationGracePeriodSeconds }}
{{- end }}
{{- end }}

{{/* JSON: {"topics": [...]} that routes name, each once, in their order. */}}
{{- define "airship-connector.topics" -}}
{{- $topics := list -}}
{{- range .Values.config.routes }}{{ range .topics }}{{ $topics = append $topics . }}{{ end }}{{ end -}}
{{ dict "topics" (uniq $topics) | toJson }}
{{- end }}

{{/* Not empty where a route reads topics by a pattern. */}}
{{- define "airship-connector.hasPattern" -}}
{{- range .Values.config.routes }}{{ if .topics_pattern }}true{{ end }}{{ end }}
{{- end }}

{{- define "airship-connector.deadLetterTopic" -}}
{{- $topics := (include "airship-connector.topics" . | fromJson).topics -}}
{{- $name := dig "dead_letters" "topic" "airship-connector.dlq" .Values.config -}}
{{ $name | replace "{group}" .Values.config.kafka.group_id | replace "{topic}" (default "" (first $topics)) }}
{{- end }}

{{/* JSON: {"ports": [...]} of comma-separated addresses, host:port or URL, given as "addresses"; "default" else. */}}
{{- define "airship-connector.ports" -}}
{{- $ports := list -}}
{{- $default := .default -}}
{{- range splitList "," .addresses -}}
{{- $address := trim . -}}
{{- $https := hasPrefix "https://" $address -}}
{{- $host := regexReplaceAll "/.*$" (regexReplaceAll "^[a-zA-Z_]+://" $address "") "" -}}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" -}}
{{- if $port }}{{ $ports = append $ports (int $port) }}
{{- else if $https }}{{ $ports = append $ports 443 }}
{{- else if hasPrefix "http://" $address }}{{ $ports = append $ports 80 }}
{{- else if and $address $default }}{{ $ports = append $ports (int $default) }}{{ end -}}
{{- end -}}
{{ dict "ports" (uniq $ports) | toJson }}
{{- end }}

{{/* What Strimzi's secrets are for librdkafka, without what `config` says itself. JSON: property to value. */}}
{{- define "airship-connector.strimzi.properties" -}}
{{- $wired := dict "ssl.ca.location" "/etc/airship-connector/kafka-ca/ca.crt" -}}
{{- if eq .Values.strimzi.user.authentication "tls" -}}
{{- $_ := set $wired "security.protocol" "ssl" -}}
{{- $_ := set $wired "ssl.certificate.location" "/etc/airship-connector/kafka-user/user.crt" -}}
{{- $_ := set $wired "ssl.key.location" "/etc/airship-connector/kafka-user/user.key" -}}
{{- else -}}
{{- $_ := set $wired "security.protocol" "sasl_ssl" -}}
{{- $_ := set $wired "sasl.mechanism" "SCRAM-SHA-512" -}}
{{- $_ := set $wired "sasl.username" (include "airship-connector.strimzi.user" .) -}}
{{- end -}}
{{- range $name, $_ := dig "kafka" "properties" dict .Values.config }}{{ $_ := unset $wired $name }}{{ end -}}
{{ $wired | toJson }}
{{- end }}
