import os
import ssl
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from streams.notification.profiles import PROFILES
from streams.partners import (
    PartnersFile,
    PartnersFileError,
    Rejected,
    Reloaded,
    Unchanged,
    load_partners,
)
from tests.support.authority import Authority

NOW = 1_795_342_530.0  # 2026-11-22T10:15:30Z
VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture(scope="session")
def rsa_key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def other_rsa_key():
    return rsa.generate_private_key(65537, 2048)


def private_pem(key, form=PrivateFormat.PKCS8, encryption=None):
    return key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())


def public_pem(key, form=PublicFormat.SubjectPublicKeyInfo):
    return key.public_key().public_bytes(Encoding.PEM, form)


@pytest.fixture
def folder(tmp_path, rsa_key, other_rsa_key):
    """A folder with keys of every form."""
    keys = tmp_path / "keys"
    keys.mkdir()
    for name, content in {
        "pkcs8.pem": private_pem(rsa_key),
        "pkcs1.pem": private_pem(other_rsa_key, PrivateFormat.TraditionalOpenSSL),
        "locked.pem": private_pem(rsa_key, encryption=BestAvailableEncryption(b"x")),
        "short.pem": private_pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505  # a key to refuse
        "short-public.pem": public_pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505  # a key to refuse
        "ec.pem": private_pem(ec.generate_private_key(ec.SECP256R1())),
        "ec-public.pem": public_pem(ec.generate_private_key(ec.SECP256R1())),
        "theirs.pem": public_pem(rsa_key),
        "theirs-pkcs1.pem": public_pem(rsa_key, PublicFormat.PKCS1),
        "no.pem": b"-----BEGIN NOTHING-----\n",
        "huge.pem": b"x" * ((1 << 20) + 1),
    }.items():
        path = keys / name
        path.write_bytes(content)
        path.chmod(0o640)
    (keys / "open.token").write_text("token")
    (keys / "open.token").chmod(0o644)
    (keys / "secret.token").write_text("s3cret-token\n")
    (keys / "secret.token").chmod(0o400)
    return tmp_path


@pytest.fixture
def write(folder):
    def write(text):
        path = folder / "partners.yaml"
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.fixture
def entry(write):
    """Write a file with one partner from lines that change a good entry; None leaves a line out."""

    def entry(**changed):
        lines = {
            "profiles": "[mpp-to-alipay-plus]",
            "client_id": "CLIENT",
            "private_key_file": "keys/pkcs8.pem",
            "peer_public_key_files": "{1: keys/theirs.pem}",
        } | changed
        body = "\n".join(f"    {key}: {value}" for key, value in lines.items() if value is not None)
        return write(f"partners:\n  one:\n{body}\n")

    return entry


def faults(path, **options):
    with pytest.raises(PartnersFileError) as caught:
        load_partners(path, NOW, **options)
    assert str(caught.value) == "\n".join(caught.value.faults)
    return caught.value.faults


def test_the_contracts_example_loads(write, rsa_key):
    """Every key of the contract's example, with its meaning."""
    partners = load_partners(
        write("""
            partners:
              alipayplus:
                profiles: [mpp-to-alipay-plus]
                client_id: SANDBOX_5YTESTONLY000001
                private_key_file: keys/pkcs8.pem
                key_version: 1
                peer_public_key_files: {1: keys/theirs.pem, "2b": keys/theirs-pkcs1.pem}
                require_signed_response: true
                notify_url: https://open-sea.example.com/notify
                allowed_hosts: [Open-Sea.example.com, "b\u00fccher.example", 8.8.8.8]
                max_in_flight: 32
                rate_limit_per_second: 200
                request_time_format: epoch-ms
                attempt_timeout_seconds: 2.5
                paused: true
                unmapped_reason: hold
                reasons: {E1042: USER_BALANCE_NOT_ENOUGH}
        """),
        NOW,
    )
    assert list(partners) == ["alipayplus"]
    assert partners.warnings == ()
    partner = partners["alipayplus"]
    assert partner.partner_id == "alipayplus"
    assert partner.client_id == "SANDBOX_5YTESTONLY000001"
    key = partner.signing_key(NOW)
    assert (key.version, key.private_key.private_numbers()) == ("1", rsa_key.private_numbers())
    assert {v: k.public_numbers() for v, k in partner.peer_keys.items()} == dict.fromkeys(
        ("1", "2b"), rsa_key.public_key().public_numbers()
    )
    assert partner.require_signed_response is True
    assert partner.allowed_hosts == frozenset(
        {"open-sea.example.com", "xn--bcher-kva.example", "8.8.8.8"}
    )
    assert (partner.max_in_flight, partner.rate_limit_per_second) == (32, 200)
    assert partner.request_time_format == "epoch-ms"
    assert partner.attempt_timeout_seconds == 2.5
    assert partner.paused
    assert partner.tls is None
    assert partner.terms.profiles == frozenset({"mpp-to-alipay-plus"})
    assert partner.terms.reasons == {"E1042": "USER_BALANCE_NOT_ENOUGH"}
    assert partner.terms.hold_unmapped
    assert partner.terms.notify_url == "https://open-sea.example.com/notify"


