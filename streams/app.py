"""For `faust -A streams.app worker`: the application of role `main` or `retry`."""
