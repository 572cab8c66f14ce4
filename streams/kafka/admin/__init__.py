"""Topics, rights, groups and offsets, as the brokers tell them."""
