"""What a group's coordinator has against a member, in words that say what to do."""

from typing import Final

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    UnknownError,
)

_WHY: Final = {
    GroupAuthorizationFailedError: "its principal may not read in this group; expected the right Read on it",
    InconsistentGroupProtocolError: (
        "another program is in this group and shares partitions out in another way; expected a group of the notifier's own"
        " (NOTIFIER_GROUP_ID)"
    ),
    InvalidGroupIdError: "the brokers take no group of this name (NOTIFIER_GROUP_ID)",
    InvalidSessionTimeoutError: (
        "the brokers don't take its session time-out of 10 s; expected group.min.session.timeout.ms and"
        " group.max.session.timeout.ms below and above"
    ),
}


def refusal(error: Exception) -> str:
    """Return why the group refuses this worker: always the same words for the same reason.

    Args:
        error: aiokafka's.
    """
    why = _WHY.get(type(error))
    if why is None and UnknownError.__name__ in str(error):
        why = "an error that this client has no name for; is the group full (group.max.size of the brokers)?"
    return f"the group refuses this worker: {why or type(error).__name__}"
