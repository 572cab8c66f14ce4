"""The page for the partner's engineer: its bytes, its openssl lines and its programs do what they say."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streams.notification.profiles import PROFILES
from streams.sandbox.signatures import load_public_key
from streams.webhook.diagnosis import KnownKey
from streams.webhook.recording import read_recording
from streams.webhook.signing import string_to_sign
from streams.webhook.verdict import Side, answer_findings, request_findings
from tests.support.waiting import TIMEOUT_SECONDS

GUIDE = Path("docs/partner-guide.md")
VECTORS = Path(__file__).parents[1] / "vectors"
SENDER, RECEIVER = (VECTORS / f"{who}_public_spki.pem" for who in ("sender", "receiver"))
FILES = {
    "python": "signatures.py",
    "java": "Signatures.java",
    "go": "main.go",
    "js": "signatures.mjs",
}
TOOLS = {"python": sys.executable, "java": "java", "go": "go", "js": "node"}
COMMANDS = {
    "python": [sys.executable, "signatures.py"],
    "java": ["java", "Signatures.java"],
    "go": ["./signatures"],
    "js": ["node", "signatures.mjs"],
}


@pytest.fixture
def guide(pages):
    """The page."""
    return pages[GUIDE]


@pytest.fixture
def exchange(guide):
    """The page's request and its answer."""
    request, answer = (read_recording(text.rstrip("\n").encode()) for text in guide.blocks("http"))
    assert request.request is not None
    assert answer.answer is not None
    return request.request, answer.answer


def run(command, folder):
    done = subprocess.run(  # noqa: S603  # what the page says
        command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=True
    )
    return done.stdout.strip()


def test_the_request_and_the_answer_keep_every_rule(exchange):
    """Signature, headers, body and length of both, by the sender's and the receiver's public keys."""
    request, answer = exchange
    client = request.headers["client-id"]
    sender = Side(client, [KnownKey("sender", load_public_key(SENDER))])
    assert request_findings(request, sender) == ()
    receiver = Side(client, [KnownKey("receiver", load_public_key(RECEIVER))])
    assert answer_findings(answer, request.path, request, receiver) == ()


def test_the_bytes_to_sign_are_those(guide, exchange):
    """Their number, their SHA-256 and how they begin."""
    request, _ = exchange
    signed = string_to_sign(
        request.path, request.headers["client-id"], request.headers["request-time"], request.body
    )
    assert f"{len(signed)} bytes, with SHA-256 `{hashlib.sha256(signed).hexdigest()}`" in guide.text
    assert signed[:24].hex(" ") in guide.text


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")
def test_the_openssl_lines_run(guide, exchange, tmp_path):
    """They make keys, verify the page's request, and make the page's answer's signature to the letter."""
    request, answer = exchange
    for name, source in (
        ("sender-public.pem", SENDER),
        ("example.pem", VECTORS / "receiver_private_pkcs8.pem"),
    ):
        (tmp_path / name).write_bytes(source.read_bytes())
    (tmp_path / "body.json").write_bytes(request.body)
    (tmp_path / "answer.json").write_bytes(answer.body)
    (tmp_path / "signature.txt").write_text(
        request.headers["signature"].rpartition("signature=")[2]
    )
    make, check, sign = (text for text in guide.blocks("sh") if "openssl" in text)
    assert (
        "SHA2-256" in run(["bash", "-euc", make], tmp_path).upper()
        or (tmp_path / "receiver-public.pem").exists()
    )
    assert run(["bash", "-euc", check], tmp_path) == "Verified OK"
    (tmp_path / "example.pem").rename(tmp_path / "receiver-private.pem")
    assert (
        run(["bash", "-euc", sign], tmp_path)
        == answer.headers["signature"].rpartition("signature=")[2]
    )


@pytest.mark.parametrize("language", FILES)
def test_the_programs_verify_and_sign(guide, exchange, tmp_path, language):
    """Each takes the page's request, refuses it with another body or no signature, and signs as the vendor's SDK did."""
    if shutil.which(TOOLS[language]) is None:
        pytest.skip(f"no {TOOLS[language]} on this machine")
    (program,) = guide.blocks(language)
    (tmp_path / FILES[language]).write_text(program, encoding="utf-8")
    if language == "go":
        (tmp_path / "go.mod").write_text("module signatures\n\ngo 1.21\n")
        run(["go", "build", "-o", "signatures", "."], tmp_path)
    request, _ = exchange
    (tmp_path / "body").write_bytes(request.body)
    (tmp_path / "other").write_bytes(request.body + b"\n")
    about = (request.path, request.headers["client-id"], request.headers["request-time"])
    for body, header, expected in (
        ("body", request.headers["signature"], "true"),
        ("other", request.headers["signature"], "false"),
        ("body", "signature=", "false"),
    ):
        command = [*COMMANDS[language], "verify", str(SENDER), *about, body, header]
        assert run(command, tmp_path) == expected
    vectors = json.loads((VECTORS / "vectors.json").read_text())["vectors"]
    vector = next(each for each in vectors if each["kind"] == "response")
    (tmp_path / "body").write_bytes(vector["body"].encode())
    time = vector.get("response_time") or vector["request_time"]
    key = VECTORS / f"{vector['signer']}_private_pkcs8.pem"
    made = run(
        [*COMMANDS[language], "sign", str(key), vector["path"], vector["client_id"], time, "body"],
        tmp_path,
    )
    assert made == f"algorithm=RSA256,keyVersion=1,signature={vector['signature_urlencoded']}"


def test_every_profile_and_its_ladder_are_there(guide):
    """Attempts and waits of each profile, its order id and its result member are the registry's."""
    for name, profile in PROFILES.items():
        rows = [
            row for row in guide.text.splitlines() if row.startswith("|") and f"`{name}`" in row
        ]
        waits = " ".join(wait.label for wait in profile.ladder.waits)
        assert any(f"| {profile.ladder.attempts} | {waits} |" in row for row in rows), name
        assert any(
            f"| `{profile.order_id_member}` |" in row and f"`{profile.result_member}`" in row
            for row in rows
        ), name
