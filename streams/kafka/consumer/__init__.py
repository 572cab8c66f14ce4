"""The worker's consumer: what is read, handed to lanes, and committed."""
