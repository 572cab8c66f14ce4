"""The operator's side: history of notifications, dead letters, console and commands."""
