{{/* Rules and dashboards over the series of this release only, whoever else stands in the same Prometheus. */}}

{{- define "payment-notifier.seriesSelector" -}}
{{- $own := printf "namespace=%q,pod=~%q" .Release.Namespace (printf "%s-(main|retry|all|console)-.+" (include "payment-notifier.fullname" .)) -}}
{{- default $own .Values.seriesSelector -}}
{{- end -}}

{{/* Takes (dict "root" $ "expression" PROMQL). What the rules record has no pod, but the release as a label. */}}
{{- define "payment-notifier.scoped" -}}
{{- $recorded := printf "namespace=%q,release=%q" .root.Release.Namespace .root.Release.Name -}}
{{- $metrics := regexReplaceAll "\\b((notifier|process|python)_[a-zA-Z0-9_]+)" .expression (printf "${1}{%s}" (include "payment-notifier.seriesSelector" .root)) -}}
{{- $all := regexReplaceAll "\\b(notifier:[a-zA-Z0-9_:]+)" $metrics (printf "${1}{%s}" $recorded) -}}
{{- replace "}{" "," $all -}}
{{- end -}}

{{/* Takes (dict "root" $ "rule" MAP): an alert with the thresholds, labels and waits of the values, as YAML. */}}
{{- define "payment-notifier.alert" -}}
{{- $rule := .rule -}}
{{- $values := .root.Values.prometheusRule -}}
{{- range $name, $threshold := .root.Files.Get "files/thresholds.yaml" | fromYaml -}}
{{- $written := printf $threshold.written (include "payment-notifier.text" (get $values.thresholds $name)) -}}
{{- if and (has $rule.alert $threshold.alerts) (contains $threshold.shipped $rule.expr) (ne $written $threshold.shipped) -}}
{{- $_ := set $rule "expr" (replace $threshold.shipped $written $rule.expr) -}}
{{- $_ := set $rule.annotations "description" (printf "%s Here %s is %s, unlike the number in this text." $rule.annotations.description $name (include "payment-notifier.text" (get $values.thresholds $name))) -}}
{{- end -}}
{{- end -}}
{{- $own := default dict (get $values.alerts $rule.alert) -}}
{{- if hasKey $own "for" -}}{{- $_ := set $rule "for" (get $own "for") -}}{{- end -}}
{{- $_ := set $rule "labels" (merge dict (default dict $own.labels) $values.alertLabels $rule.labels) -}}
{{- if $values.runbookBaseUrl -}}
{{- $_ := set $rule.annotations "runbook_url" (printf "%s/%s" (trimSuffix "/" $values.runbookBaseUrl) (base $rule.annotations.runbook_url)) -}}
{{- end -}}
{{- toYaml $rule -}}
{{- end -}}
