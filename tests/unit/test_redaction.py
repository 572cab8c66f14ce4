"""What may be a secret is never printed, by whichever command: settings, partners file, options, URLs of notifications."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from streams.cli import app
from streams.kafka.access.oauth import TokenServer
from streams.kafka.format.facts import read_fact
from streams.kafka.format.raw import RawRecord
from streams.operator.commands.dead_letters import _exported, _headers, _with_headers
from streams.partners import SigningKey
from streams.redaction import shown_path, shown_text, shown_url
from streams.settings import Settings
from streams.webhook.signing import sign, string_to_sign
from tests.support.command_settings import VECTORS, copy_key

MARK = "hunter2"
FILES = [name for name, field in Settings.model_fields.items() if "Path" in str(field.annotation)]
URL = f"https://partner.example?token={MARK}"
COMMANDS = [
    ("check",),
    ("check", "--json"),
    ("keys", "check"),
    ("keys", "check", "--json"),
    ("topics", "check"),
    ("topics", "check", "--json"),
    ("topics", "create", "--json"),
    pytest.param(("worker",), marks=pytest.mark.e2e),  # its imports ask the machine for its name
    ("why", "ORDER", "--json"),
    ("resend", "ORDER", "--why", "x", "--yes"),
    ("undelivered", "--partner", "one", "--since", "1d"),
    ("send-test", "one"),
    ("send-test", "one", "--json"),
    ("dead-letters", "list", "--json"),
    ("dead-letters", "show", "ORDER"),
    ("dead-letters", "export"),
    ("dead-letters", "replay", "--partner", "one"),
    ("unreadable", "show", "topic:0:0"),
    ("console",),
]


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Nothing set but brokers that nobody is at."""
    for name in tuple(os.environ):
        if name.upper().startswith("NOTIFIER"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NOTIFIER_BROKERS", "127.0.0.1:1")
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def said(arguments):
    """Run a command, and return its exit code and all that it printed."""
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, f"{done.output}{done.stderr}{done.exception or ''}"


@pytest.mark.parametrize("arguments", COMMANDS)
def test_no_command_prints_a_setting_that_may_be_a_secret(environment, arguments):
    """Every file's setting holds a password and every URL's a token: each command fails and shows none of them."""
    for name in FILES:
        environment.setenv(f"NOTIFIER_{name.upper()}", f"{MARK}/Aa+{MARK}=")
    environment.setenv("NOTIFIER_KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    environment.setenv("NOTIFIER_KAFKA_SASL_MECHANISM", "OAUTHBEARER")
    environment.setenv("NOTIFIER_KAFKA_OAUTH_TOKEN_URL", f"http://idp.example/t?k={MARK}")
    code, text = said(arguments)
    assert MARK not in text
    assert code == 1
    assert "expected" in text
    environment.setenv("NOTIFIER_KAFKA_OAUTH_TOKEN_URL", f"https://me:{MARK}@idp.example/t")
    environment.setenv("NOTIFIER_CONSOLE_URL", f"https://console.example/?k={MARK}")
    environment.setenv("NOTIFIER_BROKERS", f"me:{MARK}@kafka")
    assert MARK not in said(arguments)[1]


def test_the_settings_that_name_files_are_found():
    """The list above holds them all: each setting whose name ends so, and no other kind of file."""
    assert {name for name in Settings.model_fields if name.endswith("_file")} <= set(FILES)
    assert len(FILES) >= 9


@pytest.mark.parametrize("arguments", COMMANDS)
def test_no_command_prints_what_a_partners_file_may_hide(environment, tmp_path, arguments):
    """Passwords where files were meant, and tokens in URLs, of entries that are refused."""
    file = tmp_path / "partners.yaml"
    file.write_text(
        "partners:\n"
        f"  one:\n    profiles: [mpp-to-ant]\n    client_id: C\n    private_key_file: {MARK}\n"
        f"    agent_token_file: {MARK}/Aa+{MARK}\n    notify_url: '{URL}#'\n"
        f"    allowed_hosts: ['{URL}']\n    proxy: {{url: 'http://u:{MARK}@p.example:1'}}\n"
    )
    environment.setenv("NOTIFIER_PARTNERS_FILE", str(file))
    assert MARK not in said(arguments)[1]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "url", [URL, f"https://partner.example/a?token={MARK}", f"https://10.0.0.1?{MARK}"]
)
def test_a_test_call_shows_no_query(environment, tmp_path, url, as_json):
    """`send-test` names server and path only, whether it is called or blocked."""
    vectors = Path(__file__).parents[1] / "vectors"
    key = tmp_path / "key.pem"
    key.write_bytes((vectors / "sender_private_pkcs8.pem").read_bytes())
    key.chmod(0o600)
    (tmp_path / "partners.yaml").write_text(
        "partners:\n  one:\n    profiles: [mpp-to-ant]\n    client_id: C\n    private_key_file: key.pem\n"
        f"    require_signed_response: false\n    notify_url: '{url}'\n    allowed_hosts: [other.example]\n"
    )
    environment.setenv("NOTIFIER_PARTNERS_FILE", str(tmp_path / "partners.yaml"))
    code, text = said(("send-test", "one", *(["--json"] if as_json else [])))
    assert code == 1
    assert "?…" in (json.loads(text.splitlines()[0])["request"] if as_json else text)
    assert "blocked" in text
    assert MARK not in text
    assert MARK not in said(("check",))[1]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("known", "signed"),
    [
        ("--key", "/shop/notify"),
        ("--partner", "/shop/notify"),
        ("--partner", f"/notify?token={MARK}"),
        ("--partner", f"/old?token={MARK}"),
    ],
)
def test_a_path_that_was_signed_wrongly_is_shown_without_its_query(
    environment, tmp_path, known, signed, as_json
):
    """What `verify` expected, and what was signed in its place: the request's path, the end of it, that of `notify_url`."""
    public = VECTORS / "receiver_public_spki.pem"
    copy_key("sender_private_pkcs8", tmp_path / "key.pem")
    (tmp_path / "partners.yaml").write_text(
        "partners:\n  one:\n    profiles: [mpp-to-ant]\n    client_id: C\n    private_key_file: key.pem\n"
        f"    peer_public_key_files: {{1: {public}}}\n    notify_url: 'https://partner.example/old?token={MARK}'\n"
    )
    environment.setenv("NOTIFIER_PARTNERS_FILE", str(tmp_path / "partners.yaml"))
    time = "2026-11-22T10:15:30+00:00"
    key = load_pem_private_key((VECTORS / "receiver_private_pkcs8.pem").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    signature = sign(SigningKey("1", key, 0), string_to_sign(signed, "C", time, b"{}"))
    answer = f"HTTP/1.1 200 OK\nResponse-Time: {time}\nSignature: {signature}\n\n{{}}"
    (tmp_path / "answer.txt").write_text(answer)
    keys = ("--partner", "one") if known == "--partner" else ("--key", str(public))
    command = ("verify", "answer.txt", *keys, "--client-id", "C")
    path = ("--path", f"/shop/notify?token={MARK}")
    code, text = said((*command, *path, *(["--json"] if as_json else [])))
    assert code == 1
    assert "the signature is over the" in text
    assert "on the wire: /shop/notify?" in text
    assert MARK not in text


@pytest.mark.parametrize(
    "options",
    [
        ("--console", f"https://me:{MARK}@127.0.0.1", "--token-file", "t"),
        ("--console", f"https://127.0.0.1?{MARK}", "--token-file", "t"),
        ("--console", f"https://127.0.0.1:{MARK}/", "--token-file", "t"),
        ("--console", "https://127.0.0.1:1", "--token-file", f"{MARK}"),
        ("--console", "https://127.0.0.1:1", "--token-file", f"ntf_{MARK}/Aa{MARK}"),
    ],
)
def test_why_prints_no_token(environment, tmp_path, options):
    """A password in the console's address, and a token where its file was meant."""
    environment.setenv("NOTIFIER_PARTNERS_FILE", str(tmp_path / "partners.yaml"))
    (tmp_path / "t").write_text("token")
    code, text = said(("why", "ORDER", *options))
    assert code == 2
    assert options[0 if options[3] == "t" else 2] in text
    assert "expected" in text
    # click repeats none of it either
    assert MARK not in text


HEADERS = (
    ("notify-url", URL.encode()),
    ("notify-url", f"https://me:{MARK}@partner.example/".encode()),
    ("notify-url", f"no url {MARK}".encode()),
    ("callback", f"see <{URL}> and https://b.example/{MARK}, \xff".encode("latin-1")),
    ("dead-letter-detail", MARK.encode()),
    ("nothing", None),
)


def test_dead_letters_are_shown_without_paths_and_queries():
    """`show`, its JSON and `export`: of a URL in any header its server only, in the terminal's and the program's form."""
    record = RawRecord("t-dead-letter", 0, 0, b"k", b"{}", HEADERS, 0)
    assert MARK.encode() not in b"".join(value or b"" for _, value in _headers(record))
    dead_letter = read_fact("dead-letter", replace(record, headers=HEADERS[:4]))
    assert MARK not in json.dumps(_with_headers(dead_letter, record))
    names = [name for name, _ in _headers(record)]
    assert names == ["notify-url"] * 3 + ["callback", "nothing"]
    assert b"https://b.example/" in (dict(_headers(record))["callback"] or b"")
    assert MARK not in _exported(dead_letter, record, with_bodies=False)


async def test_a_token_server_that_is_away_is_named_without_its_query(tmp_path):
    """What fails of asking for a token names server and path; a query may hold a key of an API gateway."""
    (tmp_path / "secret").write_text("s")
    server = TokenServer(f"https://127.0.0.1:1/token?key={MARK}", "me", tmp_path / "secret")
    with pytest.raises(Exception, match=re.escape("https://127.0.0.1:1/token?…")) as caught:
        await server.fetch()
    assert MARK not in str(caught.value)


@given(st.text(st.characters(codec="ascii", exclude_characters="/?#@\n"), min_size=1))
def test_no_query_user_or_path_of_a_url_is_shown(secret):
    """Wherever a URL has room for a secret, and however odd that is."""
    secret = f"<{secret}>"
    for url in (
        f"https://a.example?{secret}",
        f"https://a.example/?x={secret}",
        f"https://a.example/{secret}",
        f"https://me:{secret}@a.example/",
        f"HTTPS://{secret}@a.example",
        f"https://a.example/#{secret}",
    ):
        assert secret not in shown_url(url) + shown_text(url)
    assert secret not in shown_url(f"https://a.example/?{secret}", with_path=True)


BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@given(st.text(BASE64, min_size=20).filter(lambda text: not text.islower()))
def test_no_key_in_base64_is_taken_for_a_path(secret):
    """Whatever slashes it has, unless its first part happens to be a folder that is there."""
    if (
        not re.search("[A-Z]", secret)
        or Path("/", secret.split("/")[1 if secret[0] == "/" else 0]).is_dir()
    ):
        return
    assert secret not in shown_path(Path(secret), Path("/nowhere"))


@pytest.mark.parametrize(
    "path",
    [
        "/run/secrets/kafka/password",
        "keys/ours.pem",
        "Keys/Ours.pem",
        "ours.pem",
        "no/such",
        "../a/b",
    ],
)
def test_a_path_that_is_misspelt_is_shown(path):
    """An operator must see what was read."""
    assert shown_path(Path(path)) == repr(path)


def test_a_path_below_a_folder_that_is_there_is_shown(tmp_path):
    """Also where it has blanks and capitals."""
    (tmp_path / "My Keys").mkdir()
    assert shown_path(Path("My Keys/Ours"), tmp_path) == "'My Keys/Ours'"
    assert shown_path(tmp_path / "My Keys" / "Ours") == repr(str(tmp_path / "My Keys" / "Ours"))
