"""Faults of the partners file: each at its place, with what was expected, all at once."""

import pytest

from streams.partners import (
    load_partners,
)
from tests.support.partners_file import NOW, faults


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
        ({"client_id": "''"}, "client_id", "visible ASCII"),
        ({"client_id": "[x]"}, "client_id", "seen a list, expected: should be a valid string"),
        ({"client_id": "null"}, "client_id", "seen no value (null), expected text"),
        ({"client_id": "'a b'"}, "client_id", "visible ASCII"),
        ({"client_id": '"a\\r\\nX: y"'}, "client_id", "visible ASCII"),
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
                ("url: 'http://x[::1]:1'", "expected http://host:port"),
                ("url: 'http://p.example:0'", "expected http://host:port"),
                ("url: 'http://p.example:65536'", "expected http://host:port"),
                ("url: 'http://p..example:1'", "no well-formed name"),
                ("url: 'http://.p:1'", "no well-formed name"),
                (f"url: 'http://{'a' * 64}.example:1'", "no well-formed name"),
                ("url: 'http://my proxy:1'", "expected http://host:port"),
                ("url: 'http://127.1:1'", "an IP address in an odd notation"),
                ("url: 'http://[fe80::1%25eth0]:1'", "an IP address in an odd notation"),
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


def test_a_wrong_key_above_a_list_is_said(entry):
    """What is wrong with the key and what is wrong with its value, each at its place, and no error of ours."""
    found = faults(entry(reasons="{'': []}"))
    assert len(found) == 2
    assert "partners.one.reasons.: seen a list, expected: should be a valid string" in found[1]
    assert "at least 1 item" in found[0]


@pytest.mark.parametrize(
    ("spoil", "seen"),
    [
        (lambda pem: b"".join(pem.splitlines()[1:-1]), " with base64 alone, without the lines -----BEGIN"),
        (lambda pem: b"\n".join(pem.splitlines()[1:-1]) + b"\n", " with base64 alone"),
        (lambda pem: pem.replace(b"\n", rb"\n"), r" with \n written out in place of line breaks"),
        (lambda pem: pem.replace(b"BEGIN PRIVATE", b"BEGIN RSA PRIVATE"), " with a block 'RSA PRIVATE KEY'"),
        (lambda _: b"\n", " with nothing in it"),
        (lambda _: b"secret", ","),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["private_key_file", "peer_public_key_files"])
def test_common_slips_with_keys_are_named(entry, folder, spoil, seen, name):
    """As vendors' pages and SDKs hand keys out, and as variables carry them; nothing of a key is quoted."""
    pem = (folder / "keys/pkcs8.pem").read_bytes()
    (folder / "keys/spoilt.pem").write_bytes(spoil(pem))
    file = "keys/spoilt.pem"
    (fault,) = faults(entry(**{name: file if name == "private_key_file" else f"{{1: {file}}}"}))
    assert f"seen '{file}'{seen}" in fault
    assert pem.splitlines()[1].decode()[:16] not in fault


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
    assert fault.startswith("NOTIFIER_PARTNERS_FILE: seen ")
    assert fault.endswith("expected a file that can be read (No such file or directory)")
