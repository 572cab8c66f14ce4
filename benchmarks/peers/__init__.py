"""Programs that do the notifier's work as one would write it by hand; each is a process of its own."""