def test_allowed_hosts_may_name_ports(entry):
    """Each in its one spelling; its own notify_url's server is named too, without being a host that events may name."""
    hosts = "[A.example., 'B.example:08443', '::1', '[0::1]:9443', '8.8.8.8:444']"
    url = "https://a.example:7443/x"
    partner = load_partners(entry(allowed_hosts=hosts, notify_url=url), NOW)["one"]
    listed = frozenset({"a.example", "b.example:8443", "::1", "[::1]:9443", "8.8.8.8:444"})
    assert partner.allowed_hosts == listed
    assert partner.named_servers == listed | {"a.example:7443"}
    alone = load_partners(entry(notify_url=url), NOW)["one"]
    assert alone.allowed_hosts is None
    assert alone.named_servers == frozenset({"a.example:7443"})


@pytest.mark.parametrize("hosts", ["[b.example]", "['a.example:8443']", "['a.example:443']"])
def test_a_notify_url_that_is_not_allowed_is_warned_about(entry, hosts):
    """What `allowed_hosts` does not name is never called: that is known before the first notification."""
    loaded = load_partners(entry(allowed_hosts=hosts, notify_url="https://a.example:7443/x"), NOW)
    (warning,) = loaded.warnings
    assert warning.startswith("partners.one.notify_url: ")
    assert "allowed_hosts" in warning
    assert "blocked-destination" in warning


def test_defaults(entry):
    """What an entry leaves out has the contract's default."""
    partner = load_partners(entry(), NOW)["one"]
    assert partner.signing_key(NOW).version == "1"
    assert partner.require_signed_response is None
    assert partner.allowed_hosts is None
    assert partner.rate_limit_per_second is None
    assert partner.terms.notify_url is None
    assert not partner.paused
    assert not partner.terms.hold_unmapped
    assert (partner.max_in_flight, partner.attempt_timeout_seconds) == (64, 5)
    assert partner.request_time_format == "iso8601"


@pytest.mark.parametrize("setting", [True, False, None])
def test_signed_answers_by_profile(entry, setting):
    """Unless the entry says so, each profile has its own rule."""
    value = None if setting is None else str(setting).lower()
    profiles = f"[{', '.join(PROFILES)}]"
    partner = load_partners(entry(profiles=profiles, require_signed_response=value), NOW)["one"]
    for profile in PROFILES.values():
        default = profile.signed_answer
        assert partner.signed_answer(profile) == (default if setting is None else setting)


@pytest.mark.parametrize(
    ("profiles", "setting"), [("[alipay-to-merchant]", None), ("[mpp-to-ant]", "false")]
)
def test_no_peer_key_where_no_signature_is_required(entry, profiles, setting):
    """A merchant needs none, and an entry may do without signatures."""
    path = entry(profiles=profiles, require_signed_response=setting, peer_public_key_files=None)
    assert not load_partners(path, NOW)["one"].peer_keys


def test_pkcs1_and_several_signing_keys(entry):
    """The newest key whose time has come signs; the next takes over by itself."""
    partner = load_partners(
        entry(
            private_key_file=None,
            signing_keys="[{version: 2, file: keys/pkcs1.pem, from: 2027-01-01T00:00:00Z},"
            " {version: 1, file: keys/pkcs8.pem},"
            " {version: 0, file: keys/pkcs8.pem, from: '2020-01-01T08:00:00+08:00'}]",
        ),
        NOW,
    )["one"]
    new_year = 1_798_761_600.0
    assert partner.signing_key(NOW).version == "0"
    assert partner.signing_key(new_year - 0.001).version == "0"
    assert partner.signing_key(new_year).version == "2"
    assert partner.signing_key(0).version == "1"
    assert "private_key" not in repr(partner.signing_keys)


