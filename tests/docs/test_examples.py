"""The examples of the documentation are taken by the code that they are about."""

import json
import re
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from schemas.attempt_record import AttemptRecord
from streams.notification.intake import Prepared, ReadEvent, prepare, read_event
from streams.notification.profiles import PROFILES
from streams.partners import load_partners
from streams.partners.entry import Entry

NOW = 1_795_342_530.0  # 2026-11-22T10:15:30Z
PARTNERS_FILE = Path("docs/partners-file.md")


@pytest.fixture(scope="module")
def private_key():
    """One key for every file of an example: only its form matters."""
    return generate_private_key(65537, 2048)


@pytest.fixture
def load(tmp_path, private_key):
    """What loads a partners file after writing the keys that it names."""
    private = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch(0o600)
        path.write_bytes(content)

    def load_example(text):
        for entry in yaml.safe_load(text)["partners"].values():
            names = [key["file"] for key in entry.get("signing_keys", [])]
            for name in [*names, *filter(None, [entry.get("private_key_file")])]:
                write(name, private)
            for name in entry.get("peer_public_key_files", {}).values():
                write(name, public)
        file = tmp_path / "partners.yaml"
        file.write_text(text, encoding="utf-8")
        return load_partners(file, NOW)

    return load_example


def documents(pages):
    """Return every JSON example with its page."""
    return [
        (page.path, json.loads(text)) for page in pages.values() for text in page.blocks("json")
    ]


def test_json_examples_are_events_or_attempts_records(pages):
    """Each JSON example keeps every rule of its form: it is read as an event, or validated as a record."""
    for path, document in documents(pages):
        raw = json.dumps(document).encode()
        if "eventId" in document:
            assert isinstance(read_event(raw, allow_http=False), ReadEvent), (path, document)
        else:
            record = AttemptRecord.model_validate_json(raw)
            assert json.loads(record.to_bytes()) == document, path


def test_every_profile_has_an_example(pages):
    """Each profile's page shows one of its events; README.md shows several, and no two share an id or an order."""
    shown = [(path, d) for path, d in documents(pages) if "eventId" in d]
    for name in PROFILES:
        page = Path(f"docs/protocol/{name}.md")
        assert [event["profile"] for path, event in shown if path == page] == [name]
    events = [event for path, event in shown if path == Path("README.md")]
    assert len({event["profile"] for event in events}) == len(events) > 1
    orders = {event["payment"][PROFILES[event["profile"]].order_id_member] for event in events}
    assert len(orders) == len(events)
    assert len({event["eventId"] for event in events}) == len(events)


def test_partners_file_examples_load(pages, load):
    """Each partners file in the documentation is one that `notifier check` finds no fault with, nor warns about."""
    blocks = [text for page in pages.values() for text in page.blocks("yaml")]
    examples = [text for text in blocks if "partners" in yaml.safe_load(text)]
    assert len(examples) >= 2
    for text in examples:
        assert load(text).warnings == ()


def test_an_example_event_goes_to_an_example_partner(pages, load):
    """With the partners file of README.md its first event becomes a notification at the entry's URL."""
    readme = pages[Path("README.md")]
    (entry,) = load(readme.blocks("yaml")[0]).values()
    event = read_event(readme.blocks("json")[0].encode(), allow_http=False)
    assert isinstance(event, ReadEvent)
    prepared = prepare(event, entry.terms, accepted_at_ms=0, origin="payment-final-state/0/0")
    assert isinstance(prepared, Prepared)
    assert prepared.notification.partner_id == entry.partner_id
    assert entry.terms.notify_url in readme.text


def test_every_key_of_the_partners_file_has_its_row(pages):
    """Whoever writes an entry finds each key that the program knows, and none that it doesn't."""
    text = pages[PARTNERS_FILE].text
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text, re.MULTILINE)
    named = {key for row in rows for key in re.findall(r"\w+", row)}
    assert set(Entry.model_fields) - named == set()


def test_defaults_of_the_partners_file_are_the_codes(pages, load):
    """The defaults that the table of keys states are those of an entry that leaves the keys out."""
    rows = dict(
        re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", pages[PARTNERS_FILE].text, re.MULTILINE)
    )
    text = (
        "partners: {p: {profiles: [alipay-to-merchant], client_id: c, private_key_file: ours.pem}}"
    )
    entry = load(text)["p"]
    assert rows["max_in_flight"] == str(entry.max_in_flight)
    assert rows["attempt_timeout_seconds"] == f"{entry.attempt_timeout_seconds:g}"
    assert rows["request_time_format"] == entry.request_time_format
    assert rows["key_version"] == entry.signing_keys[0].version
    assert rows["paused"] == str(entry.paused).lower()
    assert (rows["unmapped_reason"] == "hold") == entry.terms.hold_unmapped
    assert (rows["rate_limit_per_second"] == "no limit") == (entry.rate_limit_per_second is None)
