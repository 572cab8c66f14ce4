"""The only room that knows Faust and aiokafka: records, lanes, the consumer, the producer and the topics."""
