"""The published JSON Schemas agree with the models, and the generated files with the code."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.acknowledgement import Acknowledgement
from schemas.attempt_record import AttemptRecord
from schemas.fields import required_on_success
from schemas.json_schema import json_schema
from streams.notification.profiles import PROFILES
from tests.support.events import EVENTS

ROOT = Path(__file__).parents[3]
GENERATOR = ROOT / "docs" / "generate.py"


def published(name):
    """Return a validator of a published schema."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # noqa: PLC0415

    schema = json.loads((ROOT / "schemas" / "json" / f"{name}.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def sample(name):
    """Return a profile's sample event."""
    return dict(EVENTS[name])


def body(name, status="S"):
    """Return a profile's request body as it would be sent."""
    result = {"resultCode": "SUCCESS" if status == "S" else "RISK_REJECT", "resultStatus": status}
    return sample(name)["payment"] | {PROFILES[name].result_member: result}


@pytest.fixture
def generator():
    """Load the generator as a module."""
    spec = importlib.util.spec_from_file_location("generate", GENERATOR)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


@pytest.mark.parametrize("name", PROFILES)
def test_the_events_schema(name):
    """It takes every sample event and no unknown profile."""
    schema = published("event")
    assert schema.is_valid(sample(name))
    assert not schema.is_valid(sample(name) | {"profile": "mpp-to-nobody"})
    assert not schema.is_valid(sample(name) | {"eventId": "x" * 65})
    assert not schema.is_valid(sample(name) | {"notifyUrl": "https://a/" + "x" * 2048})


@pytest.mark.parametrize("name", PROFILES)
def test_a_bodys_schema(name):
    """It takes the sample, and asks for what S requires only with S."""
    schema = published(name)
    assert schema.is_valid(body(name))
    assert not schema.is_valid(body(name) | {PROFILES[name].order_id_member: ""})
    for member in required_on_success(PROFILES[name].body):
        for status, valid in (("S", False), ("F", True)):
            members = body(name, status)
            del members[member]
            assert schema.is_valid(members) is valid


def test_a_schema_knows_no_null():
    """An optional member is left out, never null."""
    assert not published("mpp-to-ant").is_valid(body("mpp-to-ant") | {"customerId": None})
    assert '"null"' not in json.dumps(json_schema(AttemptRecord, "t"))


def test_the_acknowledgements_schema():
    """It asks for the status and leaves the rest open."""
    schema = published("acknowledgement")
    assert schema.is_valid({"result": {"resultStatus": "U", "resultMessage": "x"}, "pspId": "1"})
    assert not schema.is_valid({"result": {"resultStatus": "X"}})
    assert not schema.is_valid({"result": {}})
    assert json_schema(Acknowledgement, "t")["title"] == "t"


def test_the_attempt_records_schema():
    """A record's own bytes are valid; a record without its kind is not."""
    schema = published("attempt-record")
    record = AttemptRecord(kind="attempt", at_ms=5, attempt=1, request_left="yes")
    assert schema.is_valid(json.loads(record.to_bytes()))
    assert not schema.is_valid({"v": 1, "at_ms": 5})


@pytest.mark.e2e
def test_no_generated_file_is_stale():
    """What stands in the repository is what the code says."""
    done = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, GENERATOR, "--check"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_a_stale_file_is_named_and_then_written(generator, tmp_path, monkeypatch, capsys):
    """`--check` writes nothing and exits 1; the command without it mends what is stale."""
    page = "docs/protocol/mpp-to-ant.md"
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    monkeypatch.setattr(generator, "GENERATED", {page: generator.GENERATED[page]})
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert generator.main() == 1
    assert capsys.readouterr().out == f"stale: {page}\nrun python docs/generate.py\n"
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(sys, "argv", ["generate.py"])
    assert generator.main() == 0
    assert capsys.readouterr().out == f"written: {page}\n"
    (tmp_path / page).write_text("changed", encoding="utf-8")
    assert list(generator.stale()) == [page]
    assert generator.main() == 0
    assert (tmp_path / page).read_bytes() == (ROOT / page).read_bytes()
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    assert generator.main() == 0
