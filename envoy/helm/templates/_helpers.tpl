{{/* The rendered objects, as JSON: {"objects": […]}. */}}
{{- define "attache.objects" -}}
{{- $objects := list -}}
{{- range $file := list "clusters" "listeners" -}}
{{- $text := get $.Values.objects $file -}}
{{- if not $text -}}
{{- fail (printf "objects.%s is empty: render the objects with `attache render gateway.yaml --out DIR --target istio-gateway --workload app=attache` or `--target envoy-gateway`, and add `--set-file objects.clusters=DIR/clusters.yaml --set-file objects.listeners=DIR/listeners.yaml`" $file) -}}
{{- end -}}
{{- range $document := splitList "\n---\n" $text -}}
{{- $object := fromYaml $document -}}
{{- if hasKey $object "Error" -}}
{{- fail (printf "objects.%s: %s" $file $object.Error) -}}
{{- end -}}
{{- if $object -}}
{{- if ne $object.metadata.namespace $.Release.Namespace -}}
{{- fail (printf "objects.%s: the objects are for the namespace `%s`, and the release is in `%s`: render them with `--namespace %s`" $file $object.metadata.namespace $.Release.Namespace $.Release.Namespace) -}}
{{- end -}}
{{- $objects = append $objects $object -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $kinds := list -}}
{{- range $objects -}}{{- $kinds = append $kinds .kind -}}{{- end -}}
{{- if not (has "Gateway" $kinds) -}}
{{- fail "the objects have no Gateway: the chart is for the targets `istio-gateway` and `envoy-gateway`" -}}
{{- end -}}
{{- toJson (dict "objects" $objects) -}}
{{- end -}}

{{/* The prefix of the objects' names, which the pods and the Service share. */}}
{{- define "attache.name" -}}
{{- $first := first (include "attache.objects" . | fromJson).objects -}}
{{- get $first.metadata.labels "app.kubernetes.io/instance" -}}
{{- end -}}

{{/* The labels of all objects. */}}
{{- define "attache.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ include "attache.name" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* `envoy-gateway` or `istio`, by the objects. */}}
{{- define "attache.platform" -}}
{{- $platform := "istio" -}}
{{- range (include "attache.objects" . | fromJson).objects -}}
{{- if eq .kind "EnvoyProxy" -}}{{- $platform = "envoy-gateway" -}}{{- end -}}
{{- end -}}
{{- $platform -}}
{{- end -}}

{{/* The listeners, as JSON: {"listeners": [{"name": …, "port": …}]}. */}}
{{- define "attache.listeners" -}}
{{- $listeners := list -}}
{{- range (include "attache.objects" . | fromJson).objects -}}
{{- if eq .kind "Gateway" -}}
{{- range .spec.listeners -}}
{{- $listeners = append $listeners (dict "name" .name "port" .port) -}}
{{- end -}}
{{- range .spec.servers -}}
{{- $listeners = append $listeners (dict "name" .port.name "port" .port.number) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "listeners" $listeners) -}}
{{- end -}}

{{/* The providers whose keys are tokens, as JSON: {"providers": […]}. */}}
{{- define "attache.tokenProviders" -}}
{{- $providers := list -}}
{{- range (include "attache.objects" . | fromJson).objects -}}
{{- if and (eq .kind "ConfigMap") (hasSuffix "-secrets" .metadata.name) -}}
{{- range $file, $secret := .data -}}
{{- $name := trimSuffix ".yaml" $file -}}
{{- if contains (printf "/etc/attache/tokens/%s.key" $name) $secret -}}
{{- $providers = append $providers $name -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $providers (not .Values.tokens.image) -}}
{{- fail (printf "tokens.image is empty, and the keys of these providers are tokens: %s" (join ", " $providers)) -}}
{{- end -}}
{{- toJson (dict "providers" $providers) -}}
{{- end -}}

{{/* The volumes for tokens, as YAML. */}}
{{- define "attache.tokenVolumes" -}}
{{- if (include "attache.tokenProviders" . | fromJson).providers -}}
- name: tokens
  emptyDir: {medium: Memory}
{{- with .Values.tokens.credentials }}
- name: credentials
  secret: {secretName: {{ . }}}
{{- end }}
{{- end -}}
{{- end -}}

{{/* The mount of Envoy's container for tokens, as YAML. */}}
{{- define "attache.tokenMounts" -}}
{{- if (include "attache.tokenProviders" . | fromJson).providers -}}
- {name: tokens, mountPath: /etc/attache/tokens, readOnly: true}
{{- end -}}
{{- end -}}

{{/* The container that writes tokens, as YAML. It runs as Envoy's user, the only one who may read them. */}}
{{- define "attache.tokenContainers" -}}
{{- $providers := (include "attache.tokenProviders" .root | fromJson).providers -}}
{{- if $providers -}}
- name: tokens
  image: {{ .root.Values.tokens.image | quote }}
  # Starts before Envoy and ends after it.
  restartPolicy: Always
  command: [attache]
  args:
  - token
  - --watch
  {{- if ne .root.Values.tokens.cloud "google" }}
  - --cloud={{ .root.Values.tokens.cloud }}
  {{- end }}
  {{- range $providers }}
  - --out=/etc/attache/tokens/{{ . }}.key
  {{- end }}
  {{- if and .root.Values.tokens.credentials (eq .root.Values.tokens.cloud "google") }}
  env:
  - {name: GOOGLE_APPLICATION_CREDENTIALS, value: /etc/attache/credentials/credentials.json}
  {{- end }}
  resources:
    requests: {cpu: 5m, memory: 16Mi}
    limits: {memory: 64Mi}
  securityContext:
    runAsUser: {{ .user }}
    runAsNonRoot: true
    readOnlyRootFilesystem: true
    allowPrivilegeEscalation: false
    capabilities: {drop: [ALL]}
  volumeMounts:
  - {name: tokens, mountPath: /etc/attache/tokens}
  {{- if .root.Values.tokens.credentials }}
  - {name: credentials, mountPath: /etc/attache/credentials, readOnly: true}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* What the pods have in common, on both platforms. */}}
{{- define "attache.placement" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
{{- with get $.Values $key }}
{{ $key }}: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The settings of Envoy Gateway's pods themselves. */}}
{{- define "attache.pod" -}}
{{- with .Values.podAnnotations }}
annotations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podLabels }}
labels: {{ toYaml . | nindent 2 }}
{{- end }}
{{- include "attache.placement" . }}
{{- end -}}

