"""Numbers in sentences."""


def some(count: int, noun: str) -> str:
    """Return `1 notification`, `4,012 notifications`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def verb(count: int, one: str, many: str) -> str:
    """Return the form of a verb that goes with so many."""
    return one if count == 1 else many
