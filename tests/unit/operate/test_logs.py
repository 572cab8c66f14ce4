"""How the worker logs."""

import io
import logging
import logging.config
import re

import pytest

from streams.operate.logs import UtcFormatter, logging_config


@pytest.fixture
def stream():
    """The worker's configuration in force, writing here; put back afterwards."""
    root, names = logging.getLogger(), logging_config()["loggers"]
    before = (root.level, root.handlers[:], {name: logging.getLogger(name).level for name in names})
    written = io.StringIO()
    config = logging_config()
    config["handlers"]["stderr"]["stream"] = written
    logging.config.dictConfig(config)
    yield written
    root.handlers[:] = before[1]
    root.setLevel(before[0])
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def test_a_line_is_in_utc_and_names_its_place(stream):
    """One line a message."""
    logging.getLogger("streams.settle").warning("dead letter %s", "rejected")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z WARNING streams\.settle: dead letter rejected\n",
        stream.getvalue(),
    )


def test_times_are_utc():
    """Whatever the machine's zone is."""
    record = logging.LogRecord("n", logging.INFO, "p", 1, "m", None, None)
    record.created, record.msecs = 1_795_342_530.25, 250.0
    assert UtcFormatter("%(asctime)s").format(record) == "2026-11-22 10:15:30.250Z"


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("streams.settle", logging.INFO),
        ("streams.kafka.app", logging.WARNING),
        ("aiokafka.consumer.fetcher", logging.WARNING),
        ("aiokafka.consumer.group_coordinator", logging.CRITICAL),
        ("faust.transport.consumer", logging.WARNING),
        ("mode.services", logging.WARNING),
        ("httpx", logging.WARNING),
        ("anything.else", logging.WARNING),
    ],
)
def test_libraries_are_quiet_before_a_message_is_made(stream, name, level):
    """A message that only a handler drops has been paid for already."""
    assert logging.getLogger(name).getEffectiveLevel() == level
    assert stream.getvalue() == ""
