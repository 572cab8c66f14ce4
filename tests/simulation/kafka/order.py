"""What shall go wrong with a request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.simulation.loop import Process

NOT_LEADER: Final = 6
UNKNOWN_TOPIC: Final = 3
LOADING: Final = 14
NOT_COORDINATOR: Final = 16
TOO_FEW_COPIES: Final = 19
TIMED_OUT: Final = 7


@dataclass(slots=True)
class Order:
    """What shall go wrong with the next request of a kind.

    Attributes:
        key: of the request.
        how: `refuse` (an error, and nothing is done), `lose` (done, and the connection ends before the answer), `late`
            (done, and the answer comes later), `drop` (the connection ends before anything is done), `truncate` (a
            write that is cut off again by a new leader), `hang` (nothing is done, and the connection ends only later).
        of: whose; None for anybody's.
        seconds: how late.
        error: which.
        times: how many of them.
        done: called when it has happened.
    """

    key: int
    how: str
    of: Process | None = None
    seconds: float = 0.0
    error: int = NOT_LEADER
    times: int = 1
    done: Callable[[], None] = lambda: None
