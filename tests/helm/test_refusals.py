"""What the chart refuses: wrong values, and values that cannot stand together."""

import pytest

TOKEN_SERVER = {
    "securityProtocol": "SASL_SSL",
    "sasl": {
        "mechanism": "OAUTHBEARER",
        "oauth": {"tokenUrl": "https://t/", "clientId": "me", "clientSecret": {"name": "s"}},
    },
}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"workers": {"main": {"replicas": 0}}}, "minimum"),
        ({"settings": {"ladderScale": 2}}, "maximum"),
        ({"settings": {"giveUpAfter": "3 days"}}, "pattern"),
        ({"kafka": {"securityProtocol": "SASL_TLS"}}, "one of"),
        ({"kafka": {"bootstrapServers": "kafka"}}, "pattern"),
        ({"image": {"digest": "sha256:abc"}}, "pattern"),
        ({"networkPolicy": {"partners": {"deniedCidrs": ["10.0.0.1"]}}}, "pattern"),
        ({"networkPolicy": {"partners": {"allowedCidrs": ["47.88.0.0/33"]}}}, "pattern"),
        ({"networkPolicy": {"kafka": {"to": [{"ipBlock": {"cidr": "10.256.0.0/16"}}]}}}, "pattern"),
        ({"networkPolicy": {"kafka": {"to": [{"ipBlok": {"cidr": "10.1.0.0/16"}}]}}}, "property"),
        ({"networkPolicy": {"dns": {"ports": [0]}}}, "minimum"),
        ({"settings": {"egressDeny": ["0.0.0.0/0"]}}, "pattern"),
        ({"deployment": {"strategy": {"type": "OnDelete"}}}, "one of"),
        ({"prometheusRule": {"thresholds": {"backlogSeconds": "5m"}}}, "type"),
        ({"topics": {"source": []}}, "minItems"),
    ],
)
def test_a_wrong_value_is_refused_by_the_schema(helm, values, words):
    """A value outside of its range or form stops the install."""
    said = helm.refusal("minimal", values)
    assert "values.schema.json" in said or "don't meet the specifications" in said, words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kafka": {"bootstrapServers": ""}}, "kafka.bootstrapServers: not set"),
        ({"partners": {"existingConfigMap": ""}}, "partners: seen 0 of"),
        ({"partners": {"existingSecret": "other"}}, "partners: seen 2 of"),
        (
            {"kafka": {"securityProtocol": "SASL_SSL"}},
            "user and passwordSecret.name are expected with",
        ),
        (
            {"kafka": {"securityProtocol": "SASL_SSL", "sasl": {"mechanism": "OAUTHBEARER"}}},
            "oauth.tokenUrl, clientId and clientSecret.name, or oauth.serviceAccountToken.audience,",
        ),
        ({"kafka": TOKEN_SERVER}, "networkPolicy.kafka.tokenServer.to: empty, expected where"),
        (
            {
                "kafka": {
                    "securityProtocol": "SASL_SSL",
                    "sasl": {
                        "mechanism": "OAUTHBEARER",
                        "oauth": {
                            "tokenUrl": "https://t/",
                            "serviceAccountToken": {"audience": "kafka"},
                        },
                    },
                }
            },
            "one of oauth.tokenUrl and oauth.serviceAccountToken is expected",
        ),
        (
            {"kafka": {"securityProtocol": "SASL_SSL", "sasl": {"mechanism": "AWS_MSK_IAM"}}},
            "awsRegion is expected with securityProtocol SASL_SSL and mechanism AWS_MSK_IAM",
        ),
        (
            {
                "kafka": {
                    "securityProtocol": "SASL_SSL",
                    "sasl": {"mechanism": "AWS_MSK_IAM", "awsRegion": "eu-central-1"},
                },
                "workers": {"main": {"autoscaling": {"enabled": True}}},
            },
            "keda.kafka.authentication: not set",
        ),
        (
            {"events": {"mapping": "topics: {}", "existingConfigMap": "events"}},
            "events: mapping and existingConfigMap are both set",
        ),
        (
            {
                "events": {
                    "schemaRegistry": {
                        "url": "https://r",
                        "user": "u",
                        "tokenSecret": {"name": "s"},
                    }
                }
            },
            "expected one of password and token",
        ),
        (
            {"events": {"schemaRegistry": {"url": "https://r"}}},
            "networkPolicy.schemaRegistry.to: empty, expected where https://r can be reached",
        ),
        ({"workers": {"retry": {"enabled": False}}}, "read by nobody"),
        (
            {"workers": {"retry": {"autoscaling": {"enabled": True}}}},
            "keda.prometheusAddress: not set",
        ),
        (
            {
                "keda": {"prometheusAddress": "http://prometheus"},
                "workers": {"retry": {"autoscaling": {"enabled": True, "maxReplicas": 13}}},
            },
            "workers.retry.autoscaling.maxReplicas: seen 13, expected at most topics.partitions (12)",
        ),
        (
            {"workers": {"main": {"autoscaling": {"minReplicas": 20}}}},
            "minReplicas 20 is above maxReplicas 12",
        ),
        ({"networkPolicy": {"kafka": {"to": []}}}, "networkPolicy.kafka.to: empty"),
        (
            {"topics": {"strimzi": {"enabled": True, "cluster": "kafka"}}},
            "topics: job and strimzi are both enabled",
        ),
        (
            {"topics": {"strimzi": {"enabled": True}, "job": {"enabled": False}}},
            "topics.strimzi.cluster: not set",
        ),
        ({"console": {"enabled": True}}, "console.tokensSecret.name: not set"),
        (
            {"console": {"enabled": True, "tokensSecret": {"name": "s"}, "port": 6068}},
            "console.metricsPort: seen 6068, expected another port than console.port",
        ),
        (
            {"pod": {"extraEnv": [{"name": "NOTIFIER_BROKERS", "value": "other:9092"}]}},
            "pod.extraEnv of topics: NOTIFIER_BROKERS is set by the chart",
        ),
        (
            {
                "workers": {
                    "main": {"pod": {"extraEnv": [{"name": "NOTIFIER_ROLE", "value": "all"}]}}
                }
            },
            "pod.extraEnv of main: NOTIFIER_ROLE is set by the chart",
        ),
        (
            {"pod": {"extraEnv": [{"name": "TZ", "value": "UTC"}, {"name": "TZ", "value": "CET"}]}},
            "pod.extraEnv of check: TZ is there twice",
        ),
        (
            {
                "image": {"repository": "registry.example.com/payment-notifier"},
                "global": {"imageRegistry": "mirror.example.com"},
            },
            "image.repository: seen registry.example.com/payment-notifier, expected no registry",
        ),
        (
            {
                "console": {
                    "enabled": True,
                    "tokensSecret": {"name": "t"},
                    "ingress": {"enabled": True, "host": "n.example.com", "tlsSecret": "t"},
                }
            },
            "networkPolicy.console.from: empty, expected the ingress controller",
        ),
        (
            {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}},
            "podMonitor and serviceMonitor are both enabled",
        ),
        (
            {"prometheusRule": {"enabled": True, "disabled": ["NotifierBaclog"]}},
            "prometheusRule.alerts and disabled: seen NotifierBaclog",
        ),
        (
            {
                "console": {
                    "enabled": True,
                    "tokensSecret": {"name": "t"},
                    "ingress": {"enabled": True, "host": "notifier.example.com"},
                }
            },
            "console.ingress: host and tlsSecret are expected",
        ),
        *(
            (
                {
                    "networkPolicy": {"enabled": False},
                    "console": {
                        "enabled": True,
                        "tokensSecret": {"name": "s"},
                        "url": url,
                        "ingress": {"enabled": True, "host": "n.example.com", "tlsSecret": "t"},
                    },
                },
                f"console.url: seen {url}, expected https://n.example.com, to which",
            )
            for url in ("http://n.example.com", "https://other.example.com")
        ),
        (
            {
                "kafka": {"securityProtocol": "SSL", "tls": {"caSecret": {"name": "ca"}}},
                "externalSecrets": [{"name": "ca", "secretStoreRef": {"name": "vault"}}],
            },
            "externalSecrets: ca holds what the topics Job needs",
        ),
    ],
)
def test_what_cannot_stand_together_is_refused(helm, values, words):
    """Contradictions stop the install with the value, what was seen and what was expected."""
    assert words in helm.refusal("minimal", values)


def test_all_faults_are_said_at_once(helm):
    """An install without values names everything that it needs in one go."""
    said = helm.refusal()
    assert all(name in said for name in ("bootstrapServers", "partners:", "networkPolicy.kafka.to"))
