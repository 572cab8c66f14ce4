"""Ways into Kafka: tokens, sessions, certificates that are renewed while we run."""
