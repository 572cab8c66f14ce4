{{/* The settings as environment variables, and the volumes behind those that name a file. */}}

{{/* A value as the program reads it: lists with commas, whole numbers without an exponent. */}}
{{- define "payment-notifier.text" -}}
{{- if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if kindIs "float64" . -}}
{{- ternary (int64 . | toString) (toString .) (eq (floor .) .) -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" NAME): `kafka` with what `kafka.users` has for this component, as YAML. */}}
{{- define "payment-notifier.kafka" -}}
{{- $kafka := .root.Values.kafka -}}
{{- toYaml (mergeOverwrite (deepCopy $kafka) (default dict (deepCopy (get $kafka.users .component)))) -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" NAME "settings" MAP "role" ROLE); the role is main, retry, all, console, or empty for commands. */}}
{{- define "payment-notifier.environment" -}}
{{- $v := .root.Values -}}
{{- $kafka := include "payment-notifier.kafka" . | fromYaml -}}
{{- $all := dict
      "BROKERS" $kafka.bootstrapServers
      "SOURCE_TOPICS" $v.topics.source
      "TOPIC_PREFIX" $v.topics.prefix
      "TOPIC_PARTITIONS" $v.topics.partitions
      "TOPIC_REPLICATION" $v.topics.replication
      "GROUP_ID" $v.groupId
      "PARTNERS_FILE" "/etc/payment-notifier/partners.yaml"
      "KAFKA_SECURITY_PROTOCOL" $kafka.securityProtocol -}}
{{- range $name, $value := mergeOverwrite (deepCopy $v.settings) (deepCopy .settings) -}}
{{- $_ := set $all (snakecase $name | upper) $value -}}
{{- end -}}
{{- if hasPrefix "SASL" $kafka.securityProtocol -}}
{{- $_ := set $all "KAFKA_SASL_MECHANISM" $kafka.sasl.mechanism -}}
{{- $_ := set $all "KAFKA_USER" $kafka.sasl.user -}}
{{- $_ := set $all "KAFKA_PASSWORD_FILE" "/etc/payment-notifier-kafka/password" -}}
{{- end -}}
{{- if hasSuffix "SSL" $kafka.securityProtocol -}}
{{- if $kafka.tls.caSecret.name -}}
{{- $_ := set $all "KAFKA_CA_FILE" "/etc/payment-notifier-kafka/ca.pem" -}}
{{- end -}}
{{- if $kafka.tls.clientSecret.name -}}
{{- $_ := set $all "KAFKA_CERTIFICATE_FILE" "/etc/payment-notifier-kafka/certificate.pem" -}}
{{- $_ := set $all "KAFKA_KEY_FILE" "/etc/payment-notifier-kafka/key.pem" -}}
{{- end -}}
{{- end -}}
{{- if has .role (list "main" "retry" "all") -}}
{{- $_ := set $all "ROLE" .role -}}
{{- $_ := set $all "WEB_PORT" $v.web.port -}}
{{- $_ := set $all "WEB_BIND" $v.web.bind -}}
{{- else if eq .role "console" -}}
{{- $_ := set $all "CONSOLE_PORT" $v.console.port -}}
{{- $_ := set $all "CONSOLE_METRICS_PORT" $v.console.metricsPort -}}
{{- $_ := set $all "CONSOLE_BIND" $v.console.bind -}}
{{- $_ := set $all "CONSOLE_URL" $v.console.url -}}
{{- $_ := set $all "CONSOLE_TOKENS_FILE" "/etc/payment-notifier-console/tokens.yaml" -}}
{{- $_ := set $all "CONSOLE_DATABASE" "/var/lib/payment-notifier/console.sqlite" -}}
{{- end -}}
{{- range $name, $value := $all }}
{{- $text := include "payment-notifier.text" $value }}
{{- if and (not (kindIs "invalid" $value)) $text }}
- name: NOTIFIER_{{ $name }}
  value: {{ $text | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Whether anything of `kafka` is a file. Takes (dict "root" $ "component" NAME), as the next does. */}}
{{- define "payment-notifier.kafkaFiles" -}}
{{- $kafka := include "payment-notifier.kafka" . | fromYaml -}}
{{- $tls := and (hasSuffix "SSL" $kafka.securityProtocol) (or $kafka.tls.caSecret.name $kafka.tls.clientSecret.name) -}}
{{- if or $tls (hasPrefix "SASL" $kafka.securityProtocol) -}}yes{{- end -}}
{{- end -}}

{{- define "payment-notifier.kafkaVolume" -}}
- name: kafka
  projected:
    defaultMode: 0440
    sources:
      {{- with include "payment-notifier.kafka" . | fromYaml }}
      {{- if hasPrefix "SASL" .securityProtocol }}
      - secret:
          name: {{ .sasl.passwordSecret.name }}
          items: [{key: {{ .sasl.passwordSecret.key | quote }}, path: password}]
      {{- end }}
      {{- if hasSuffix "SSL" .securityProtocol }}
      {{- if .tls.caSecret.name }}
      - secret:
          name: {{ .tls.caSecret.name }}
          items: [{key: {{ .tls.caSecret.key | quote }}, path: ca.pem}]
      {{- end }}
      {{- if .tls.clientSecret.name }}
      - secret:
          name: {{ .tls.clientSecret.name }}
          items:
            - {key: {{ .tls.clientSecret.certificateKey | quote }}, path: certificate.pem}
            - {key: {{ .tls.clientSecret.keyKey | quote }}, path: key.pem}
      {{- end }}
      {{- end }}
      {{- end }}
{{- end -}}

{{/* One projected volume, so that the partners file and its keys change together. No subPath: it would never change.
     Takes (dict "root" $ "component" NAME). The console serves browsers and signs nothing: it gets no key. */}}
{{- define "payment-notifier.partnersVolume" -}}
- name: partners
  projected:
    defaultMode: 0440
    sources:
      {{- with .root.Values.partners }}
      {{- if .existingSecret }}
      - secret:
          name: {{ .existingSecret }}
          items: [{key: partners.yaml, path: partners.yaml}]
      {{- else }}
      - configMap:
          name: {{ default (printf "%s-partners" (include "payment-notifier.fullname" $.root)) .existingConfigMap }}
          items: [{key: partners.yaml, path: partners.yaml}]
      {{- end }}
      {{- range ternary list .keySecrets (eq $.component "console") }}
      - secret:
          name: {{ . }}
      {{- end }}
      {{- end }}
{{- end -}}