@pytest.mark.parametrize(
    ("changed", "where", "expected"),
    [
        ({"profiles": None}, "profiles", "missing"),
        ({"profiles": "[]"}, "profiles", "at least 1 item"),
        ({"profiles": "mpp-to-ant"}, "profiles", "expected: should be a valid list"),
        (
            {"profiles": "[mpp-to-moon]"},
            "profiles.0",
            "seen 'mpp-to-moon', expected one of mpp-to-alipay-plus",
        ),
        ({"client_id": None}, "client_id", "missing"),
        ({"client_id": "''"}, "client_id", "pattern"),
        ({"client_id": "[x]"}, "client_id", "seen a list, expected: should be a valid string"),
        ({"client_id": "null"}, "client_id", "seen no value (null), expected text"),
        ({"client_id": "'a b'"}, "client_id", "pattern"),
        ({"client_id": '"a\\r\\nX: y"'}, "client_id", "pattern"),
        ({"key_version": "1:30"}, "key_version", "seen 1:30, expected a key version like 1"),
        ({"key_version": ""}, "key_version", "seen no value, expected a key version like 1"),
        ({"key_version": "'1,2'"}, "key_version", "seen '1,2', expected a key version like 1"),
        (
            {"private_key_file": None},
            "signing_keys",
            "expected either private_key_file or signing_keys",
        ),
        ({"private_key_file": "~"}, "private_key_file", "expected the name of a file"),
        (
            {"private_key_file": "keys/none.pem"},
            "private_key_file",
            "can be read (No such file or directory)",
        ),
        ({"private_key_file": "keys"}, "private_key_file", "can be read (Is a directory)"),
        ({"private_key_file": "keys/no.pem"}, "private_key_file", "RSA private key in PEM"),
        ({"private_key_file": "keys/huge.pem"}, "private_key_file", "more than 1 MiB"),
        ({"private_key_file": "keys/theirs.pem"}, "private_key_file", "RSA private key in PEM"),
        ({"private_key_file": "keys/ec.pem"}, "private_key_file", "another kind of private key"),
        (
            {"private_key_file": "keys/short.pem"},
            "private_key_file",
            "seen 1024 bits in 'keys/short.pem'",
        ),
        ({"private_key_file": "keys/locked.pem"}, "private_key_file", "with a passphrase"),
        (
            {"signing_keys": "[{version: 1, file: keys/pkcs8.pem}]"},
            "signing_keys",
            "expected either private_key_file or signing_keys",
        ),
        ({"private_key_file": None, "signing_keys": "[]"}, "signing_keys", "at least 1 item"),
        (
            {
                "private_key_file": None,
                "key_version": "1",
                "signing_keys": "[{version: 1, file: keys/pkcs8.pem}]",
            },
            "signing_keys",
            "expected no key_version",
        ),
        (
            {
                "private_key_file": None,
                "signing_keys": "[{version: 1, file: keys/pkcs8.pem, from: 2027-01-01T00:00:00Z}]",
            },
            "signing_keys",
            "no key is in force yet",
        ),
        (
            {
                "private_key_file": None,
                "signing_keys": "[{version: 1, file: keys/pkcs8.pem},"
                " {version: 1, file: keys/pkcs1.pem, from: 2020-01-01T00:00:00Z}]",
            },
            "signing_keys",
            "two keys with the same version",
        ),
        (
            {
                "private_key_file": None,
                "signing_keys": "[{version: 1, file: keys/pkcs8.pem}, {version: 2, file: keys/pkcs1.pem}]",
            },
            "signing_keys",
            "two keys with the same from",
        ),
        (
            {
                "private_key_file": None,
                "signing_keys": "[{version: 1, file: keys/pkcs8.pem, from: 2020-01-01T00:00:00}]",
            },
            "signing_keys.0.from",
            "ISO 8601 time with offset",
        ),
        (
            {
                "private_key_file": None,
                "signing_keys": "[{version: 1, file: keys/pkcs8.pem, from: soon}]",
            },
            "signing_keys.0.from",
            "seen 'soon', expected an ISO 8601 time",
        ),
        (
            {"private_key_file": None, "signing_keys": "[{version: 1, file: keys/none.pem}]"},
            "signing_keys.0.file",
            "can be read",
        ),
        (
            {"peer_public_key_files": None},
            "require_signed_response",
            "answers of mpp-to-alipay-plus",
        ),
        (
            {
                "peer_public_key_files": "{}",
                "profiles": "[alipay-to-merchant]",
                "require_signed_response": "true",
            },
            "require_signed_response",
            "it is true, expected peer_public_key_files",
        ),
        ({"peer_public_key_files": "{1: keys/none.pem}"}, "peer_public_key_files.1", "can be read"),
        (
            {"peer_public_key_files": "{1: keys/no.pem}"},
            "peer_public_key_files.1",
            "RSA public key",
        ),
        (
            {"peer_public_key_files": "{1: keys/pkcs8.pem}"},
            "peer_public_key_files.1",
            "RSA public key",
        ),
        (
            {"peer_public_key_files": "{1: keys/ec-public.pem}"},
            "peer_public_key_files.1",
            "another kind",
        ),
        (
            {"peer_public_key_files": "{1: keys/short-public.pem}"},
            "peer_public_key_files.1",
            "1024 bits",
        ),
        (
            {"peer_public_key_files": "{x y: keys/theirs.pem}"},
            "peer_public_key_files.x y",
            "key version",
        ),
        (
            {"require_signed_response": "1"},
            "require_signed_response",
            "seen 1, expected a valid boolean: true or false",
        ),
        ({"notify_url": "http://x.example/"}, "notify_url", "plain http"),
        ({"notify_url": "https://u:p@x.example/"}, "notify_url", "without user"),
        ({"notify_url": "https://x.example/#f"}, "notify_url", "fragment"),
        ({"allowed_hosts": "[]"}, "allowed_hosts", "at least 1 item"),
        ({"allowed_hosts": "['https://x.example']"}, "allowed_hosts.0", "expected a host name"),
        ({"allowed_hosts": "['x.example:0']"}, "allowed_hosts.0", "between 1 and 65535"),
        ({"allowed_hosts": "['x.example:65536']"}, "allowed_hosts.0", "between 1 and 65535"),
        ({"allowed_hosts": "['x.example:https']"}, "allowed_hosts.0", "or with a port"),
        ({"allowed_hosts": "['x.example:443/x']"}, "allowed_hosts.0", "expected a host name"),
        ({"allowed_hosts": "['*.example']"}, "allowed_hosts.0", "expected a host name"),
        ({"allowed_hosts": "['\u00fc\u3002\u3002x']"}, "allowed_hosts.0", "expected a host name"),
        (
            {"max_in_flight": "0"},
            "max_in_flight",
            "seen 0, expected: should be greater than or equal to 1",
        ),
        ({"max_in_flight": "'8'"}, "max_in_flight", "valid integer"),
        ({"rate_limit_per_second": "0"}, "rate_limit_per_second", "greater than 0"),
        ({"rate_limit_per_second": ".inf"}, "rate_limit_per_second", "finite"),
        ({"rate_limit_per_second": ".nan"}, "rate_limit_per_second", ""),
        ({"request_time_format": "epoch"}, "request_time_format", "'iso8601' or 'epoch-ms'"),
        (
            {"attempt_timeout_seconds": "0.5"},
            "attempt_timeout_seconds",
            "greater than or equal to 1",
        ),
        (
            {"attempt_timeout_seconds": "10.1"},
            "attempt_timeout_seconds",
            "less than or equal to 10",
        ),
        ({"paused": "'no'"}, "paused", "valid boolean"),
        ({"unmapped_reason": "drop"}, "unmapped_reason", "'send' or 'hold'"),
        ({"reasons": "{E1: SUCCESS}"}, "reasons", "seen another code for E1, expected one of"),
        ({"reasons": "{E1: NO_SUCH}"}, "reasons", "expected one of"),
        ({"reasons": "{E1: [RISK_REJECT]}"}, "reasons.E1", "valid string"),
        ({"retries": "3"}, "retries", "there is no such key"),
        ({"refuse_stale_responses": "'yes'"}, "refuse_stale_responses", "valid boolean"),
        ({"agent_token_file": "keys/none.pem"}, "agent_token_file", "can be read"),
        ({"agent_token_file": "keys/pkcs8.pem"}, "agent_token_file", "one line of 1 to 1024"),
        ({"proxy": "{url: 'http://p.example:3128'}"}, "proxy", "expected allowed_hosts beside it"),
        *(
            ({"allowed_hosts": "[x.example]", "proxy": "{" + text + "}"}, "proxy", says)
            for text, says in (
                ("url: 'http://p.example'", "expected http://host:port"),
                ("url: 'socks5://p.example:1080'", "expected http://host:port"),
                ("url: 'http://u:p@p.example:1'", "without user and path"),
                ("url: 'http://p.example:1/x'", "without user and path"),
                ("url: 'http://[::1:1'", "expected http://host:port"),
                ("url: 'http://p.example:1', ca_file: keys/no.pem", "with an https url only"),
                ("url: 'https://p.example:1', ca_file: keys/no.pem", "CA certificates in PEM"),
                ("url: 'http://p.example:1', user: me", "both user and password_file"),
            )
        ),
        ({"tls": "{ca: x}"}, "tls.ca", "there is no such key"),
        ({"tls": "{client_certificate_file: keys/no.pem}"}, "tls", "or neither"),
        ({"tls": "{ca_file: keys/none.pem}"}, "tls", "can be read"),
        ({"tls": "{ca_file: keys/no.pem}"}, "tls", "CA certificates in PEM"),
        (
            {"tls": "{client_certificate_file: keys/no.pem, client_key_file: keys/pkcs8.pem}"},
            "tls",
            "expected a certificate in PEM and its own private key",
        ),
    ],
)
def test_faults_say_where_and_what_was_expected(entry, changed, where, expected):
    """One wrong thing is one fault, at its place."""
    (fault,) = faults(entry(**changed))
    assert fault.startswith(f"partners.one.{where}: "), fault
    assert expected in fault


