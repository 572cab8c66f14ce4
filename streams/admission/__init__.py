"""Which call may be made now: limits of each destination, and of the worker as a whole."""
