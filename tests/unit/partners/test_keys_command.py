"""`notifier keys check`: what is in force, what comes, what expires, and no secret."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from typer.testing import CliRunner

from streams.cli import app
from streams.clock import Clock
from streams.sandbox.keys import KeyPair, make_key_pair, make_keys, write_partners_file
from streams.sandbox.partner import PATHS

URLS = {profile: f"https://partner.example{path}" for profile, path in PATHS.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A partners file in which one partner rotates its keys, and its certificates."""
    folder = tmp_path_factory.mktemp("keys")
    keys = make_keys(folder)
    for name in ("old", "new"):
        make_key_pair(KeyPair(folder / f"{name}.pem", folder / f"{name}-public.pem"))
    tomorrow = datetime.fromtimestamp(Clock().now_seconds(), UTC) + timedelta(days=1)
    rotating = {
        "private_key_file": None,
        "key_version": None,
        "signing_keys": [
            {"version": 3, "file": "new.pem", "from": tomorrow},
            {"version": 1, "file": "old.pem"},
            {"version": 2, "file": "sender-private.pem", "from": "2026-01-01T00:00:00Z"},
        ],
        "tls": {
            "ca_file": "ca.pem",
            "client_certificate_file": "client.pem",
            "client_key_file": "client-key.pem",
        },
    }
    path = write_partners_file(folder, URLS, keys, options={"ant": rotating})
    entries = yaml.safe_load(path.read_text())["partners"]
    path.write_text(yaml.safe_dump({"partners": {"ant": entries["ant"]}}))
    return folder


@pytest.fixture
def run(files, monkeypatch):
    """Run the command on a partners file."""

    def run(*arguments, partners=files / "partners.yaml"):
        monkeypatch.setenv("NOTIFIER_PARTNERS_FILE", str(partners))
        return CliRunner().invoke(app, ["keys", "check", *arguments])

    return run


def test_every_key_and_certificate_is_listed(run, files):
    """Ours by the time from which they sign, the partner's after them; fingerprints are over DER, as OpenSSL makes them."""
    result = run("--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["ok"], told["faults"], told["warnings"]) == (0, True, [], [])
    rows = [(row["use"], row["version"], row["state"], row["file"]) for row in told["keys"]]
    assert rows == [
        ("signing", "1", "retired", "old.pem"),
        ("signing", "2", "signs", "sender-private.pem"),
        ("signing", "3", "next", "new.pem"),
        ("peer", "1", "verifies", str(files / "receiver-public.pem")),
    ]
    assert {row["bits"] for row in told["keys"]} == {2048}
    assert [row["from"] is None for row in told["keys"]] == [True, False, False, True]
    assert {(row["holder"], row["use"], row["file"]) for row in told["certificates"]} == {
        ("ant", "ca", "ca.pem"),
        ("ant", "client", "client.pem"),
    }
    private = load_pem_private_key((files / "old.pem").read_bytes(), None)
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert told["keys"][0]["fingerprint"] == hashlib.sha256(der).hexdigest()


def test_as_text(run):
    """The same for people."""
    result = run()
    assert result.exit_code == 0
    assert "ant: signing key 2 signs, from 2026-01-01T00:00:00+00:00, 2048 bits" in result.stdout
    assert "ant: signing key 1 retired, from always" in result.stdout
    assert "ant: client certificates until 20" in result.stdout


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_no_secret_is_shown(run, files, arguments):
    """Not a line of a private key."""
    output = run(*arguments).output
    for path in files.glob("*.pem"):
        if b"PRIVATE" in path.read_bytes():
            assert not [line for line in path.read_text().splitlines() if line in output]


def test_faults(run, files, tmp_path):
    """All of them, and exit code 1."""
    bad = tmp_path / "partners.yaml"
    text = (files / "partners.yaml").read_text().replace("old.pem", "gone.pem")
    bad.write_text(text)
    result = run("--json", partners=bad)
    assert result.exit_code == 1
    assert any("gone.pem" in fault for fault in json.loads(result.stdout)["faults"])
    result = run(partners=bad)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "fault: partners.ant.signing_keys.1.file: " in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_our_own_key_as_the_partners_is_a_fault(run, files, tmp_path, arguments):
    """As to `notifier check`: exit code 1, and the keys are listed all the same."""
    wrong = tmp_path / "partners.yaml"
    text = (files / "partners.yaml").read_text()
    receiver, sender = files / "receiver-public.pem", files / "sender-public.pem"
    text = text.replace(str(receiver), str(sender))
    for name in (
        "old.pem",
        "new.pem",
        "sender-private.pem",
        "ca.pem",
        "client.pem",
        "client-key.pem",
    ):
        text = text.replace(f": {name}", f": {files / name}")
    wrong.write_text(text)
    result = run(*arguments, partners=wrong)
    assert result.exit_code == 1
    if arguments:
        told = json.loads(result.stdout)
        assert (told["ok"], len(told["keys"])) == (False, 4)
        (fault,) = told["faults"]
    else:
        assert "ant: signing key 2 signs" in result.stdout
        fault = result.stderr.splitlines()[-1]
    assert "partners.ant.peer_public_key_files.1: seen our own public key (ant's key 2)" in fault


def test_one_key_for_two_client_ids_is_a_warning(run, files, tmp_path):
    """As to `notifier check`."""
    entry = yaml.safe_load((files / "partners.yaml").read_text())["partners"]["ant"]
    del entry["tls"], entry["signing_keys"]
    entry["private_key_file"] = str(files / "old.pem")
    both = tmp_path / "partners.yaml"
    both.write_text(
        yaml.safe_dump({"partners": {"one": entry, "two": entry | {"client_id": "OTHER"}}})
    )
    result = run(partners=both)
    assert result.exit_code == 0
    assert "warning: partners one, two: seen one signing key for all of them" in result.stderr
    assert len(json.loads(run("--json", partners=both).stdout)["warnings"]) == 2


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        ("9999-12-31T23:59:59-08:00", "after the year 9999"),
        ("0001-01-01T00:00:00+08:00", "before the year 1"),
    ],
)
def test_a_key_whose_time_is_of_no_year_is_listed(run, files, tmp_path, since, shown):
    """Its year is a year with its own offset, and none in UTC."""
    odd = tmp_path / "partners.yaml"
    odd.write_text(f"""partners:
  ant:
    profiles: [mpp-to-ant]
    client_id: C
    signing_keys:
      - {{version: 1, file: {files / "old.pem"}}}
      - {{version: 2, file: {files / "new.pem"}, from: {since}}}
    peer_public_key_files: {{1: {files / "receiver-public.pem"}}}
""")
    result = run(partners=odd)
    assert result.exit_code == 0
    assert (
        f"ant: signing key 2 {'next' if '9999' in since else 'signs'}, from {shown}, "
        in result.stdout
    )
    assert shown in [row["from"] for row in json.loads(run("--json", partners=odd).stdout)["keys"]]
