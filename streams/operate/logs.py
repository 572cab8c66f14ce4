"""How the worker logs: one line a message on standard error, UTC, nothing per record but what an operator must see."""

import logging
import time
from typing import Any


class UtcFormatter(logging.Formatter):
    """Times in UTC, as everywhere in the project."""

    converter = staticmethod(time.gmtime)
    default_msec_format = "%s.%03dZ"


class Sparse(logging.Filter):
    """Lets the same message through once in ten seconds: aiokafka writes a hundred a second while a broker is away."""

    _EVERY_SECONDS = 10.0

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether it is written; messages that differ in their values only count as the same."""
        key = (record.name, str(record.msg))
        if record.created - self._seen.get(key, 0.0) < self._EVERY_SECONDS:
            return False
        self._seen[key] = record.created
        return True


def logging_config(level: str = "INFO") -> dict[str, Any]:
    """Return the configuration for `logging.config.dictConfig`.

    The libraries' levels are set on their loggers: aiokafka and Faust write debug messages for every record, and a
    message that only a handler drops has been paid for already.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": "streams.operate.logs.UtcFormatter",
                "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s",
            }
        },
        "filters": {"sparse": {"()": "streams.operate.logs.Sparse"}},
        "handlers": {
            "sparse": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["sparse"],
                "stream": "ext://sys.stderr",
            },
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "stream": "ext://sys.stderr",
            },
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "streams": {"level": level},
            # Faust's services log their comings and goings with the name of the subclass's module.
            "streams.kafka.app": {"level": "WARNING"},
            "streams.kafka.transport": {"level": "WARNING"},
            "streams.worker": {"level": "WARNING"},
            "aiokafka": {"level": "WARNING", "handlers": ["sparse"], "propagate": False},
            "aiokafka.consumer.group_coordinator": {"level": "CRITICAL"},
            "faust": {"level": "WARNING"},
            "mode": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
        },
    }