def test_all_faults_come_at_once(write):
    """Faults of several entries, of keys, files and cross-checks, in one go."""
    found = faults(
        write("""
            partners:
              one:
                profiles: [mpp-to-ant, moon]
                client_id: ''
                private_key_file: keys/none.pem
                max_in_flight: 0
                colour: red
                tls: {ca_file: keys/gone.pem}
                reasons: {E1: NO_SUCH}
              two:
                profiles: [mpp-to-ant]
                client_id: C
                signing_keys: [{version: 1, file: keys/no.pem}]
                reasons: {E1: SUCCESS}
              ~: {}
              four: text
        """)
    )
    places = sorted(fault.split(": ")[0] for fault in found)
    assert places == [
        "partners.four",
        "partners.one.client_id",
        "partners.one.colour",
        "partners.one.max_in_flight",
        "partners.one.private_key_file",
        "partners.one.profiles.1",
        "partners.one.tls",
        "partners.two.reasons",
        "partners.two.require_signed_response",
        "partners.two.signing_keys.0.file",
        "partners.~",
    ]


def test_cross_checks_wait_for_what_they_need(write):
    """A wrong profile or key is told once, not again by what depends on it."""
    found = faults(
        write("""
            partners:
              one:
                profiles: [moon]
                client_id: C
                private_key_file: keys/none.pem
                signing_keys: [{version: 1, file: keys/pkcs8.pem}]
                reasons: {E1: NO_SUCH}
        """)
    )
    assert [fault.split(": ")[0] for fault in found] == [
        "partners.one.profiles.0",
        "partners.one.private_key_file",
    ]


