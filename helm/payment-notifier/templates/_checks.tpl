{{/* What can't stand together. Every fault at once, each with the value, what was seen and what was expected. */}}

{{/* Seconds that a worker may need from SIGTERM to its end: the drain of what is in flight, a last commit by each of
     its two consumer groups, and the way down: 3 s to leave each group, where its broker does not answer, and 4 s for
     what the producer holds. The first two are the program's own constants; a test compares them. */}}
{{- define "payment-notifier.drainSeconds" -}}11{{- end -}}
{{- define "payment-notifier.commitSeconds" -}}5{{- end -}}
{{- define "payment-notifier.teardownSeconds" -}}10{{- end -}}
{{- define "payment-notifier.stopSeconds" -}}
{{- add (include "payment-notifier.drainSeconds" .) (mul 2 (include "payment-notifier.commitSeconds" .)) (include "payment-notifier.teardownSeconds" .) .Values.shutdown.preStopSleepSeconds -}}
{{- end -}}

{{- define "payment-notifier.check" -}}
{{- $v := .Values -}}
{{- $faults := list -}}
{{- if not $v.kafka.bootstrapServers -}}
{{- $faults = append $faults "kafka.bootstrapServers: not set, expected host:port, comma separated" -}}
{{- end -}}
{{- $sources := 0 -}}
{{- range list (not (empty $v.partners.inline)) (ne $v.partners.existingConfigMap "") (ne $v.partners.existingSecret "") -}}
{{- if . -}}{{- $sources = add1 $sources -}}{{- end -}}
{{- end -}}
{{- if ne (int $sources) 1 -}}
{{- $faults = append $faults (printf "partners: seen %d of inline, existingConfigMap and existingSecret, expected exactly one" (int $sources)) -}}
{{- end -}}
{{- $components := dict "main" $v.workers.main.enabled "retry" $v.workers.retry.enabled "all" $v.workers.all.enabled "console" $v.console.enabled "topics" $v.topics.job.enabled "check" true -}}
{{- range $component, $enabled := $components -}}
{{- $kafka := include "payment-notifier.kafka" (dict "root" $ "component" $component) | fromYaml -}}
{{- if and $enabled (hasPrefix "SASL" $kafka.securityProtocol) -}}
{{- $expected := "" -}}
{{- with $kafka.sasl -}}
{{- if eq .mechanism "AWS_MSK_IAM" -}}
{{- if not .awsRegion -}}{{- $expected = "awsRegion is" -}}{{- end -}}
{{- else if eq .mechanism "OAUTHBEARER" -}}
{{- if not (or .oauth.serviceAccountToken.audience (and .oauth.tokenUrl .oauth.clientId .oauth.clientSecret.name)) -}}
{{- $expected = "oauth.tokenUrl, clientId and clientSecret.name, or oauth.serviceAccountToken.audience, are" -}}
{{- end -}}
{{- if and .oauth.serviceAccountToken.audience .oauth.tokenUrl -}}{{- $expected = "one of oauth.tokenUrl and oauth.serviceAccountToken is" -}}{{- end -}}
{{- else if not (and .user .passwordSecret.name) -}}{{- $expected = "user and passwordSecret.name are" -}}
{{- end -}}
{{- if $expected -}}
{{- $faults = append $faults (printf "kafka.sasl (or kafka.users.%s.sasl): %s expected with securityProtocol %s and mechanism %s" $component $expected $kafka.securityProtocol .mechanism) -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled (eq .mechanism "OAUTHBEARER") .oauth.tokenUrl (not $v.networkPolicy.kafka.tokenServer.to) -}}
{{- $faults = append $faults (printf "networkPolicy.kafka.tokenServer.to: empty, expected where %s (%s) can be reached, like [{ipBlock: {cidr: 10.1.3.0/24}}]" .oauth.tokenUrl $component) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $registry := include "payment-notifier.registry" . -}}
{{- if and $registry (regexMatch "^([^/]+[.:][^/]*|localhost)/" $v.image.repository) -}}
{{- $faults = append $faults (printf "image.repository: seen %s, expected no registry in it with the registry %s (image.registry or global.imageRegistry)" $v.image.repository $registry) -}}
{{- end -}}
{{- range $component, $enabled := $components -}}
{{- if $enabled -}}
{{- $fixed := include "payment-notifier.fixedVariables" (dict "root" $ "component" $component) | fromYaml -}}
{{- $seen := list -}}
{{- range (include "payment-notifier.pod" (dict "root" $ "component" $component) | fromYaml).extraEnv -}}
{{- if hasKey $fixed (trimPrefix "NOTIFIER_" .name) -}}
{{- $faults = append $faults (printf "pod.extraEnv of %s: %s is set by the chart, and other objects follow its value; expected the value that README.md names beside it" $component .name) -}}
{{- else if has .name $seen -}}
{{- $faults = append $faults (printf "pod.extraEnv of %s: %s is there twice" $component .name) -}}
{{- end -}}
{{- $seen = append $seen .name -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $stop := include "payment-notifier.stopSeconds" . | int -}}
{{- if le (int $v.shutdown.gracePeriodSeconds) $stop -}}
{{- $faults = append $faults (printf "shutdown.gracePeriodSeconds: seen %d, expected more than %d (drain %s, two commits of %s, teardown %s, preStop %d), or pods are killed before they have drained" (int $v.shutdown.gracePeriodSeconds) $stop (include "payment-notifier.drainSeconds" .) (include "payment-notifier.commitSeconds" .) (include "payment-notifier.teardownSeconds" .) (int $v.shutdown.preStopSleepSeconds)) -}}
{{- end -}}
{{- if not (or $v.workers.all.enabled (and $v.workers.main.enabled $v.workers.retry.enabled)) -}}
{{- $faults = append $faults "workers: expected main and retry, or all, enabled; else events or retries are read by nobody" -}}
{{- end -}}
{{- with $v.workers.retry -}}
{{- if and .enabled .autoscaling.enabled -}}
{{- if not $v.keda.prometheusAddress -}}
{{- $faults = append $faults "keda.prometheusAddress: not set, expected with workers.retry.autoscaling" -}}
{{- end -}}
{{- if gt (int .autoscaling.maxReplicas) (int $v.topics.partitions) -}}
{{- $faults = append $faults (printf "workers.retry.autoscaling.maxReplicas: seen %d, expected at most topics.partitions (%d)" (int .autoscaling.maxReplicas) (int $v.topics.partitions)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $v.workers.main.enabled $v.workers.main.autoscaling.enabled (not $v.keda.kafka.authentication) -}}
{{- $kafka := include "payment-notifier.kafka" (dict "root" $ "component" "main") | fromYaml -}}
{{- if and (hasPrefix "SASL" $kafka.securityProtocol) (has $kafka.sasl.mechanism (list "OAUTHBEARER" "AWS_MSK_IAM")) -}}
{{- $faults = append $faults (printf "keda.kafka.authentication: not set, expected the name of a TriggerAuthentication of your own with workers.main.autoscaling and %s" $kafka.sasl.mechanism) -}}
{{- end -}}
{{- end -}}
{{- range $role := list "main" "retry" -}}
{{- $scaling := (index $v.workers $role).autoscaling -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- $faults = append $faults (printf "workers.%s.autoscaling: minReplicas %d is above maxReplicas %d" $role (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.kafka.to) -}}
{{- $faults = append $faults "networkPolicy.kafka.to: empty, expected the brokers, like [{podSelector: {matchLabels: {strimzi.io/cluster: NAME}}}] or [{ipBlock: {cidr: 10.1.2.0/24}}]; networkPolicy.enabled=false makes no policy" -}}
{{- end -}}
{{- if and $v.podMonitor.enabled $v.serviceMonitor.enabled -}}
{{- $faults = append $faults "podMonitor and serviceMonitor are both enabled, expected one of them; everything would be counted twice" -}}
{{- end -}}
{{- with $v.events -}}
{{- if and .mapping .existingConfigMap -}}
{{- $faults = append $faults "events: mapping and existingConfigMap are both set, expected one of them" -}}
{{- end -}}
{{- if and .schemaRegistry.tokenSecret.name (or .schemaRegistry.user .schemaRegistry.passwordSecret.name) -}}
{{- $faults = append $faults "events.schemaRegistry: tokenSecret is set together with user or passwordSecret, expected one of password and token" -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled .schemaRegistry.url (not $v.networkPolicy.schemaRegistry.to) -}}
{{- $faults = append $faults (printf "networkPolicy.schemaRegistry.to: empty, expected where %s can be reached, like [{ipBlock: {cidr: 10.1.3.0/24}}]" .schemaRegistry.url) -}}
{{- end -}}
{{- end -}}
{{- if and $v.topics.strimzi.enabled $v.topics.job.enabled -}}
{{- $faults = append $faults "topics: job and strimzi are both enabled, expected one owner of the topics" -}}
{{- end -}}
{{- if and $v.topics.strimzi.enabled (not $v.topics.strimzi.cluster) -}}
{{- $faults = append $faults "topics.strimzi.cluster: not set, expected the name of the Kafka resource" -}}
{{- end -}}
{{- if $v.topics.job.enabled -}}
{{- $kafka := include "payment-notifier.kafka" (dict "root" $ "component" "topics") | fromYaml -}}
{{- range $v.externalSecrets -}}
{{- if has .name (list $kafka.sasl.passwordSecret.name $kafka.sasl.oauth.clientSecret.name $kafka.sasl.oauth.caSecret.name $kafka.tls.caSecret.name $kafka.tls.clientSecret.name) -}}
{{- $faults = append $faults (printf "externalSecrets: %s holds what the topics Job needs before anything is installed; make it outside of this release, or set topics.job.enabled=false and run `notifier topics create` yourself" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $v.console.enabled -}}
{{- if not $v.console.tokensSecret.name -}}
{{- $faults = append $faults "console.tokensSecret.name: not set, expected a Secret with the access tokens" -}}
{{- end -}}
{{- if eq (int $v.console.port) (int $v.console.metricsPort) -}}
{{- $faults = append $faults (printf "console.metricsPort: seen %d, expected another port than console.port" (int $v.console.metricsPort)) -}}
{{- end -}}
{{- if and $v.console.ingress.enabled $v.networkPolicy.enabled (not $v.networkPolicy.console.from) -}}
{{- $faults = append $faults "networkPolicy.console.from: empty, expected the ingress controller with console.ingress, like [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress-nginx}}}]; else the Ingress leads to a closed port" -}}
{{- end -}}
{{- if and $v.console.ingress.enabled (not (and $v.console.ingress.host $v.console.ingress.tlsSecret)) -}}
{{- $faults = append $faults "console.ingress: host and tlsSecret are expected; tokens must not travel in the clear" -}}
{{- end -}}
{{- if and $v.console.ingress.enabled $v.console.ingress.host $v.console.url -}}
{{- $host := lower $v.console.ingress.host -}}
{{- $url := urlParse (lower $v.console.url) -}}
{{- $led := or (eq $url.hostname $host) (and (hasPrefix "*." $host) (hasSuffix (trimPrefix "*" $host) $url.hostname)) -}}
{{- if not (and (eq $url.scheme "https") $led) -}}
{{- $faults = append $faults (printf "console.url: seen %s, expected https://%s, to which console.ingress leads, or nothing, which means the same" $v.console.url $v.console.ingress.host) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\n%s\n" (join "\n" $faults)) -}}
{{- end -}}
{{- end -}}
