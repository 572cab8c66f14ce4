"""What a worker is sure to refuse again is known before it is put back."""

import json
from typing import cast

import pytest

from streams.kafka.format.event_headers import fresh_event, refused_event_headers
from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord
from streams.kafka.format.records import replace_headers
from streams.kafka.topics import TopicNames
from streams.mapping.mapping import EventMapping
from streams.mapping.registry import SchemaUnavailable
from streams.notification.decision import DeadLetterReason
from streams.notification.intake import Refused
from streams.operator.dead_letters.refusal import RefusalJudge
from tests.support.events import EVENTS
from tests.support.mapping import event_of, example
from tests.unit.bench import partner
from tests.unit.dead_letters.records import dead_letter_of
from tests.unit.kit import NOW_MS, event, read

NAMES = TopicNames("pn")


def known_partner(partner_id="partner-1", **changes):
    """Return a partner's entry with a notify URL."""
    return partner(partner_id, **{"notify_url": "https://partner-1.example.com/n", **changes})


def refusal(record, known=None, *, mapping=None, rebuild=False):
    """Return why a worker refuses a dead letter, knowing one partner."""
    entry = known_partner() if known is None else known
    entries = {entry.partner_id: entry}
    judge = RefusalJudge(NAMES, entries.get, allow_http=False, mapping=mapping, rebuild=rebuild)
    return judge.refusal(read_fact("dead-letter", record), record)


def letter(**changed):
    """Return a dead letter that holds a body, with other headers."""
    record = dead_letter_of(0)
    names = {name.replace("_", "-"): value for name, value in changed.items()}
    headers = replace_headers(record.headers, names)
    return RawRecord(*("pn-dead-letter", 0, 0, record.key, record.value, headers), NOW_MS)


def refused_event(value, origin="final/3/42", headers=()):
    """Return a dead letter that holds an event."""
    source = read("final", value, key=b"core", headers=headers)
    known = Refused(DeadLetterReason.INVALID_EVENT, "?", partner_id=None)
    ours = dict(refused_event_headers(known, NOW_MS, fresh_event(source)))
    ours |= {"origin": origin.encode(), "dead-letter-reason": b"invalid-event"}
    return RawRecord("pn-dead-letter", 0, 0, b"core", value, tuple(ours.items()), NOW_MS)


def test_what_a_worker_takes_is_no_refusal():
    """A body whose partner has an entry, and an event that has become right because its partner was mended."""
    assert refusal(letter()) is None
    assert (
        refusal(
            refused_event(event("mpp-to-ant")), known_partner(EVENTS["mpp-to-ant"]["partnerId"])
        )
        is None
    )


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (refused_event(b"<xml/>"), "invalid-event: event: "),
        (refused_event(None), "invalid-event: event: a tombstone"),
        (refused_event(event("mpp-to-ant", outcome="PENDING")), "invalid-event: outcome: "),
        (letter(format="7"), "no worker of this version can read it: "),
        (letter(occurred_at_ms="soon"), "no worker of this version can read it: "),
        (letter(profile="mpp-to-alipay-plus"), "profile: the partner does not list "),
        (letter(notify_url="https://elsewhere.example/"), "not one of the partner's allowed_hosts"),
    ],
    ids=["xml", "tombstone", "not final", "newer", "broken", "profile", "host"],
)
def test_what_is_sure_to_come_back(record, says):
    """An event that is still invalid, a record that can't be read, a profile or a host that the partner does not have."""
    hosts, profiles = {"partner-1.example.com"}, {"mpp-to-ant"}
    entry = known_partner(allowed_hosts=frozenset(hosts), profiles=frozenset(profiles))
    found = refusal(record, entry)
    assert found is not None
    assert found.kind == "refused again"
    assert says in found.why


def test_a_partner_without_an_entry_is_a_class_of_its_own():
    """Whatever else is wrong; also where bodies are made anew."""
    for rebuild in (False, True):
        for record in (
            letter(partner_id="gone"),
            refused_event(event("mpp-to-ant", partnerId="gone")),
        ):
            found = refusal(record, rebuild=rebuild)
            assert found is not None
            assert found.kind == "unknown partner"


def test_a_body_that_is_made_anew_is_not_judged():
    """Its event decides, which is read when it is put back; what has no attempt is left for another reason already."""
    assert refusal(letter(format="7"), rebuild=True) is None
    headers = tuple(pair for pair in letter().headers if pair[0] != "attempt")
    assert refusal(RawRecord("pn-dead-letter", 0, 0, b"k", b"{}", headers, NOW_MS)) is None


class Registry:
    """A mapping of one topic whose registry does not answer."""

    topics = frozenset({"core"})
    asked = 0

    def read_waiting(self, _):
        self.asked += 1
        message = "no answer"
        raise SchemaUnavailable(message, 7, "unreachable")


def test_an_event_whose_schema_can_not_be_had_is_not_judged():
    """It is not sure that it will be refused; the registry is asked once, as each question may take seconds."""
    mapping = Registry()
    judge = RefusalJudge(NAMES, lambda _: None, False, cast(EventMapping, mapping))  # noqa: FBT003
    record = refused_event(b"\0\0\0\0\7x", "core/0/1")
    for _ in range(2):
        assert judge.refusal(read_fact("dead-letter", record), record) is None
    assert mapping.asked == 1


def test_an_event_of_a_mapped_topic_is_judged_by_what_it_becomes():
    """By the rules of the mapping, whatever form it has; what a rule passes over becomes nothing, which is no refusal."""
    entry, members = known_partner("alipayplus"), json.loads(event_of("own-json"))

    def judged(**changes):
        record = refused_event(json.dumps(members | changes).encode(), "core-payments/0/1")
        return refusal(record, entry, mapping=example("own-json"))

    assert judged() is None
    assert judged(state="PENDING") is None
    broken = judged(state="EXPLODED")
    assert broken is not None
    assert "invalid-event: outcome: " in broken.why
