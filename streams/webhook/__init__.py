"""One attempt: check the destination, sign, send, read, verify, and say what came back.

Knows partners and HTTP, not Kafka, tiers or decisions. `streams.webhook.https` is the way in.
"""
