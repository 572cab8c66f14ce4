"""A model of Kafka that real clients talk to over connections of the simulated network, byte by byte."""
