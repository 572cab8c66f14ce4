"""What became of a notification, told from Kafka's records alone: facts, lives, and the verdict in one sentence."""
