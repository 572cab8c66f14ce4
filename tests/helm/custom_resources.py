"""What our custom resources may hold: the parts of their operators' schemas that the chart uses, and nothing more.

Written after KEDA 2.17, the Prometheus operator 0.80, Strimzi 0.49 and External Secrets 0.16; a field that is not
here is a slip, or a part of the chart that nobody has checked yet.
"""

from typing import Any, Final

TEXT: Final = {"type": "string", "minLength": 1}
COUNT: Final = {"type": "integer", "minimum": 0}
TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
TIME: Final = {"type": "string", "pattern": r"^([0-9]+(ms|[smhdwy]))+$"}


def fields(required: str = "", **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these fields and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": required.split(),
    }


def several(item: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list that is not empty."""
    return {"type": "array", "items": item, "minItems": 1}


def resource(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a custom resource without a status."""
    metadata = fields("name", name=TEXT, namespace=TEXT, labels=TEXTS, annotations=TEXTS)
    return fields(
        "apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=metadata, spec=spec
    )


_SELECTOR = fields("matchLabels", matchLabels=TEXTS)
_POLICIES = several(
    fields(
        "type value periodSeconds",
        type={"enum": ["Pods", "Percent"]},
        value={"type": "integer", "minimum": 1},
        periodSeconds={"type": "integer", "minimum": 1, "maximum": 1800},
    )
)
_BEHAVIOUR = fields(
    stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
    policies=_POLICIES,
)
_KAFKA = fields(
    "bootstrapServers consumerGroup topic lagThreshold",
    bootstrapServers={"type": "string", "pattern": r"^[^\s,]+:\d+(,[^\s,]+:\d+)*$"},
    consumerGroup=TEXT,
    topic=TEXT,
    lagThreshold={"type": "string", "pattern": "^[0-9]+$"},
    offsetResetPolicy={"enum": ["latest", "earliest"]},
    ensureEvenDistributionOfPartitions={"enum": ["true", "false"]},
    sasl={"enum": ["plaintext", "scram_sha256", "scram_sha512"]},
    tls={"enum": ["enable", "disable"]},
)
_PROMETHEUS = fields(
    "serverAddress query threshold",
    serverAddress=TEXT,
    query=TEXT,
    threshold={"type": "string", "pattern": "^[0-9.]+$"},
    ignoreNullValues={"enum": ["true", "false"]},
)


def _trigger(kind: str, metadata: dict[str, Any]) -> dict[str, Any]:
    return fields(
        "type metadata",
        type={"const": kind},
        metadata=metadata,
        authenticationRef=fields("name", name=TEXT),
    )


_REFERENCE = several(fields("parameter name key", parameter=TEXT, name=TEXT, key=TEXT))
_RELABELING = fields(
    sourceLabels=several(TEXT),
    separator=TEXT,
    regex=TEXT,
    targetLabel=TEXT,
    replacement={"type": "string"},
    action={"enum": ["replace", "keep", "drop", "labeldrop", "labelkeep", "labelmap", "hashmod"]},
)
_ENDPOINTS = several(
    fields(
        "port path",
        port=TEXT,
        path=TEXT,
        interval=TIME,
        relabelings=several(_RELABELING),
        metricRelabelings=several(_RELABELING),
    )
)
_RULE = {
    **fields(
        "expr",
        record={"type": "string", "pattern": "^[a-zA-Z_:][a-zA-Z0-9_:]*$"},
        alert=TEXT,
        expr=TEXT,
        **{"for": TIME},
        keep_firing_for=TIME,
        labels=TEXTS,
        annotations=TEXTS,
    ),
    "oneOf": [{"required": ["record"]}, {"required": ["alert"]}],
}
_REMOTE = fields(
    "key", key=TEXT, property=TEXT, version=TEXT, decodingStrategy=TEXT, metadataPolicy=TEXT
)

SCHEMAS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("keda.sh/v1alpha1", "ScaledObject"): resource(
        fields(
            "scaleTargetRef triggers minReplicaCount maxReplicaCount",
            scaleTargetRef=fields("name", name=TEXT),
            minReplicaCount={"type": "integer", "minimum": 1},
            maxReplicaCount={"type": "integer", "minimum": 1},
            pollingInterval=COUNT,
            fallback=fields(
                "failureThreshold replicas",
                failureThreshold=COUNT,
                replicas=COUNT,
                behavior={
                    "enum": [
                        "static",
                        "currentReplicas",
                        "currentReplicasIfHigher",
                        "currentReplicasIfLower",
                    ]
                },
            ),
            advanced=fields(
                horizontalPodAutoscalerConfig=fields(
                    behavior=fields(scaleUp=_BEHAVIOUR, scaleDown=_BEHAVIOUR)
                )
            ),
            triggers=several(
                {"anyOf": [_trigger("kafka", _KAFKA), _trigger("prometheus", _PROMETHEUS)]}
            ),
        )
    ),
    ("keda.sh/v1alpha1", "TriggerAuthentication"): resource(
        fields("secretTargetRef", secretTargetRef=_REFERENCE, configMapTargetRef=_REFERENCE)
    ),
    ("monitoring.coreos.com/v1", "PodMonitor"): resource(
        fields(
            "selector podMetricsEndpoints",
            selector=_SELECTOR,
            sampleLimit=COUNT,
            podMetricsEndpoints=_ENDPOINTS,
        )
    ),
    ("monitoring.coreos.com/v1", "ServiceMonitor"): resource(
        fields("selector endpoints", selector=_SELECTOR, sampleLimit=COUNT, endpoints=_ENDPOINTS)
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): resource(
        fields(
            "groups",
            groups=several(
                fields("name rules", name=TEXT, interval=TIME, labels=TEXTS, rules=several(_RULE))
            ),
        )
    ),
    ("kafka.strimzi.io/v1", "KafkaTopic"): resource(
        fields(
            "topicName partitions replicas config",
            topicName=TEXT,
            partitions={"type": "integer", "minimum": 1},
            replicas={"type": "integer", "minimum": 1, "maximum": 32767},
            config={
                "type": "object",
                "additionalProperties": {"type": ["string", "integer", "boolean"]},
            },
        )
    ),
    ("external-secrets.io/v1", "ExternalSecret"): resource(
        fields(
            "secretStoreRef target",
            refreshInterval=TIME,
            secretStoreRef=fields(
                "name", name=TEXT, kind={"enum": ["SecretStore", "ClusterSecretStore"]}
            ),
            target=fields(
                "name",
                name=TEXT,
                creationPolicy={"enum": ["Owner", "Orphan", "Merge", "None"]},
            ),
            data=several(fields("secretKey remoteRef", secretKey=TEXT, remoteRef=_REMOTE)),
            dataFrom=several(fields(extract=_REMOTE)),
        )
    ),
}
"""By apiVersion and kind."""
SCHEMAS["kafka.strimzi.io/v1beta2", "KafkaTopic"] = SCHEMAS["kafka.strimzi.io/v1", "KafkaTopic"]
