"""The mapping file: what is taken, and every fault with where it stands."""

import pytest

from streams.mapping.expressions import Constant, Source
from streams.mapping.file import MappingFileError, read_mapping_file
from tests.support.mapping import EVENT, EXAMPLES

EVENT_BLOCK = f"    event:{EVENT}"


def faults_of(tmp_path, text):
    """Return the faults of a file with this text."""
    path = tmp_path / "mapping.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(MappingFileError) as caught:
        read_mapping_file(path)
    return list(caught.value.faults)


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/mapping.yaml")), ids=lambda p: p.parent.name
)
def test_the_worked_examples_are_good(path):
    """As the documentation shows them."""
    assert read_mapping_file(path)


def test_values_are_text_as_they_are_written(tmp_path):
    """YAML's own readings of `NO` and `010` would change a table without a word."""
    path = tmp_path / "mapping.yaml"
    table = "{from: data.c, table: {NO: FAILED, 010: SUCCESS, true: CANCELLED}}"
    state = "{from: data.state, table: {DONE: SUCCESS, BROKEN: FAILED}}"
    path.write_text(f"topics:\n  t:\n{EVENT_BLOCK.replace(state, table)}", "utf-8")
    (kind,) = read_mapping_file(path)["t"].kinds
    outcome = kind.members.of["outcome"]
    assert isinstance(outcome, Source)
    assert outcome.table == {"NO": "FAILED", "010": "SUCCESS", "true": "CANCELLED"}
    assert kind.members.of["profile"] == Constant("mpp-to-alipay-plus")


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["topics: expected a mapping from topics"]),
        ("topics: []", ["topics: expected a mapping from topics"]),
        ("topics: {t: x}", ["topics.t: expected format and event"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}more: 1", ["the top.more: there is no such key"]),
        (f"topics:\n  t:\n    colour: json\n{EVENT_BLOCK}", ["topics.t.colour: there is no such key"]),
        (f"topics:\n  t:\n    format: xml\n{EVENT_BLOCK}", ["topics.t.format: expected json or avro or cloudevents"]),
        (f"topics:\n  t:\n    tombstones: keep\n{EVENT_BLOCK}", ["topics.t.tombstones: expected pass_over"]),
        (f"topics:\n  t:\n    unpack: {{data: data.a}}\n{EVENT_BLOCK}", ["topics.t.unpack.data: this name means something"]),
        (f"topics:\n  t:\n    unpack: {{1x: data.a}}\n{EVENT_BLOCK}", ["topics.t.unpack.1x: expected a name"]),
        (f"topics:\n  t:\n    unpack: []\n{EVENT_BLOCK}", ["topics.t.unpack: expected a mapping from names"]),
        (f"topics:\n  t:\n    pass_over: {{Not Final: {{from: data.a, in: [x]}}}}\n{EVENT_BLOCK}", ["topics.t.pass_over.Not Final: expected a name"]),
        (f"topics:\n  t:\n    pass_over: {{tombstones: {{from: data.a, in: [x]}}}}\n{EVENT_BLOCK}", ["topics.t.pass_over.tombstones: expected the key"]),
        (f"topics:\n  t:\n    pass_over: {{a: data.state}}\n{EVENT_BLOCK}", ["topics.t.pass_over.a: expected from and in"]),
        (f"topics:\n  t:\n    pass_over: {{a: {{from: data.a, in: x}}}}\n{EVENT_BLOCK}", ["topics.t.pass_over.a.in: expected a list"]),
        (f"topics:\n  t:\n    pass_over: {{a: {{in: [x]}}}}\n{EVENT_BLOCK}", ["topics.t.pass_over.a.from: expected a JMESPath"]),
        (f"topics:\n  t:\n    pass_over: {{a: {{from: 'data.[', in: [x]}}}}\n{EVENT_BLOCK}", ["topics.t.pass_over.a.from: no JMESPath expression"]),
        ("topics:\n  t: {format: json}", ["topics.t: expected either event, or events"]),
        ("topics:\n  t: {events: []}", ["topics.t.events: expected a list"]),
        ("topics:\n  t: {events: [x]}", ["topics.t.events[0]: expected when and event"]),
        ("topics:\n  t: {event: data}", ["topics.t.event: expected our event's members"]),
        (
            "topics:\n  t: {event: {profile: {constant: x}}}",
            [f"topics.t.event.{n}: missing" for n in ("partnerId", "outcome", "payment", "eventId", "occurredAt")],
        ),
        (
            "topics:\n  t: {format: cloudevents, event: {profile: {constant: x}}}",
            [f"topics.t.event.{n}: missing" for n in ("partnerId", "outcome", "payment")],
        ),
        (f"topics:\n  t:\n{EVENT_BLOCK}      resultcode: data.x\n", ["topics.t.event.resultcode: there is no such key"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: []\n", ["topics.t.event.reason: expected an expression"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: {{constant: ''}}\n", ["topics.t.event.reason.constant: expected text"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: {{from: data.r, tables: {{a: b}}}}\n", ["topics.t.event.reason.tables: there is no such key"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: {{from: data.r, table: [a]}}\n", ["topics.t.event.reason.table: expected what each value means"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: {{from: data.r, table: {{a: [b]}}}}\n", ["topics.t.event.reason.table.a: expected text"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: {{from: data.r, otherwise: drop}}\n", ["topics.t.event.reason.otherwise: expected keep", "topics.t.event.reason.otherwise: expected beside a table"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: {{from: data.r, time: days}}\n", ["topics.t.event.reason.time: expected seconds or"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: {{from: data.r, time: seconds, minor_units_of: data.c}}\n", ["topics.t.event.reason: time and minor_units_of together"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: {{from: 'data..r'}}\n", ["topics.t.event.reason.from: no JMESPath expression"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: dta.r\n", ["topics.t.event.reason: there is no dta that it begins with; expected one of attributes, data, headers, key"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: {{from: data.r, minor_units_of: p.c}}\n", ["topics.t.event.reason.minor_units_of: there is no p that it begins with"]),
        (f"topics:\n  t:\n    unpack: {{p: q.a, q: data.a}}\n{EVENT_BLOCK}      reason: p.r || q.r\n", ["topics.t.unpack.p: there is no q that it begins with"]),
        (f"topics:\n  t:\n    unpack: {{p: data.a}}\n{EVENT_BLOCK}  u:\n{EVENT_BLOCK}      reason: p.r\n", ["topics.u.event.reason: there is no p that it begins with"]),
        (f"topics:\n  t:\n{EVENT_BLOCK}      reason: lengthy(data.r)\n", ["topics.t.event.reason: there is no function lengthy"]),
        ("topics: {t: {event: {a: b}, event: {a: b}}}", ["the key 'event' is given twice"]),
    ],
)  # fmt: skip
def test_faults_say_where_and_what_was_expected(tmp_path, text, faults):
    """All of them at once."""
    found = faults_of(tmp_path, text)
    assert len(found) == len(faults), found
    for said, expected in zip(found, faults, strict=True):
        assert expected in said


def test_a_file_that_cannot_be_read(tmp_path):
    """It says so by its path."""
    with pytest.raises(MappingFileError, match="expected a file that can be read"):
        read_mapping_file(tmp_path / "none.yaml")


def test_a_file_that_everybody_may_write_is_refused(tmp_path):
    """Whoever writes it decides what partners are told."""
    path = tmp_path / "mapping.yaml"
    path.write_text(f"topics:\n  t:\n{EVENT_BLOCK}", "utf-8")
    path.chmod(0o666)
    with pytest.raises(MappingFileError, match="lets every user of the machine write it"):
        read_mapping_file(path)
