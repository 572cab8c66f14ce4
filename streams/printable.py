"""Text of others made fit for a terminal, a log line or a page."""


def printable(text: str, keep: str = "") -> str:
    r"""Return the text with every character escaped that is not printable, such as `\x1b`.

    Control characters could end a log line and begin a forged one, or move a terminal's cursor; bidirectional marks
    could show letters in another order than they stand in. Python's `str.isprintable` knows both.

    Args:
        text: anything.
        keep: characters that are left as they are, such as a line break.
    """
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable() or letter in keep
        else letter.encode("unicode_escape").decode()
        for letter in text
    )
