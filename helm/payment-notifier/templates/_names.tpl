{{/* Names and labels. Selectors hold what never changes; 40 characters leave room for the longest suffix. */}}

{{- define "payment-notifier.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "payment-notifier.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "payment-notifier.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "payment-notifier.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The registry of all images of an umbrella chart, or else our own; empty for the one that `repository` names. */}}
{{- define "payment-notifier.registry" -}}
{{- default .Values.image.registry (default dict .Values.global).imageRegistry -}}
{{- end -}}

{{- define "payment-notifier.image" -}}
{{- with .Values.image -}}
{{- with include "payment-notifier.registry" $ }}{{ trimSuffix "/" . }}/{{ end -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes (list MAP OVER): MAP with what OVER has, as YAML. Unlike mergeOverwrite it takes 0, false and "" too, and
     null removes a key. */}}
{{- define "payment-notifier.merged" -}}
{{- $merged := deepCopy (first .) -}}
{{- range $key, $value := last . -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $merged $key -}}
{{- else if and (kindIs "map" $value) (kindIs "map" (get $merged $key)) -}}
{{- $_ := set $merged $key (include "payment-notifier.merged" (list (get $merged $key) $value) | fromYaml) -}}
{{- else -}}
{{- $_ := set $merged $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $merged -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" NAME): the values of this component, as YAML. */}}
{{- define "payment-notifier.component" -}}
{{- $v := .root.Values -}}
{{- toYaml (get (dict "console" $v.console "topics" $v.topics.job "check" $v.check) .component | default (get $v.workers .component)) -}}
{{- end -}}

{{/* Takes the same: `pod` with what the component has of its own, as YAML. */}}
{{- define "payment-notifier.pod" -}}
{{- $own := include "payment-notifier.component" . | fromYaml -}}
{{- include "payment-notifier.merged" (list .root.Values.pod (default dict $own.pod)) -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" NAME). */}}
{{- define "payment-notifier.selector" -}}
app.kubernetes.io/name: {{ include "payment-notifier.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* Takes (dict "root" $ "component" NAME "own" MAP); component and own labels may be left out. Own ones win over the
     common, common over the chart's, and what selectors look for stays. */}}
{{- define "payment-notifier.labels" -}}
{{- $chart := dict
      "app.kubernetes.io/version" .root.Chart.AppVersion
      "app.kubernetes.io/part-of" "payment-notifier"
      "app.kubernetes.io/managed-by" .root.Release.Service
      "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- toYaml (merge (include "payment-notifier.selector" . | fromYaml) (default dict .own) .root.Values.commonLabels $chart) -}}
{{- end -}}
