"""Sending a delivered notification again."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from schemas.attempt_record import AttemptRecord
from streams.history.notification_history import histories_of
from streams.kafka.decoding import decode_notification
from streams.kafka.raw import Place, RawRecord
from streams.kafka.records import header_text
from streams.kafka.topics import TopicNames
from streams.notification.intake import PartnerTerms
from streams.partners import Partner
from streams.replay.put_back import CannotPutBack, Warrant
from streams.replay.rebuild import Rebuild
from streams.replay.resend import records_to_resend
from tests.support.history import HistoryBuilder
from tests.unit.kit import NOW_MS, event
from tests.unit.replay.letters import ORDER, ORIGIN
from tests.unit.replay.test_run import MemoryReader

NAMES = TopicNames("pn")
WARRANT = Warrant("r-1", "bob", "they lost it")
TOLD = HistoryBuilder(ORIGIN).attempt(20, decision="delivered", result_status="S")
EVENT = RawRecord(*Place.parse(ORIGIN), b"any", event(), (("x", b"1"),), NOW_MS)


def rebuild_from(*events):
    terms = PartnerTerms(
        frozenset({"mpp-to-ant"}), {}, hold_unmapped=False, notify_url="https://a.example/"
    )
    partner = cast(Partner, SimpleNamespace(terms=terms))
    return Rebuild(MemoryReader(*events), NAMES, ("final",), lambda _: partner, allow_http=False)


def life_of(tale):
    (history,) = histories_of(tale.facts)
    return replace(history, order_id=ORDER)


async def test_it_goes_back_as_its_event_has_it():
    """Attempt 1, one replay more, the event's origin and headers; the decision says who and why."""
    decision, effect = await records_to_resend(
        life_of(TOLD), rebuild_from(EVENT), NAMES, WARRANT, NOW_MS
    )
    read = decode_notification(
        RawRecord(effect.topic, 0, 0, effect.key, effect.value, effect.headers),
        latest_due_ms=None,
        check_url=lambda _: None,
    )
    assert (read.order_id, read.attempt, read.replays, read.replay_run) == (ORDER, 0, 1, "r-1")
    assert (read.origin, read.extra_headers) == (ORIGIN, (("x", b"1"),))
    assert header_text(effect.headers, "replay-of") == ORIGIN
    said = AttemptRecord.model_validate_json(decision.value or b"")
    assert (said.by, said.why, said.replay_of, said.replays) == ("bob", "they lost it", ORIGIN, 1)


@pytest.mark.parametrize(
    ("tale", "events", "why"),
    [
        (HistoryBuilder(ORIGIN).attempt(20), (EVENT,), "it is under way"),
        (HistoryBuilder(ORIGIN).dead_letter(20), (EVENT,), "dead-letters replay"),
        (TOLD, (), "is not there any more"),
        (TOLD, (replace(EVENT, value=event(eventId="evt-2")),), "is another one"),
    ],
)
async def test_what_is_not_delivered_or_has_no_event_is_refused(tale, events, why):
    """With what to do instead."""
    with pytest.raises(CannotPutBack, match=why):
        await records_to_resend(life_of(tale), rebuild_from(*events), NAMES, WARRANT, NOW_MS)
