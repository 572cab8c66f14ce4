"""From the events of any payment core to ours: what `NOTIFIER_EVENT_MAPPING` says of each source topic.

Knows JMESPath, CloudEvents, Avro and schema registries; nothing of Kafka's clients, partners or notifications. What an
event must be like stands elsewhere (`schemas.event`); here it is only made.
"""