def test_no_fault_quotes_a_key(entry, rsa_key):
    """A key pasted in place of its file's name does not come back in a message, however it is quoted."""
    pem = private_pem(rsa_key).decode()
    lines = pem.splitlines()
    escaped = f'"{pem.replace(chr(10), chr(92) + "n")}"'
    for pasted in (escaped, " ".join(lines), "|\n      " + "\n      ".join(lines), lines[1]):
        (fault,) = faults(entry(private_key_file=pasted))
        assert "private_key_file: seen a value of " in fault
        assert not [line for line in lines if line[:20] in fault]


SECRETS = [
    "hunter2",
    "1234567890",
    "0x1F4D",
    "'correct horse battery staple'",
    "c2VjcmV0+/IHNlY3JldA==",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "*K7MDENGhunter2",
    "!K7MDENGhunter2",
    "'!K7MDENG?hunter2'",
    "https://user:hunter2@host.example/",
    "https://host.example?token=hunter2",
    "[hunter2, K7MDENG]",
    "{hunter2: K7MDENG}",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "place",
    [
        "private_key_file: ",
        "signing_keys: [{version: 1, file: %}]",
        "peer_public_key_files: {1: %}",
        "agent_token_file: ",
        "tls: {ca_file: %}",
        "tls: {client_certificate_file: %, client_key_file: keys/pkcs8.pem}",
        "tls: {client_certificate_file: keys/pkcs8.pem, client_key_file: %}",
        "proxy: {url: 'https://p.example:1', ca_file: %}",
        "proxy: {url: 'http://p.example:1', user: u, password_file: %}",
    ],
)
def test_a_secret_where_a_file_was_meant_is_not_quoted(entry, place, secret):
    """Passwords, tokens, keys and URLs, in every key that takes the name of a file; the place is named all the same."""
    key, _, value = place.partition(": ")
    changed = {"allowed_hosts": "[x.example]", key: value.replace("%", secret) or secret}
    if key == "signing_keys":
        changed["private_key_file"] = None
    said = "\n".join(faults(entry(**changed)))
    assert f"partners.one.{key}" in said or "line " in said
    marks = ("hunter2", "K7MDENG", "1234567890", "0x1F4D", "horse", "c2VjcmV0")
    assert [mark for mark in marks if mark in said] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"notify_url": "https://x.example/a?token=hunter2#f"},
        {"notify_url": "https://x.example?token=hunter2#f"},
        {"notify_url": "https://user:hunter2@x.example/"},
        {"notify_url": "https://x.example/hunter2/a b"},
        {"notify_url": "//x.example?token=hunter2"},
        {"allowed_hosts": "['https://x.example/hunter2']"},
        {"allowed_hosts": "['https://x.example?token=hunter2']"},
        {"allowed_hosts": "['user:hunter2@x.example']"},
        {"proxy": "{url: 'http://u:hunter2@p.example:1'}"},
        {"proxy": "{url: 'http://p.example:1/?hunter2'}"},
        {"proxy": "{url: 'http://p.example:1', user: 'me:hunter2', password_file: keys/pkcs8.pem}"},
    ],
)
def test_what_a_url_may_hide_is_not_quoted(entry, changed):
    """User, password, path and query of a URL that is refused stay out of the fault."""
    said = "\n".join(faults(entry(**{"allowed_hosts": "[x.example]"} | changed)))
    assert f"partners.one.{next(iter(changed))}" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("partners: [", "line 1: no YAML"),
        ("partners:\n  a: {}\n  a: {}\n", "line 3: the key 'a' is given twice"),
        ("partners:\n  a: {x: 1, x: 2}\n", "line 2: the key 'x' is given twice"),
        ("partners:\n  a: !!python/object:os.system {}\n", "line 2: no YAML"),
        ("partners:\n  ? [1]\n  : {}\n", "line 2: no YAML"),
        (
            "partners:\n  a: 2026-99-99\n",
            "partners.a: seen 2026-99-99, expected: should be a valid dict",
        ),
        ("partners:\n  a: !!int 010\n", "line 2: no YAML: the tag '!!int'"),
        ("partners:\n\ta: {}\n", "line 2: no YAML: a tab"),
        ("partners:\n  a: {}\n---\n", "line 3: no YAML: a second document"),
        ("partners: {a: {<<: {x: 1}, <<: {y: 1}}}", "line 1: the key '<<' is given twice"),
        ("partners: {a: \x00}", "no YAML: special characters"),
        ("--- 1\n--- 2\n", "no YAML"),
        ("", "partners: expected a mapping"),
        ("partners:\n", "partners: expected a mapping"),
        ("partners: {}\n", "partners: expected a mapping"),
        ("[]", "partners: expected a mapping"),
        ("colour: red\npartners: {a: {}}\n", "colour: there is no such key"),
    ],
)
def test_a_file_that_is_no_partners_file(write, text, expected):
    """Broken YAML is refused with its line, a key twice too, and anything but `partners` at the top."""
    assert any(expected in fault for fault in faults(write(text)))


