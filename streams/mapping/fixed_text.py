"""Whether a text that stands in the mapping file can be a member of our event, as far as that can be told without one."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from schemas.event import Event
from schemas.fields import Body, WireObject
from schemas.tidying import Faults, add_faults
from streams.notification.profiles import PROFILES

Path = tuple[str, ...]
"""Of a member: the wire names that lead to it from our event."""

_PAYMENT: Final = "payment"
_LENIENT: Final = {"allow_http": True}  # whether a URL will do is for the settings to say


def body_of(event: Mapping[Any, Any]) -> type[Body] | None:
    """Return the body that every event becomes of which the mapping says this, or None where events tell it."""
    said = event.get("profile")
    profile = PROFILES.get(str(said.get("constant"))) if isinstance(said, dict) else None
    return None if profile is None else profile.body


def fault_of(path: Path, text: str, body: type[Body] | None) -> str | None:
    """Return why a member can't be this text, or None where it can or nobody knows.

    Args:
        path: of the member.
        text: what the file says.
        body: what `payment` becomes, or None where that can't be told.
    """
    if path == ("profile",) and text not in PROFILES:
        return f"expected one of {', '.join(PROFILES)}"
    return _fault_at(path, text, body)


def is_text(path: Path, body: type[Body] | None) -> bool:
    """Tell whether a member is known to be text, so that it can't be an object with members of its own."""
    return _fault_at(path, {}, body) is not None


def _fault_at(path: Path, value: object, body: type[Body] | None) -> str | None:
    model: type[WireObject] | None = Event
    if path[0] == _PAYMENT and len(path) > 1:
        model, path = body, path[1:]
    if model is None:
        return None
    for name in reversed(path):
        value = {name: value}
    faults: Faults = {}
    try:
        model.model_validate(value, context=_LENIENT)
    except (
        ValidationError
    ) as error:  # for members that are missing here too, which is nothing that is asked
        add_faults(error, "", faults)
    return faults.get(".".join(path))
