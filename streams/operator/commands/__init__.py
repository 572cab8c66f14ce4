"""The subcommands of `notifier`, one file a subject; `streams.cli` puts them together."""