def test_every_twin_key_is_named(write):
    """Not the first alone."""
    found = faults(write("partners:\n  a: {x: 1, x: 2}\n  b: {}\n  b: {}\n"))
    assert [fault.split(": ", 1)[1].split(":")[0] for fault in found] == ["line 2", "line 4"]


def test_yaml_merge_keys_may_be_overridden(write):
    """`<<` is how entries share lines; what it brings is not a twin."""
    path = write("""
        partners:
          one: &common
            profiles: [mpp-to-ant]
            client_id: C
            private_key_file: keys/pkcs8.pem
            peer_public_key_files: {1: keys/theirs.pem}
          two:
            <<: *common
            client_id: D
    """)
    assert load_partners(path, NOW)["two"].client_id == "D"


def test_a_missing_file_is_a_fault(folder):
    """No traceback for a path that leads nowhere."""
    (fault,) = faults(folder / "nowhere.yaml")
    assert "expected a file that can be read" in fault


def test_plain_http_when_allowed(entry):
    """NOTIFIER_ALLOW_HTTP reaches the partners file too."""
    path = entry(notify_url="http://127.0.0.1:8080/x")
    partners = load_partners(path, NOW, allow_http=True)
    assert partners["one"].terms.notify_url == "http://127.0.0.1:8080/x"


@pytest.mark.parametrize(
    ("mode", "good"),
    [
        (0o600, True),
        (0o400, True),
        (0o640, True),
        (0o440, True),
        (0o644, False),
        (0o604, False),
        (0o602, False),
        (0o660, False),
        (0o620, False),
    ],
)
def test_a_key_that_others_can_read_or_its_group_can_write_is_warned_about(
    entry, folder, mode, good
):
    """The group may read it, as Kubernetes mounts secrets; nobody else may, and only its owner may write it."""
    (folder / "keys/pkcs8.pem").chmod(mode)
    warnings = load_partners(entry(), NOW).warnings
    if good:
        assert warnings == ()
    else:
        (warning,) = warnings
        assert warning.startswith(f"partners.one: 'keys/pkcs8.pem': mode {mode:04o} lets ")
        assert "expected 0600, 0640 or less" in warning


def test_a_partners_file_that_everybody_may_write_is_refused(entry):
    """Whoever can write it decides who is called and whose answers count; to be read by others does no harm."""
    path = entry()
    path.chmod(0o666)
    with pytest.raises(
        PartnersFileError, match="mode 0666 lets every user of the machine write it"
    ):
        load_partners(path, NOW)
    path.chmod(0o644)
    assert load_partners(path, NOW).keys() == {"one"}


@pytest.mark.parametrize(
    "options",
    [
        {"agent_token_file": "keys/open.token"},
        {
            "allowed_hosts": "[x.example]",
            "proxy": "{url: 'http://p.example:1', user: me, password_file: keys/open.token}",
        },
    ],
)
def test_a_token_or_password_that_others_can_read_is_warned_about(entry, options):
    """Every secret file is looked at, not only keys."""
    (warning,) = load_partners(entry(**options), NOW).warnings
    assert "'keys/open.token': mode 0644 lets every user" in warning


@pytest.fixture
def tls_files(folder):
    """A CA, a client certificate of it, and a key that belongs to another."""
    ca = trustme.CA()
    ours, other = ca.issue_cert("client.example"), ca.issue_cert("other.example")
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ours.cert_chain_pems[0].write_to_path(folder / "client.pem")
    ours.private_key_pem.write_to_path(folder / "client.key")
    other.private_key_pem.write_to_path(folder / "other.key")
    for name in ("client.key", "other.key"):
        (folder / name).chmod(0o600)


@pytest.mark.usefixtures("tls_files")
def test_mutual_tls(entry):
    """CA and certificate are loaded; a CA of its own replaces the public ones."""
    tls = "{ca_file: ca.pem, client_certificate_file: client.pem, client_key_file: client.key}"
    partners = load_partners(entry(tls=tls), NOW)
    context = partners["one"].tls
    assert context is not None
    assert len(context.get_ca_certs()) == 1
    assert partners.warnings == ()
    context = load_partners(entry(tls="{ca_file: ca.pem}"), NOW)["one"].tls
    assert context is not None
    assert len(context.get_ca_certs()) == 1
    client_only = "{client_certificate_file: client.pem, client_key_file: client.key}"
    context = load_partners(entry(tls=client_only), NOW)["one"].tls
    assert context is not None
    assert len(context.get_ca_certs()) > 50


