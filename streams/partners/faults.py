"""The faults of an entry, in words for whoever wrote it."""

from typing import Any

from streams.partners.files import shown


def faults_of(where: str, error: Any) -> str:  # noqa: ANN401  # pydantic's error details
    """Say one of pydantic's errors in our words: where, what was seen, what was expected.

    Args:
        where: the entry.
        error: one of `ValidationError.errors()`.
    """
    path = ".".join([where, *(str(part) for part in error["loc"] if part != "[key]")])
    if error["type"] == "missing":
        return f"{path}: missing, expected with every entry"
    if error["type"] == "extra_forbidden":
        return f"{path}: there is no such key; expected one of those in the contract"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if error["type"] == "value_error" and not message.startswith("expected"):
        return f"{path}: {message}"
    expected = message if message.startswith("expected") else f"expected: {message}"
    return f"{path}: seen {shown(error['input'])}, {expected}"
