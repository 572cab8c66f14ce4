{{/* What every pod of the chart has in common. */}}

{{/* Takes (dict "pod" MAP). With a random user the cluster chooses uid and groups, as OpenShift does. */}}
{{- define "payment-notifier.podSecurity" -}}
{{- $security := .pod.securityContext -}}
{{- if .pod.randomUser -}}
{{- $security = omit $security "runAsUser" "runAsGroup" "fsGroup" "fsGroupChangePolicy" -}}
{{- end -}}
{{- toYaml $security -}}
{{- end -}}

{{/* Takes (dict "root" $ "pod" MAP "serviceAccount" NAME "component" NAME). */}}
{{- define "payment-notifier.podSpec" -}}
{{- $pod := .pod -}}
serviceAccountName: {{ .serviceAccount }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- if $pod.userNamespace }}
hostUsers: false
{{- end }}
securityContext:
  {{- include "payment-notifier.podSecurity" . | nindent 2 }}
{{- with concat .root.Values.image.pullSecrets (default list (default dict .root.Values.global).imagePullSecrets) }}
imagePullSecrets:
  {{- range . }}
  {{- if kindIs "string" . }}
  - name: {{ . }}
  {{- else }}
  - {{ toJson . }}
  {{- end }}
  {{- end }}
{{- end }}
{{- with $pod.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes the same. Only for Deployments: pod-template-hash keeps a rollout's two generations apart. */}}
{{- define "payment-notifier.topologySpread" -}}
{{- with .pod.topologySpread }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: {{ $.pod.topologySpread }}
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "payment-notifier.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Takes the same: /tmp, the partners file with its keys, what the brokers ask for, and what the values add. */}}
{{- define "payment-notifier.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{ include "payment-notifier.partnersVolume" . }}
{{- if include "payment-notifier.kafkaFiles" . }}
{{ include "payment-notifier.kafkaVolume" . }}
{{- end }}
{{- if include "payment-notifier.eventFiles" .root }}
{{ include "payment-notifier.eventsVolume" .root }}
{{- end }}
{{- with .pod.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "payment-notifier.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: partners, mountPath: /etc/payment-notifier, readOnly: true}
{{- if include "payment-notifier.kafkaFiles" . }}
- {name: kafka, mountPath: /etc/payment-notifier-kafka, readOnly: true}
{{- end }}
{{- if include "payment-notifier.eventFiles" .root }}
- {name: events, mountPath: /etc/payment-notifier-events, readOnly: true}
{{- end }}
{{- with .pod.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Takes (dict "root" $ "port" NAME). */}}
{{- define "payment-notifier.probes" -}}
startupProbe:
  httpGet: {path: /health/live, port: {{ .port }}}
  {{- toYaml .root.Values.probes.startup | nindent 2 }}
livenessProbe:
  httpGet: {path: /health/live, port: {{ .port }}}
  {{- toYaml .root.Values.probes.liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: /health/ready, port: {{ .port }}}
  {{- toYaml .root.Values.probes.readiness | nindent 2 }}
{{- end -}}

{{/* Takes (dict "root" $ "pod" MAP "component" NAME): labels and annotations of a pod. */}}
{{- define "payment-notifier.podMetadata" -}}
labels:
  {{- include "payment-notifier.labels" (dict "root" .root "component" .component "own" .pod.labels) | nindent 2 }}
{{- $events := ternary dict (include "payment-notifier.eventAnnotation" .root | fromYaml) (eq .component "topics") }}
{{- with mergeOverwrite $events (deepCopy (default dict .pod.annotations)) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes (dict "deployment" MAP): how a Deployment replaces its pods. */}}
{{- define "payment-notifier.strategy" -}}
{{- $strategy := .deployment.strategy -}}
{{- toYaml (ternary (omit $strategy "rollingUpdate") $strategy (eq (toString $strategy.type) "Recreate")) -}}
{{- end -}}
