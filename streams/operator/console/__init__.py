"""The console: a read model of what stands in Kafka, web pages over it, and the way to put dead letters back."""
