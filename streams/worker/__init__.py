"""A record's way through a worker, top to bottom: `handle.py` joins receive, deliver, settle and observe.

Receiving and delivering decide and return values; only settling writes; only observing counts, logs and traces.
"""
