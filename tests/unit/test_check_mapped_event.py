"""`notifier check-event --mapping`: what a mapping makes of one record of payment core's own form, and every fault."""

import json

import pytest
from typer.testing import CliRunner

from streams import cli
from tests.support.command_settings import set_one_partner
from tests.support.mapping import EXAMPLES, event_of


@pytest.fixture(autouse=True)
def partners_file(tmp_path, monkeypatch):
    """The partner of the worked examples, as the only setting."""
    set_one_partner(
        tmp_path, monkeypatch, "alipayplus", "notify_url: https://open-sea.example.com/notify"
    )


@pytest.fixture
def check(tmp_path):
    """Check an event of an example, as it is or as these bytes."""

    def run(name, *options, event=None):
        file = tmp_path / "event.json"
        file.write_bytes(event_of(name) if event is None else event)
        mapping = EXAMPLES / name / "mapping.yaml"
        command = ["check-event", "--mapping", str(mapping), str(file), *options]
        return CliRunner().invoke(cli.app, command)

    return run


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("own-json", ()),
        ("debezium-outbox", ("--topic", "shop.public.outbox")),
        ("cloudevents", ("--header", "content-type=application/cloudevents+json")),
    ],
)
def test_a_worked_example_becomes_a_request(check, name, options):
    """With the event that was made of it on the way."""
    done = check(name, "--json", *options)
    said = json.loads(done.stdout)
    assert (done.exit_code, said["ok"], said["faults"]) == (0, True, [])
    assert said["event"]["partnerId"] == "alipayplus"
    assert json.loads(said["request"]["body"])["paymentAmount"]["value"].isdigit()
    read = check(name, *options)
    assert read.exit_code == 0
    assert "the event that the mapping makes: {" in read.stderr


def test_the_records_key_can_be_given(tmp_path):
    """For expressions over `key`; without it the record has none."""
    mapping, event = tmp_path / "mapping.yaml", tmp_path / "event.json"
    text = (EXAMPLES / "own-json" / "mapping.yaml").read_text("utf-8")
    mapping.write_text(text.replace("data.merchant_ref", "key"), "utf-8")
    event.write_bytes(event_of("own-json"))
    command = ["check-event", "--mapping", str(mapping), str(event)]
    done = CliRunner().invoke(cli.app, [*command, "--json", "--key", "order-é"])
    assert json.loads(done.stdout)["event"]["payment"]["paymentRequestId"] == "order-é"
    without = CliRunner().invoke(cli.app, command)
    assert without.exit_code == 1
    assert "payment.paymentRequestId: missing" in without.stderr


def test_every_fault_is_told(check):
    """Those of the mapping, of our event and of the partner's entry."""
    event = json.loads(event_of("own-json")) | {"state": "LATE", "amount": 1.234, "final_at": None}
    done = check("own-json", event=json.dumps(event).encode())
    assert done.exit_code == 1
    for fault in (
        "fault: outcome: a value that its table does not list",
        "fault: payment.paymentAmount.value: more decimals than the 2 of its currency",
        "fault: occurredAt: missing or empty",
    ):
        assert fault in done.stderr


def test_what_is_passed_over(check):
    """By which rule; that is no fault."""
    event = json.loads(event_of("own-json")) | {"state": "PENDING"}
    done = check("own-json", event=json.dumps(event).encode())
    assert (done.exit_code, done.stderr) == (
        0,
        "passed over by the rule not-final: counted, and nobody is told\n",
    )
    said = json.loads(check("own-json", "--json", event=json.dumps(event).encode()).stdout)
    assert said["passed_over"] == "not-final"


def test_a_registry_that_cannot_be_asked(check, monkeypatch):
    """The command says so, as a worker would."""
    monkeypatch.setenv("NOTIFIER_SCHEMA_REGISTRY_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NOTIFIER_ALLOW_HTTP", "true")
    done = check("avro", event=b"\x00\x00\x00\x00\x07")
    assert done.exit_code == 1
    assert "can't be reached" in done.stderr
    assert "a worker would hold the event and ask again" in done.stderr


def test_a_mapping_file_with_faults(tmp_path):
    """All of them, and exit code 1."""
    file = tmp_path / "mapping.yaml"
    file.write_text("topics: {t: {event: {profile: data.p}}}", "utf-8")
    done = CliRunner().invoke(cli.app, ["check-event", "--mapping", str(file), str(file)])
    assert done.exit_code == 1
    assert "fault: topics.t.event.outcome: missing" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--topic", "other"), "the mapping file has no other, only core-payments"),
        (("--header", "content-type"), "--header: expected NAME=VALUE"),
    ],
)
def test_wrong_use(check, options, words):
    """Exit code 2."""
    done = check("own-json", *options)
    assert done.exit_code == 2
    assert words in done.stderr


@pytest.mark.parametrize("option", [("--topic", "t"), ("--key", "k"), ("--header", "a=b")])
def test_options_of_the_mapping_alone(tmp_path, option):
    """Without a mapping they would mean nothing."""
    file = tmp_path / "event.json"
    file.write_text("{}", "utf-8")
    done = CliRunner().invoke(cli.app, ["check-event", str(file), *option])
    assert done.exit_code == 2
    assert "--topic, --key and --header go with --mapping" in done.stderr


def test_a_topic_is_asked_for_where_there_are_several(tmp_path):
    """Nobody guesses which one is meant."""
    texts = [(EXAMPLES / name / "mapping.yaml").read_text("utf-8") for name in ("own-json", "avro")]
    file = tmp_path / "mapping.yaml"
    file.write_text(texts[0] + texts[1].split("topics:\n")[1], "utf-8")
    done = CliRunner().invoke(cli.app, ["check-event", "--mapping", str(file), str(file)])
    assert done.exit_code == 2
    assert "--topic is needed: the mapping file has core-payments, payments-avro" in done.stderr
