"""What travels: the shapes of events, requests, answers and records. Knows nothing of `streams`."""
