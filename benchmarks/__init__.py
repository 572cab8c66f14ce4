"""The benchmark: the notifier and its peers at the same work, side by side, measured from outside."""
