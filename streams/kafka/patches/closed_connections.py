"""Makes aiokafka recognise a connection that uvloop has closed.

Upstream: aiokafka's issue 1038; uvloop's issue 506.

Why: writing to a closed transport is an OSError with asyncio, or nothing; with uvloop it is a RuntimeError, which aiokafka
0.14 expects nowhere. It then ends tasks that must never end, the one that learns which brokers there are among them:
after a broker's restart nobody finds the group's coordinator, and commits, heartbeats and the end of the consumer wait
for ever; or it ends the worker.

Remove when: aiokafka takes a RuntimeError of a closed transport for a closed connection, or uvloop raises an OSError.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

REPLACES: Final = tuple(
    f"aiokafka.conn.AIOKafkaConnection.{name}" for name in ("send", "_send_sasl_token")
)


def translated(write: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of `AIOKafkaConnection` that raises KafkaConnectionError when its transport is closed."""

    @wraps(write)
    def write_or_close(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # aiokafka's own
        try:
            return write(self, *args, **kwargs)
        except RuntimeError as error:
            if isinstance(error, KafkaError) or not self._writer.transport.is_closing():
                raise  # aiokafka's own errors are RuntimeErrors too
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            message = f"the connection was closed before it was written to: {error}"
            raise KafkaConnectionError(message) from error

    write_or_close.closed_is_told = True  # type: ignore[attr-defined]  # our own mark; other wrappers copy it
    return write_or_close


def apply() -> None:
    """Put the translation in force, for every aiokafka client of this process. Calling it again does no harm."""
    for name in ("send", "_send_sasl_token"):
        method = getattr(AIOKafkaConnection, name)
        if not hasattr(method, "closed_is_told"):
            setattr(AIOKafkaConnection, name, translated(method))