def test_an_authority_that_the_strict_rules_refuse_is_warned_about(entry, folder):
    """At the start and by a check, not at the first handshake; an entry that lets it pass is not warned."""
    (folder / "old.pem").write_bytes(Authority("Old", without="key-usage").pem)
    partners = load_partners(entry(tls="{ca_file: old.pem}"), NOW)
    (warning,) = partners.warnings
    assert warning.startswith("partners.one: 'old.pem': the strict chain rules refuse a CA")
    assert "no Key Usage; expected one that follows RFC 5280, or strict: false" in warning
    strict = partners["one"].tls
    assert strict is not None
    assert strict.verify_flags & ssl.VERIFY_X509_STRICT
    lenient = load_partners(entry(tls="{ca_file: old.pem, strict: false}"), NOW)
    assert lenient.warnings == ()
    tls = lenient["one"].tls
    assert tls is not None
    assert not tls.verify_flags & ssl.VERIFY_X509_STRICT
    assert tls.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    proxy = "{url: 'https://proxy.example:3128', ca_file: old.pem, strict: false}"
    partner = load_partners(entry(allowed_hosts="[x.example]", proxy=proxy), NOW)["one"]
    assert partner.proxy is not None
    assert partner.proxy.tls is not None
    assert not partner.proxy.tls.verify_flags & ssl.VERIFY_X509_STRICT


@pytest.mark.usefixtures("tls_files")
def test_a_client_key_of_another_certificate_is_a_fault(entry):
    """Found at the start, not at the first handshake."""
    tls = "{client_certificate_file: client.pem, client_key_file: other.key}"
    (fault,) = faults(entry(tls=tls))
    assert "its own private key" in fault


def test_polling_an_unchanged_file(entry):
    """Nothing is read again while nothing changes."""
    holder = PartnersFile(entry(), NOW)
    before = holder.current
    assert holder.poll(NOW) == Unchanged()
    assert holder.current is before


def test_a_reload_keeps_partners_that_did_not_change(write):
    """Only what changed is a new object, so that connections to the others live on."""
    text = """
        partners:
          {}: {{profiles: [mpp-to-ant], client_id: C, private_key_file: keys/pkcs8.pem,
                peer_public_key_files: {{1: keys/theirs.pem}}}}
          b: {{profiles: [mpp-to-ant], client_id: {}, private_key_file: keys/pkcs8.pem,
               peer_public_key_files: {{1: keys/theirs.pem}}}}
          c: {{profiles: [mpp-to-ant], client_id: C, private_key_file: keys/pkcs8.pem,
               peer_public_key_files: {{1: keys/theirs.pem}}}}
    """
    holder = PartnersFile(write(text.format("a", "OLD")), NOW)
    before = holder.current
    write(text.format("z", "NEWER"))
    result = holder.poll(NOW)
    assert isinstance(result, Reloaded)
    assert result.partners is holder.current
    assert result.changed == frozenset({"b", "z"})
    assert result.removed == frozenset({"a"})
    assert holder.current["c"] is before["c"]
    assert holder.current["b"].client_id == "NEWER"
    assert before["b"].client_id == "OLD"
    assert holder.poll(NOW) == Unchanged()


def test_a_new_key_in_the_same_file_is_noticed(entry, folder, other_rsa_key):
    """The partners file itself may stay as it is."""
    holder = PartnersFile(entry(), NOW)
    (folder / "keys/pkcs8.pem").write_bytes(private_pem(other_rsa_key) + b"\n")
    result = holder.poll(NOW)
    assert isinstance(result, Reloaded)
    assert result.changed == frozenset({"one"})
    private = holder.current["one"].signing_key(NOW).private_key
    assert private.private_numbers() == other_rsa_key.private_numbers()


def test_a_bad_version_keeps_the_old_one_in_force(entry):
    """It is reported once, and again when it changes; the mended one comes into force."""
    holder = PartnersFile(entry(), NOW)
    before = holder.current
    entry(max_in_flight="0")
    result = holder.poll(NOW)
    assert isinstance(result, Rejected)
    assert "max_in_flight" in result.faults[0]
    assert holder.current is before
    assert holder.poll(NOW) == Unchanged()
    entry(max_in_flight="-10")
    assert isinstance(holder.poll(NOW), Rejected)
    entry(max_in_flight="100")
    assert isinstance(holder.poll(NOW), Reloaded)
    assert holder.current["one"].max_in_flight == 100


def test_a_key_that_comes_late_heals_a_bad_version(entry, folder, rsa_key):
    """A file that was missing is watched too."""
    holder = PartnersFile(entry(), NOW)
    entry(private_key_file="keys/late.pem")
    assert isinstance(holder.poll(NOW), Rejected)
    (folder / "keys/late.pem").touch(0o600)
    (folder / "keys/late.pem").write_bytes(private_pem(rsa_key))
    assert isinstance(holder.poll(NOW), Reloaded)


def test_a_removed_file_is_rejected(entry):
    """Deleting the file doesn't stop a running worker."""
    path = entry()
    holder = PartnersFile(path, NOW)
    path.unlink()
    assert isinstance(holder.poll(NOW), Rejected)
    assert holder.current["one"].client_id == "CLIENT"


