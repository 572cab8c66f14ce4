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
    """YAML's own reading of `010` would change a table without a word."""
    path = tmp_path / "mapping.yaml"
    table = "{from: data.c, table: {'NO': FAILED, 010: SUCCESS, true: CANCELLED}}"
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
            "topics:\n  t: {event: {profile: {constant: mpp-to-ant}}}",
            [f"topics.t.event.{n}: missing" for n in ("partnerId", "outcome", "payment", "eventId", "occurredAt")],
        ),
        (
            "topics:\n  t: {format: cloudevents, event: {profile: {constant: mpp-to-ant}}}",
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
        ("topics: {t: {event: &x {profile: *x}}}", ["an alias that stands within what it stands for"]),
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


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("True", "seen True without quotes; expected true or false, or 'True' in quotes"),
        ("yes", "seen yes without quotes; expected true or false, or 'yes' in quotes"),
        ("NO", "seen NO without quotes; expected true or false"),
        ("null", "seen null without quotes; nothing is no value that can be listed"),
        ("~", "seen ~ without quotes; nothing is no value"),
    ],
)
def test_a_value_of_which_nobody_knows_what_is_meant(tmp_path, value, fault):
    """YAML takes it for true, false or nothing, and no event has it so: its rule would never hold."""
    above = f"    pass_over: {{a: {{from: data.test, in: [x, {value}]}}}}\n"
    (found,) = faults_of(tmp_path, f"topics:\n  t:\n{above}{EVENT_BLOCK}")
    assert found.startswith(f"topics.t.pass_over.a.in: {fault}")
    event = EVENT_BLOCK.replace("{DONE: ", f"{{{value}: ")
    (found,) = faults_of(tmp_path, f"topics:\n  t:\n{event}")
    assert found.startswith(f"topics.t.event.outcome.table: {fault}")


def test_a_value_in_quotes_is_what_it_says(tmp_path):
    """Also where YAML would take it for something else."""
    path = tmp_path / "mapping.yaml"
    values = "{from: data.test, in: ['True', \"null\", '', true, false, 0]}"
    path.write_text(f"topics:\n  t:\n    pass_over: {{a: {values}}}\n{EVENT_BLOCK}", "utf-8")
    rule = read_mapping_file(path)["t"].pass_over["a"]
    assert rule.values == {"True", "null", "", "true", "false", "0"}


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ("reason: {form: data.r}", "reason: seen form; expected from with an expression, or constant"),
        ("reason: {frm: data.r, table: {a: b}}", "reason: seen frm, table; expected from"),
        ("reason: {otherwise: keep, table: {a: b}}", "reason: seen otherwise, table; expected from"),
        ("occurredAt: {form: data.at, time: milliseconds}", "occurredAt: seen form, time; expected from"),
        ("outcome: {a: data.o}", "outcome: seen a; expected from"),
        ("payment: {paymentRequestId: {form: data.o}}", "payment.paymentRequestId: seen form; expected from"),
        ("payment: {paymentAmount: {value: {frm: data.a, minor_units_of: data.c}}}", "payment.paymentAmount.value: seen frm, minor_units_of; expected from"),
        ("payment: {paymentAmount: {currency: {a: data.c}}}", "payment.paymentAmount.currency: seen a; expected from"),
        ("payment: {x: {frm: data.a, minor_units_of: data.c}}", "payment.x: seen frm, minor_units_of; expected from"),
        ("reason: {from: [data.r]}", "reason.from: expected a JMESPath expression"),
        ("reason: {constant: [r]}", "reason.constant: expected text"),
        ("reason: {constant: null}", "reason.constant: seen null without quotes; expected text"),
        ("reason: {from: data.r, table: {a: ~}}", "reason.table.a: seen ~ without quotes; expected text"),
        ("profile: {constant: mpp-to-alipay}", "profile.constant: expected one of mpp-to-alipay-plus, "),
        ("profile: {from: data.p, table: {a: mpp-to-ant, b: mpp}}", "profile.table.b: expected one of mpp-to-alipay-plus, "),
        ("outcome: {constant: PAID}", "outcome.constant: expected 'SUCCESS', 'FAILED' or 'CANCELLED'"),
        ("outcome: {from: data.o, table: {a: SUCCESS, b: FAILURE}}", "outcome.table.b: expected 'SUCCESS', "),
        ("occurredAt: {constant: yesterday}", "occurredAt.constant: "),
        (f"partnerId: {{constant: {'p' * 65}}}", "partnerId.constant: "),
        ("notifyUrl: {constant: example.com/n}", "notifyUrl.constant: "),
        ("payment: {paymentRequestId: data.o, paymentTime: {constant: today}}", "payment.paymentTime.constant: "),
        ("payment: {paymentAmount: {currency: {constant: usd}, value: data.v}}", "payment.paymentAmount.currency.constant: "),
        ("payment: {paymentAmount: {constant: '1'}}", "payment.paymentAmount.constant: "),
        ("payment: {constant: '1'}", "payment.constant: "),
    ],
)  # fmt: skip
def test_what_each_event_would_be_refused_for_is_a_fault_of_the_file(tmp_path, members, fault):
    """A misspelt `from` and a text that no such member may be: each of its events would be dead-lettered."""
    name = members.partition(":")[0]
    lines = [line for line in EVENT_BLOCK.splitlines() if not line.startswith(f"      {name}:")]
    (found,) = faults_of(tmp_path, "\n".join(["topics:", "  t:", *lines, f"      {members}"]))
    assert found.startswith(f"topics.t.event.{fault}")


@pytest.mark.parametrize(
    "members",
    [
        "notifyUrl: {constant: 'http://127.0.0.1/n'}",
        "resultCode: {constant: SUCCESS}",
        "payment: {paymentRequestId: data.o, paymentAmount: {currency: {constant: USD}, value: {constant: '1'}}}",
        "payment: {unknown: {paymentTime: {constant: x}}}",
        "payment: {paymentTime: {from: data.at, time: seconds}}",
    ],
)
def test_what_may_be_right_is_no_fault(tmp_path, members):
    """It depends on settings, on other members, or on what nobody knows."""
    name = members.partition(":")[0]
    lines = [line for line in EVENT_BLOCK.splitlines() if not line.startswith(f"      {name}:")]
    path = tmp_path / "mapping.yaml"
    path.write_text("\n".join(["topics:", "  t:", *lines, f"      {members}"]), "utf-8")
    assert read_mapping_file(path)


def test_constants_of_every_profile_that_has_them(tmp_path):
    """Objects whose inside is passed on may have any members; a profile by a table leaves the body open."""
    path = tmp_path / "mapping.yaml"
    merchant = "mpp-to-alipay-plus}", "alipay-to-merchant}"
    payment = "notifyType: {constant: OFFLINE_PAYMENT_CODE}, metadata: {shop: {constant: x}}, "
    event = EVENT_BLOCK.replace(*merchant).replace("{payment", f"{{{payment}payment")
    path.write_text(f"topics:\n  t:\n{event}", "utf-8")
    assert read_mapping_file(path)
    wrong = event.replace("OFFLINE_PAYMENT_CODE", "OFFLINE")
    (found,) = faults_of(tmp_path, f"topics:\n  t:\n{wrong}")
    assert found.startswith("topics.t.event.payment.notifyType.constant: expected 'PAYMENT_RESULT'")
    unknown = wrong.replace("{constant: alipay-to-merchant}", "data.profile")
    path.write_text(f"topics:\n  t:\n{unknown}", "utf-8")
    assert read_mapping_file(path)
