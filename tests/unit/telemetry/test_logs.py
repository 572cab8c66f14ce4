"""How the worker logs."""

import asyncio
import io
import json
import logging
import logging.config
import re

import pytest

from streams.notification.outcome import Answered, Status
from streams.telemetry.counting import Counting
from streams.telemetry.health import Health
from streams.telemetry.logs import LogSample, Sparse, UtcFormatter, facts, logging_config
from streams.telemetry.metrics import Metrics
from tests.unit.telemetry.test_metrics import call, notification

CANARY = "canary-4711"


@pytest.fixture
def configured():
    """Puts a configuration into force and returns what is written; put back afterwards."""
    root, names = logging.getLogger(), logging_config()["loggers"]
    before = (root.level, root.handlers[:], {name: logging.getLogger(name).level for name in names})
    written = io.StringIO()

    def put(**options):
        config = logging_config(**options)
        for handler in config["handlers"].values():
            handler["stream"] = written
        logging.config.dictConfig(config)
        return written

    yield put
    root.handlers[:] = before[1]
    root.setLevel(before[0])
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def stream(configured):
    """The worker's configuration in force, as text."""
    return configured()


def test_a_line_is_in_utc_and_names_its_place(stream):
    """One line a message."""
    logging.getLogger("streams.worker.observe").warning("dead letter %s", "rejected")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z WARNING streams\.worker\.observe: dead letter rejected\n",
        stream.getvalue(),
    )


def test_times_are_utc():
    """Whatever the machine's zone is."""
    record = logging.LogRecord("n", logging.INFO, "p", 1, "m", None, None)
    record.created, record.msecs = 1_795_342_530.25, 250.0
    assert UtcFormatter("%(asctime)s").format(record) == "2026-11-22 10:15:30.250Z"


def test_a_line_of_json_names_the_notification(configured):
    """Its ids, its partner, the attempt and what was decided, each a member of its own."""
    written = configured(style="json")
    logging.getLogger("streams.worker.observe").warning(
        "dead letter %s", "rejected", extra=facts(notification(attempt=3), decision="rejected")
    )
    line = json.loads(written.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "warning",
        "logger": "streams.worker.observe",
        "message": "dead letter rejected",
        "notification_id": "evt-0",
        "order_id": "order-0",
        "profile": "mpp-to-ant",
        "partner": "partner-0",
        "attempt": 3,
        "decision": "rejected",
    }


@pytest.mark.parametrize("style", ["console", "json"])
def test_an_exception_quotes_nothing(configured, style):
    """Neither its message nor its cause's, as a traceback or as an argument; where it came from is told."""
    written = configured(style=style)
    log = logging.getLogger("streams.anything")
    try:
        try:
            raise KeyError(CANARY)  # noqa: TRY301  # the cause
        except KeyError as error:
            raise ValueError(f"seen {CANARY}") from error  # noqa: EM102, TRY003  # the test's point
    except ValueError as error:
        log.exception("it failed: %s", error)  # noqa: TRY401  # the test's point
    text = written.getvalue()
    assert CANARY not in text
    assert "ValueError" in text
    assert "KeyError" in text
    assert "test_an_exception_quotes_nothing" in text


@pytest.mark.parametrize("style", ["console", "json"])
async def test_a_lost_tasks_exception_quotes_nothing(configured, style):
    """The loop's own report shows the task, and with it what it raised."""
    written = configured(style=style)

    async def fail():
        raise KeyError(CANARY)

    task = asyncio.ensure_future(fail())
    await asyncio.wait([task])
    report = {"message": "Task exception was never retrieved", "future": task}
    asyncio.get_running_loop().default_exception_handler(report | {"exception": task.exception()})
    assert CANARY not in written.getvalue()
    assert "Task exception was never retrieved" in written.getvalue()
    assert "KeyError" in written.getvalue()


def test_an_exception_of_the_system_speaks(stream):
    """What an operator needs: which address refused, which file is missing."""
    logging.getLogger("streams.x").warning("failed: %s", ConnectionRefusedError(111, "refused"))
    assert "ConnectionRefusedError: [Errno 111] refused" in stream.getvalue()


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("streams.worker.observe", logging.INFO),
        ("streams.kafka.consumer.app", logging.WARNING),
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


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [("debug", logging.DEBUG, logging.WARNING), ("error", logging.ERROR, logging.ERROR)],
)
def test_the_level_is_a_setting(configured, level, ours, theirs):
    """Of our own messages; a library never says more than warnings."""
    configured(level=level)
    assert logging.getLogger("streams.worker.observe").getEffectiveLevel() == ours
    assert logging.getLogger("aiokafka.client").getEffectiveLevel() == theirs


def deliver(sample=None, number=0):
    """Count a notification's park, attempt and end."""
    counting = Counting(Metrics("0"), Health(), sample)
    about = notification(number)
    counting.parked(about, "silent")
    counting.attempt(about, call(Answered(Status.SUCCESS, "")), "1s", "event")
    counting.ended(about, "acknowledged", 2000)


def test_nothing_is_logged_for_a_delivery(stream):
    """A thousand a second would be a thousand lines a second."""
    deliver()
    assert stream.getvalue() == ""


def test_a_sampled_notification_tells_its_whole_story(configured):
    """Each attempt and decision."""
    written = configured(style="json")
    deliver(LogSample(1.0))
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [(line["message"], line["decision"]) for line in lines] == [
        ("parked: silent", "parked"),
        ("attempt 1: S", "acknowledged"),
        ("ended: acknowledged", "acknowledged"),
    ]
    assert {line["notification_id"] for line in lines} == {"evt-0"}


def test_a_sample_is_a_share_and_the_same_everywhere():
    """Whichever worker makes an attempt, the same notifications are told of."""
    sample, other = LogSample(0.1), LogSample(0.1)
    taken = [f"evt-{number}" for number in range(10_000) if sample.takes(f"evt-{number}")]
    assert 800 < len(taken) < 1200
    assert all(other.takes(one) for one in taken)
    assert all(LogSample(1.0).takes(f"evt-{number}") for number in range(1000))


FORGERY = "evt\n2026-11-22 10:15:30.250Z ERROR streams.worker.observe: forged\r\x1b[2J\x9b31m\u202eabc\u2066\x00\u2028"


def test_no_value_forges_a_line_or_steers_a_terminal(stream):
    """Line breaks, escape sequences and bidirectional marks are spelt out, in messages and in what errors say."""
    ours = logging.getLogger("streams.worker.observe")
    ours.warning("dead letter %s", FORGERY)
    ours.warning(FORGERY)
    ours.error("failed: %s", FORGERY, exc_info=OSError(2, FORGERY))
    text = stream.getvalue()
    assert "\\x1b[2J" in text
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert sum("forged" in line for line in text.split("\n")) == 4
    assert not any(line.startswith("2026-11-22 10:15:30.250Z") for line in text.split("\n"))


def test_a_repeated_message_is_let_through_every_ten_seconds_whatever_the_clock_does():
    """Also where the machine's clock is put back by an hour."""
    sparse = Sparse()

    def passes(at_seconds, message="no broker answers"):
        record = logging.makeLogRecord(
            {"name": "aiokafka", "msg": message, "created": at_seconds + 1.8e9}
        )
        return sparse.filter(record)

    assert [passes(at) for at in (0, 0, 9.9, 10, 19.9)] == [True, False, False, True, False]
    assert passes(12, "another")
    assert [passes(at) for at in (-3600, -3591, -3590)] == [True, False, True]
