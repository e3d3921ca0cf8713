{{/* Names and labels. */}}

{{- define "airship-connector.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Room is left for what is put behind it, so that no name is cut into another's. */}}
{{- define "airship-connector.fullname" -}}
{{- $name := include "airship-connector.name" . -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 46 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 46 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 46 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Never changed after a release: the selector of a Deployment cannot be. */}}
{{- define "airship-connector.instanceLabels" -}}
app.kubernetes.io/name: {{ include "airship-connector.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "airship-connector.selectorLabels" -}}
{{ include "airship-connector.instanceLabels" . }}
app.kubernetes.io/component: connector
{{- end }}

{{- define "airship-connector.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/name" (include "airship-connector.name" .)
  "app.kubernetes.io/instance" .Release.Name
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "airship-connector" -}}
{{- toYaml (merge $own .Values.commonLabels) }}
{{- end }}

{{/* The metadata of an object: dict "root" $ "name" NAME, and where needed "component", "labels", "annotations". */}}
{{- define "airship-connector.metadata" -}}
{{- $root := .root -}}
name: {{ .name }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- $labels := include "airship-connector.labels" $root | fromYaml }}
  {{- $labels = set $labels "app.kubernetes.io/component" (default "connector" .component) }}
  {{- toYaml (mergeOverwrite $labels (deepCopy (default dict .labels))) | nindent 2 }}
{{- with mergeOverwrite (deepCopy $root.Values.commonAnnotations) (deepCopy (default dict .annotations)) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "airship-connector.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end }}
{{- end }}
{{- end }}

{{- define "airship-connector.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "airship-connector.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "airship-connector.credentialsSecret" -}}
{{- if .Values.externalSecret.enabled -}}
{{ default (printf "%s-credentials" (include "airship-connector.fullname" .)) .Values.existingSecret }}
{{- else -}}
{{ .Values.existingSecret }}
{{- end }}
{{- end }}

{{- define "airship-connector.workloadKind" -}}
{{ ternary "StatefulSet" "Deployment" .Values.staticMembership.enabled }}
{{- end }}

{{- define "airship-connector.strimzi.user" -}}
{{ default (include "airship-connector.fullname" .) .Values.strimzi.user.name }}
{{- end }}

{{- define "airship-connector.strimzi.caSecret" -}}
{{ default (printf "%s-cluster-ca-cert" .Values.strimzi.clusterName) .Values.strimzi.caSecretName }}
{{- end }}