def test_the_swap_of_kubernetes_data_link_is_noticed(folder, entry):
    """A mounted ConfigMap changes by swapping the `..data` link; the file's own path stays a link."""
    text = entry().read_text()
    mount = folder / "mount"
    (mount / "..1").mkdir(parents=True)
    (mount / "..2").mkdir()
    (mount / "keys").symlink_to(folder / "keys")
    (mount / "..1/partners.yaml").write_text(text)
    (mount / "..2/partners.yaml").write_text(text.replace("CLIENT", "TNEILC"))
    (mount / "..data").symlink_to("..1")
    (mount / "partners.yaml").symlink_to("..data/partners.yaml")
    stamp = (mount / "..1/partners.yaml").stat()
    os.utime(mount / "..2/partners.yaml", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    holder = PartnersFile(mount / "partners.yaml", NOW)
    (mount / "..data_tmp").symlink_to("..2")
    (mount / "..data_tmp").replace(mount / "..data")
    assert isinstance(holder.poll(NOW), Reloaded)
    assert holder.current["one"].client_id == "TNEILC"


def test_the_vendors_keys_load(write, tmp_path):
    """The keys of the vendor's vectors; a path may leave the file's folder."""
    (tmp_path / "sender.pem").write_bytes((VECTORS / "sender_private_pkcs8.pem").read_bytes())
    (tmp_path / "sender.pem").chmod(0o600)
    path = write(f"""
        partners:
          one:
            profiles: [mpp-to-ant]
            client_id: C
            private_key_file: keys/../sender.pem
            peer_public_key_files:
              0: {VECTORS}/receiver_public_spki.pem
    """)
    assert set(load_partners(path, NOW)["one"].peer_keys) == {"0"}


def test_a_proxy_and_an_agent_token(entry):
    """The options of banks and service providers; secrets stay out of a representation."""
    path = entry(
        allowed_hosts="[x.example]",
        agent_token_file="keys/secret.token",  # noqa: S106  # a file's name
        refuse_stale_responses="true",
        proxy="{url: 'http://proxy.example:3128', user: me, password_file: keys/secret.token}",
    )
    partner = load_partners(path, NOW)["one"]
    assert partner.agent_token == "s3cret-token"  # noqa: S105  # a test's
    assert partner.refuse_stale_responses
    assert partner.proxy is not None
    assert (partner.proxy.host, partner.proxy.port, partner.proxy.tls) == (
        "proxy.example",
        3128,
        None,
    )
    assert partner.proxy.authorization == "Basic bWU6czNjcmV0LXRva2Vu"
    assert "s3cret" not in repr(partner)
    assert "bWU6" not in repr(partner)


@pytest.mark.usefixtures("tls_files")
def test_a_proxy_has_its_own_trust(entry):
    """Its CA vouches for the proxy alone; the partner's certificate still comes from the public ones."""
    path = entry(
        allowed_hosts="[x.example]", proxy="{url: 'https://proxy.example:3128', ca_file: ca.pem}"
    )
    partner = load_partners(path, NOW)["one"]
    assert partner.tls is None
    assert partner.proxy is not None
    assert partner.proxy.tls is not None
    assert len(partner.proxy.tls.get_ca_certs()) == 1
    assert [(c.kind, c.file) for c in partner.certificates] == [("proxy-ca", "ca.pem")]


def test_the_expiry_of_certificates_is_known_and_warned_about(entry, folder):
    """The first end in each file; a month before it a check warns, and after it too."""
    ca = trustme.CA()
    end = datetime.fromtimestamp(NOW, UTC) + timedelta(days=10)
    ours = ca.issue_cert("client.example", not_before=end - timedelta(days=90), not_after=end)
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ours.private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
    (folder / "client.pem").chmod(0o600)
    tls = "{ca_file: ca.pem, client_certificate_file: client.pem, client_key_file: client.pem}"
    partners = load_partners(entry(tls=tls), NOW)
    held = {(c.kind, c.file): c.expires_at_seconds for c in partners["one"].certificates}
    assert held["client", "client.pem"] == end.timestamp()
    assert held["ca", "ca.pem"] > NOW + 365 * 86_400
    assert partners.warnings == (
        "partners.one: client.pem: a certificate in it expires in 10 days",
    )
    late = load_partners(entry(tls=tls), NOW + 11 * 86_400)
    assert late.warnings == ("partners.one: client.pem: a certificate in it has expired",)


def test_the_swap_of_a_mounted_secret_is_noticed(folder, entry, other_rsa_key):
    """Keys in a Kubernetes secret change by swapping its `..data` link, the partners file stays as it is."""
    mount = folder / "secret"
    for number, pem in (
        ("1", (folder / "keys/pkcs8.pem").read_bytes()),
        ("2", private_pem(other_rsa_key)),
    ):
        (mount / f"..{number}").mkdir(parents=True)
        (mount / f"..{number}/ours.pem").write_bytes(pem)
        (mount / f"..{number}/ours.pem").chmod(0o440)
    (mount / "..data").symlink_to("..1")
    (mount / "ours.pem").symlink_to("..data/ours.pem")
    holder = PartnersFile(entry(private_key_file="secret/ours.pem"), NOW)
    (mount / "..data_tmp").symlink_to("..2")
    (mount / "..data_tmp").replace(mount / "..data")
    assert isinstance(holder.poll(NOW), Reloaded)
    private = holder.current["one"].signing_key(NOW).private_key
    assert private.private_numbers() == other_rsa_key.private_numbers()