{{/* The settings of Envoy Gateway's proxies, put over those of the rendered EnvoyProxy. */}}
{{- define "attache.proxy" -}}
shutdown:
  drainTimeout: {{ printf "%ds" (int .Values.terminationGracePeriodSeconds) }}
provider:
  kubernetes:
    envoyDeployment:
      {{- if not .Values.autoscaling.enabled }}
      replicas: {{ .Values.replicas }}
      {{- end }}
      {{- with include "attache.pod" . | fromYaml }}
      pod: {{ toYaml . | nindent 8 }}
      {{- end }}
      container:
        {{- with .Values.image }}
        image: {{ . | quote }}
        {{- end }}
        resources: {{ toYaml .Values.resources | nindent 10 }}
    {{- if .Values.autoscaling.enabled }}
    envoyHpa:
      minReplicas: {{ .Values.autoscaling.minReplicas }}
      maxReplicas: {{ .Values.autoscaling.maxReplicas }}
      metrics: {{ include "attache.metrics" . | nindent 6 }}
    {{- end }}
    {{- with .Values.serviceAccountName }}
    envoyServiceAccount:
      name: {{ . }}
    {{- end }}
    envoyPDB:
      minAvailable: {{ .Values.minAvailable }}
    envoyService:
      type: {{ .Values.service.type }}
      {{- with .Values.service.annotations }}
      annotations: {{ toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

{{/* The metrics that autoscaling follows. */}}
{{- define "attache.metrics" -}}
- type: Resource
  resource:
    name: cpu
    target: {type: Utilization, averageUtilization: {{ .Values.autoscaling.cpu }}}
{{- end -}}

{{/* A volume of Envoy Gateway's pods with the Secrets that the values name. */}}
{{- define "attache.volumes" -}}
{{- $volumes := list -}}
{{- range .volumes -}}
{{- if eq .name "accounts" -}}
{{- $volumes = append $volumes (dict "name" .name "secret" (dict "secretName" $.secrets.accounts)) -}}
{{- else if eq .name "secrets" -}}
{{- $sources := list (dict "secret" (dict "name" $.secrets.providers)) (last .projected.sources) -}}
{{- $volumes = append $volumes (dict "name" .name "projected" (dict "sources" $sources)) -}}
{{- else -}}
{{- $volumes = append $volumes . -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "volumes" $volumes) -}}
{{- end -}}
