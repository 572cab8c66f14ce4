"""The rules: pure, no I/O, no clock, no log. What a notification says and when it is told again."""
