"""Times, durations, counts and answers as the command line and the console write them. `now` is passed in."""

from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.attempt_record import AttemptRecord
from streams.notification.status import NEWER_VERSION

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = 1000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_SHORT: Final = 10 * _SECOND
_LATEST_MS: Final = (
    253_402_300_799_999  # the end of the year 9999, the last that a datetime can hold
)

_FAILURES: Final = {
    "dns_error": "host name not found",
    "connect_error": "no connection",
    "connect_timeout": "no connection",
    "tls_error": "TLS failed",
    "tls_incomplete_chain": "certificate chain incomplete",
    "read_timeout": "no answer",
    "broken_connection": "connection broke",
    "oversized_answer": "answer too long",
    "unreadable_answer": "answer unreadable",
    "unsigned_answer": "answer not signed",
    "wrong_signature": "signature of the answer wrong",
    "stale_answer": "answer of another time",
}

_PARKS: Final = {
    "paused": "the partner is paused in the partners file",
    "rate-limit": "the partner's rate_limit_per_second is used up",
    "in-flight": "as many calls are under way as the partner's max_in_flight allows",
    "share": "others that never answered, or that take long to, have all calls that a worker gives them",
    "slow": "it takes long to answer, and has its part of the calls that a worker gives such destinations",
    "closed": "the destination asked us to slow down",
    NEWER_VERSION: "a newer version of the notifier wrote it, and only that one can read it",
    "silent": "the destination does not answer; it gets one probe at a time",
}


def park_reason(why: str | None) -> str:
    """Return why a notification was moved aside, in words."""
    return _PARKS.get(why or "", why or "its destination has no room")


def plural(count: int, noun: str = "time", verb: str = "") -> str:
    """Return `1 attempt`, `1,200 attempts`; with a verb `1 event waits`, `2 events wait`, `2 events are`."""
    if count == 1:
        return f"1 {noun} {verb}".rstrip()
    for_many = "are" if verb == "is" else verb.removesuffix("s")
    return f"{count:,} {noun}s {for_many}".rstrip()


def duration(ms: int) -> str:
    """Return a duration in its two largest units: `46 ms`, `2.5 s`, `5 min 32 s`, `9 h 12 min`, `3 d 4 h`."""
    ms = abs(ms)
    if ms < _SECOND:
        return f"{ms} ms"
    if ms < _SHORT:
        return f"{ms / _SECOND:.1f} s"
    for unit, name, smaller, smaller_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", _SECOND, "s"),
    ):
        if ms >= unit:
            rest = ms % unit // smaller
            return (
                f"{ms // unit:,} {name} {rest} {smaller_name}" if rest else f"{ms // unit:,} {name}"
            )
    return f"{ms // _SECOND} s"


def distance(at_ms: int, now_ms: int) -> str:
    """Return how far a moment lies ahead or back: `in 5 min 32 s`, `26 min ago`."""
    return f"in {duration(at_ms - now_ms)}" if at_ms > now_ms else f"{duration(now_ms - at_ms)} ago"


def clock_time(at_ms: int, now_ms: int) -> str:
    """Return `03:12:44 UTC` for a moment of today, `2026-11-25 02:52:10 UTC` for any other."""
    at = _utc(at_ms)
    form = "%H:%M:%S UTC" if at.date() == _utc(now_ms).date() else "%Y-%m-%d %H:%M:%S UTC"
    return at.strftime(form)


def rfc3339(at_ms: int) -> str:
    """Return `2026-11-22T03:12:44.160Z`."""
    return _utc(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def answer(record: AttemptRecord) -> str:
    """Return what came back from an attempt, and in which time.

    `S SUCCESS in 31 ms`, `HTTP 503 in 31 ms`, `no answer in 5.0 s`, `answer unreadable (body: empty) in 31 ms`.
    """
    took = (
        f" in {duration(record.ended_at_ms - record.started_at_ms)}"
        if record.ended_at_ms is not None and record.started_at_ms is not None
        else ""
    )
    return f"{detailed_answer(record)}{took}"


def detailed_answer(record: AttemptRecord) -> str:
    """Return what came back from an attempt, and what of it was unreadable."""
    detail = f" ({record.failure_detail})" if record.failure_detail else ""
    return f"{short_answer(record)}{detail}"


def short_answer(record: AttemptRecord) -> str:
    """Return what came back from an attempt in few words, of which there are not many different ones."""
    if record.failure == "http_status":
        return f"HTTP {record.http_status}"
    if record.failure is not None:
        claimed = f" ({record.result_status} {record.result_code or ''}".rstrip()
        text = _FAILURES.get(record.failure, record.failure)
        return f"{text}{claimed})" if record.result_status else text
    if record.result_status is not None:
        return f"{record.result_status} {record.result_code or ''}".rstrip()
    return record.outcome or "no end recorded"


def _utc(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=min(max(at_ms, 0), _LATEST_MS))
