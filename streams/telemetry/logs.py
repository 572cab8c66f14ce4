"""How the worker logs: one line a message on standard error, UTC, as text or as JSON.

Nothing below a warning is logged for every record unless it is asked for (`Sample`). No line holds customer data, keys
or bodies: messages of our own name ids and codes only, and what a library's exception says about the values that it was
given is left out.
"""

import hashlib
import json
import logging
import time
import traceback
from typing import Any, Literal

from streams.notification.notification import Notification
from streams.printable import printable

Format = Literal["console", "json"]

FACTS = ("notification_id", "order_id", "profile", "partner", "attempt", "decision")
"""What a line may say of a notification, each a member of its own in JSON."""

_SPEAKING = (OSError, TimeoutError)  # their messages name addresses, paths and errno, no values
_QUOTED_CAUSES = 4
_LONGEST_ID = 64
_MINUTE = 60.0


def facts(notification: Notification, **more: object) -> dict[str, object]:
    """Return what a line says of a notification, for `extra=`."""
    known: dict[str, object] = {
        "notification_id": notification.notification_id,
        "order_id": notification.order_id,
        "profile": notification.profile.name,
        "partner": notification.partner_id,
        "attempt": notification.attempt,
    }
    return known | more


def id_or_none(text: str | None) -> str | None:
    """Return an id that may be logged: short and printable, as ours are; None for anything else."""
    return text if text and len(text) <= _LONGEST_ID and text.isprintable() else None


def named(what: str, event_id: str | None, order_id: str | None) -> str:
    """Name something in a message, by the ids that are known of it: `event evt-1 of order 42`.

    The ids may come from a record that nobody has checked, see `id_or_none`.
    """
    event, order = id_or_none(event_id), id_or_none(order_id)
    return f"{what}{f' {event}' if event else ''}{f' of order {order}' if order else ''}"


class LogSample:
    """Chooses the notifications whose every attempt and decision is logged: the same ones on every worker.

    Args:
        share: of all notifications, above 0 to 1.
    """

    def __init__(self, share: float) -> None:
        self._below = round(share * 2**32)

    def takes(self, notification_id: str) -> bool:
        """Tell whether this notification is logged."""
        digest = hashlib.blake2s(notification_id.encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") < self._below


class EveryMinute:
    """Lets one line a minute through for each key, where each call may bring the same."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def is_due(self, key: str, now_seconds: float) -> bool:
        """Tell whether a minute has passed since it was last True for this key. Keys are kept for ever: they must be few."""
        if now_seconds - self._last.get(key, float("-inf")) < _MINUTE:
            return False
        self._last[key] = now_seconds
        return True


def describe_error(error: BaseException) -> str:
    """Describe an exception, with its message only where that can't quote values."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    speaks = isinstance(error, _SPEAKING) or kind.startswith(("aiokafka.errors.", "streams."))
    return (
        f"{kind}: {printable(str(error))}"
        if speaks
        else f"{kind} (its message is left out: it may quote data)"
    )


def describe_traceback(error: BaseException) -> str:
    """Return where an exception and its causes came from, outermost first, without the values that they quote."""
    blocks: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(blocks) < _QUOTED_CAUSES:
        frames = "".join(traceback.format_tb(seen.__traceback__))
        blocks.append(f"Traceback (most recent call last):\n{frames}{describe_error(seen)}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\nbecause of\n".join(blocks)


class UtcFormatter(logging.Formatter):
    """Times in UTC, as everywhere in the project; exceptions without what they quote."""

    converter = staticmethod(time.gmtime)
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own."""
        plain = logging.makeLogRecord(record.__dict__)  # other handlers keep theirs
        if isinstance(plain.args, tuple):
            plain.args = tuple(
                describe_error(arg) if isinstance(arg, BaseException) else arg for arg in plain.args
            )
        if plain.name == "asyncio":  # the lines after the first show a task with what it raised
            plain.msg = str(plain.msg).partition("\n")[0]
        plain.exc_text = None
        return self.line(plain)

    def formatException(self, ei: Any) -> str:  # noqa: N802, ANN401  # the library's name and type
        """Return the traceback."""
        return describe_traceback(ei[1]) if ei[1] is not None else ""

    def line(self, record: logging.LogRecord) -> str:
        """Return the line of a record that may be read freely; a value in it can neither end the line nor hide."""
        record.msg, record.args = printable(record.getMessage()), ()
        return super().format(record)


class JsonFormatter(UtcFormatter):
    """One JSON object a line: time, level, logger, message, and what is known of the notification."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"

    def line(self, record: logging.LogRecord) -> str:
        """Return the object."""
        members = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        given = record.__dict__
        members |= {name: given[name] for name in FACTS if given.get(name) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            members["error"] = describe_error(record.exc_info[1])
            members["traceback"] = describe_traceback(record.exc_info[1])
        return json.dumps(members, ensure_ascii=False)


class Sparse(logging.Filter):
    """Lets the same message through once in ten seconds: aiokafka writes a hundred a second while a broker is away."""

    _EVERY_SECONDS = 10.0

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether it is written; messages that differ in their values only count as the same."""
        key = (record.name, str(record.msg))
        since = record.created - self._seen.get(key, float("-inf"))
        if 0 <= since < self._EVERY_SECONDS:  # below 0 the machine's clock was put back
            return False
        self._seen[key] = record.created
        return True


def logging_config(level: str = "info", style: Format = "console") -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig`.

    The libraries' levels are set on their loggers: aiokafka and Faust write debug messages for every record, and a
    message that only a handler drops has been paid for already.

    Args:
        level: of our own messages; the libraries' are those of a warning and above, or of this where it is higher.
        style: text or JSON.
    """
    level_number = getattr(logging, level.upper())
    others = max(level_number, logging.WARNING)
    handler = {
        "class": "logging.StreamHandler",
        "formatter": style,
        "stream": "ext://sys.stderr",
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "console": {
                "()": "streams.telemetry.logs.UtcFormatter",
                "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            },
            "json": {"()": "streams.telemetry.logs.JsonFormatter"},
        },
        "filters": {"sparse": {"()": "streams.telemetry.logs.Sparse"}},
        "handlers": {"sparse": handler | {"filters": ["sparse"]}, "stderr": handler},
        "root": {"handlers": ["stderr"], "level": others},
        "loggers": {
            "streams": {"level": level_number},
            # Faust's services log their comings and goings with the name of the subclass's module.
            "streams.kafka.consumer.app": {"level": others},
            "streams.kafka.consumer.transport": {"level": others},
            "streams.kafka.consumer.consumer": {"level": others},
            "streams.kafka.consumer.unused": {"level": others},
            "streams.kafka.consumer.worker": {"level": others},
            "aiokafka": {"level": others, "handlers": ["sparse"], "propagate": False},
            "aiokafka.consumer.group_coordinator": {"level": "CRITICAL"},
            "faust": {"level": others},
            "mode": {"level": others},
            "httpx": {"level": others},
        },
    }
