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

{{/* The console's address as browsers see it: its Ingress ends TLS, and the cookie is Secure only where the console knows that. */}}
{{- define "payment-notifier.consoleUrl" -}}
{{- with .Values.console -}}
{{- if .url -}}{{ .url }}{{- else if .ingress.enabled -}}https://{{ .ingress.host }}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" NAME): `kafka` with what `kafka.users` has for this component, as YAML. */}}
{{- define "payment-notifier.kafka" -}}
{{- $kafka := .root.Values.kafka -}}
{{- include "payment-notifier.merged" (list $kafka (default dict (get $kafka.users .component))) -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" NAME): the variables that follow from other values than `settings`, which other
     objects follow too, as YAML: name without its prefix, and value. */}}
{{- define "payment-notifier.fixedVariables" -}}
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
{{- if hasPrefix "SASL" $kafka.securityProtocol -}}
{{- $_ := set $all "KAFKA_SASL_MECHANISM" $kafka.sasl.mechanism -}}
{{- if eq $kafka.sasl.mechanism "AWS_MSK_IAM" -}}
{{- $_ := set $all "KAFKA_AWS_REGION" $kafka.sasl.awsRegion -}}
{{- else if ne $kafka.sasl.mechanism "OAUTHBEARER" -}}
{{- $_ := set $all "KAFKA_USER" $kafka.sasl.user -}}
{{- $_ := set $all "KAFKA_PASSWORD_FILE" "/etc/payment-notifier-kafka/password" -}}
{{- else -}}
{{- with $kafka.sasl.oauth -}}
{{- if .serviceAccountToken.audience -}}
{{- $_ := set $all "KAFKA_OAUTH_TOKEN_FILE" "/etc/payment-notifier-kafka/token" -}}
{{- else -}}
{{- $_ := set $all "KAFKA_OAUTH_TOKEN_URL" .tokenUrl -}}
{{- $_ := set $all "KAFKA_OAUTH_CLIENT_ID" .clientId -}}
{{- $_ := set $all "KAFKA_OAUTH_CLIENT_SECRET_FILE" "/etc/payment-notifier-kafka/client-secret" -}}
{{- $_ := set $all "KAFKA_OAUTH_CLIENT_AUTHENTICATION" .clientAuthentication -}}
{{- $_ := set $all "KAFKA_OAUTH_SCOPE" .scope -}}
{{- if .caSecret.name -}}
{{- $_ := set $all "KAFKA_OAUTH_CA_FILE" "/etc/payment-notifier-kafka/token-server-ca.pem" -}}
{{- end -}}
{{- end -}}
{{- $pairs := list -}}
{{- range $name, $value := .extensions -}}
{{- $pairs = append $pairs (printf "%s=%s" $name $value) -}}
{{- end -}}
{{- $_ := set $all "KAFKA_OAUTH_EXTENSIONS" $pairs -}}
{{- end -}}
{{- end -}}
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
{{- /* The Job that makes topics runs before there is a ConfigMap, and reads no event. */ -}}
{{- if ne .component "topics" -}}
{{- if include "payment-notifier.eventMapping" .root -}}
{{- $_ := set $all "EVENT_MAPPING" "/etc/payment-notifier-events/mapping.yaml" -}}
{{- end -}}
{{- with $v.events.schemaRegistry -}}
{{- if .url -}}
{{- $_ := set $all "SCHEMA_REGISTRY_URL" .url -}}
{{- $_ := set $all "SCHEMA_REGISTRY_USER" .user -}}
{{- $_ := set $all "SCHEMA_REGISTRY_CACHE" .cache -}}
{{- if .passwordSecret.name -}}
{{- $_ := set $all "SCHEMA_REGISTRY_PASSWORD_FILE" "/etc/payment-notifier-events/password" -}}
{{- end -}}
{{- if .tokenSecret.name -}}
{{- $_ := set $all "SCHEMA_REGISTRY_TOKEN_FILE" "/etc/payment-notifier-events/token" -}}
{{- end -}}
{{- if .caSecret.name -}}
{{- $_ := set $all "SCHEMA_REGISTRY_CA_FILE" "/etc/payment-notifier-events/registry-ca.pem" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if hasKey $v.workers .component -}}
{{- $_ := set $all "ROLE" .component -}}
{{- $_ := set $all "WEB_PORT" $v.web.port -}}
{{- $_ := set $all "WEB_BIND" $v.web.bind -}}
{{- else if eq .component "console" -}}
{{- $_ := set $all "CONSOLE_PORT" $v.console.port -}}
{{- $_ := set $all "CONSOLE_METRICS_PORT" $v.console.metricsPort -}}
{{- $_ := set $all "CONSOLE_BIND" $v.console.bind -}}
{{- $_ := set $all "CONSOLE_URL" (include "payment-notifier.consoleUrl" .root) -}}
{{- $_ := set $all "CONSOLE_TOKENS_FILE" "/etc/payment-notifier-console/tokens.yaml" -}}
{{- $_ := set $all "CONSOLE_KEEP" $v.console.keep -}}
{{- $_ := set $all "CONSOLE_DATABASE" "/var/lib/payment-notifier/console.sqlite" -}}
{{- end -}}
{{- $variables := dict -}}
{{- range $name, $value := $all -}}
{{- $text := include "payment-notifier.text" $value -}}
{{- if and (not (kindIs "invalid" $value)) $text -}}
{{- $_ := set $variables $name $text -}}
{{- end -}}
{{- end -}}
{{- toYaml $variables -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" NAME): `settings` with what the component has of its own, as YAML. */}}
{{- define "payment-notifier.settings" -}}
{{- $own := include "payment-notifier.component" . | fromYaml -}}
{{- include "payment-notifier.merged" (list .root.Values.settings (default dict $own.settings)) -}}
{{- end -}}

{{/* Takes (dict "root" $ "component" NAME "pod" MAP). What `extraEnv` names is left out of `settings`: no name is twice. */}}
{{- define "payment-notifier.environment" -}}
{{- $settings := include "payment-notifier.settings" . | fromYaml -}}
{{- $all := include "payment-notifier.fixedVariables" . | fromYaml -}}
{{- range $name, $value := $settings -}}
{{- $text := include "payment-notifier.text" $value -}}
{{- if $text -}}
{{- $_ := set $all (snakecase $name | upper) $text -}}
{{- end -}}
{{- end -}}
{{- range .pod.extraEnv -}}
{{- $_ := unset $all (trimPrefix "NOTIFIER_" .name) -}}
{{- end -}}
{{- range $name, $text := $all }}
- name: NOTIFIER_{{ $name }}
  value: {{ $text | quote }}
{{- end }}
{{- with .pod.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Whether anything of `kafka` is a file. Takes (dict "root" $ "component" NAME), as the next does. */}}
{{- define "payment-notifier.kafkaFiles" -}}
{{- $kafka := include "payment-notifier.kafka" . | fromYaml -}}
{{- $tls := and (hasSuffix "SSL" $kafka.securityProtocol) (or $kafka.tls.caSecret.name $kafka.tls.clientSecret.name) -}}
{{- if or $tls (and (hasPrefix "SASL" $kafka.securityProtocol) (ne $kafka.sasl.mechanism "AWS_MSK_IAM")) -}}yes{{- end -}}
{{- end -}}

{{- define "payment-notifier.kafkaVolume" -}}
- name: kafka
  projected:
    defaultMode: 0440
    sources:
      {{- with include "payment-notifier.kafka" . | fromYaml }}
      {{- if hasPrefix "SASL" .securityProtocol }}
      {{- if eq .sasl.mechanism "OAUTHBEARER" }}
      {{- with .sasl.oauth }}
      {{- if .serviceAccountToken.audience }}
      - serviceAccountToken:
          audience: {{ .serviceAccountToken.audience | quote }}
          expirationSeconds: {{ .serviceAccountToken.expirationSeconds | int64 }}
          path: token
      {{- else }}
      - secret:
          name: {{ .clientSecret.name }}
          items: [{key: {{ .clientSecret.key | quote }}, path: client-secret}]
      {{- if .caSecret.name }}
      - secret:
          name: {{ .caSecret.name }}
          items: [{key: {{ .caSecret.key | quote }}, path: token-server-ca.pem}]
      {{- end }}
      {{- end }}
      {{- end }}
      {{- else if ne .sasl.mechanism "AWS_MSK_IAM" }}
      - secret:
          name: {{ .sasl.passwordSecret.name }}
          items: [{key: {{ .sasl.passwordSecret.key | quote }}, path: password}]
      {{- end }}
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

{{/* The ConfigMap with the mapping file, or nothing. */}}
{{- define "payment-notifier.eventMapping" -}}
{{- with .Values.events -}}
{{- if .existingConfigMap -}}{{ .existingConfigMap }}{{- else if .mapping -}}{{ include "payment-notifier.fullname" $ }}-events{{- end -}}
{{- end -}}
{{- end -}}

{{/* An annotation, as YAML, that restarts pods when the mapping file of the values changes: it is read at the start. */}}
{{- define "payment-notifier.eventAnnotation" -}}
{{- with .Values.events -}}
{{- if and .mapping (not .existingConfigMap) -}}checksum/events: {{ .mapping | sha256sum }}{{- else -}}{}{{- end -}}
{{- end -}}
{{- end -}}

{{/* Whether anything of `events` is a file. */}}
{{- define "payment-notifier.eventFiles" -}}
{{- with .Values.events.schemaRegistry -}}
{{- if or (include "payment-notifier.eventMapping" $) (and .url (or .passwordSecret.name .tokenSecret.name .caSecret.name)) -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{- define "payment-notifier.eventsVolume" -}}
- name: events
  projected:
    defaultMode: 0440
    sources:
      {{- with include "payment-notifier.eventMapping" . }}
      - configMap:
          name: {{ . }}
          items: [{key: mapping.yaml, path: mapping.yaml}]
      {{- end }}
      {{- with .Values.events.schemaRegistry }}
      {{- if .url }}
      {{- range $path, $secret := dict "password" .passwordSecret "token" .tokenSecret "registry-ca.pem" .caSecret }}
      {{- if $secret.name }}
      - secret:
          name: {{ $secret.name }}
          items: [{key: {{ $secret.key | quote }}, path: {{ $path }}}]
      {{- end }}
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
