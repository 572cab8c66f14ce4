"""What stands in records and batches, byte by byte."""
