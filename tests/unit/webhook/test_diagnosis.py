"""Every way to sign wrongly that integrators are known for is named; a right signature is called so."""

import base64
import hashlib
import json
from dataclasses import replace
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from streams.webhook.diagnosis import KnownKey, diagnose
from streams.webhook.signing import string_to_sign, verify
from streams.webhook.signing_mistakes import Parts

PATH = "/notify/payments?shop=7"
CLIENT = "SANDBOX_5YTESTONLY000001"
TIME = "2026-11-22T10:15:30+08:00"
BODY = '{"result": {"resultStatus":"S","resultCode":"SUCCESS","resultMessage":"café a/b <ok>"}}'.encode()
DOCUMENT = json.loads(BODY)
PARTS = Parts(
    PATH,
    CLIENT,
    TIME,
    BODY,
    "https://partner.example.com",
    {"the answer's own Client-Id": "PARTNER_ID"},
    {"the request's Request-Time": "2026-11-22T02:15:29+00:00"},
    {"the request's body": b"{}"},
    {"the path of notify_url": "/configured"},
)
PKCS1 = padding.PKCS1v15()
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)


@pytest.fixture(scope="module")
def key(signing_keys):
    """The signer's."""
    return signing_keys["receiver"].private_key


@pytest.fixture(scope="module")
def keys(signing_keys):
    """The signer's is right; the other side's is one that may have been taken."""
    return [
        KnownKey("key 1 of acme", signing_keys["receiver"].private_key.public_key()),
        KnownKey(
            "our own key 1 for acme", signing_keys["sender"].private_key.public_key(), right=False
        ),
    ]


def content(path=PATH, client=CLIENT, time=TIME, body=BODY):
    return string_to_sign(path, client, time, body)


def header(raw, encode=lambda raw: quote(base64.b64encode(raw), safe="")):
    return f"algorithm=RSA256,keyVersion=1,signature={encode(raw)}"


def rules(value, keys, parts=PARTS):
    return [finding.rule for finding in diagnose(value, parts, keys)]


def test_a_right_signature_has_no_finding(key, keys):
    """Over these bytes, with this key, written as the SDKs do."""
    assert rules(header(key.sign(content(), PKCS1, hashes.SHA256())), keys) == []


@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        (content(path="/notify/payments"), ["path-without-query"]),
        (content(path="notify/payments?shop=7"), ["path"]),
        (content(path="https://partner.example.com" + PATH), ["path"]),
        (content(path="/payments?shop=7"), ["path"]),
        (content(path="/configured"), ["path"]),
        (content(client="PARTNER_ID"), ["client-id"]),
        (content(client=""), ["client-id"]),
        (content(time="1795313730000"), ["time"]),
        (content(time="2026-11-22T02:15:30Z"), ["time"]),
        (content(time="2026-11-22T02:15:29+00:00"), ["time"]),
        (content(body=json.dumps(DOCUMENT).encode()), ["re-serialised-body"]),
        (content(body=json.dumps(DOCUMENT, separators=(",", ":"), sort_keys=True).encode()), ["re-serialised-body"]),
        (content(body=json.dumps(DOCUMENT, separators=(",", ":")).replace("/", "\\/").encode()), ["re-serialised-body"]),
        (content(body=json.dumps(DOCUMENT, indent=2, ensure_ascii=False).encode()), ["re-serialised-body"]),
        (content(body=BODY + b"\n"), ["body"]),
        (content(body=BODY.decode().encode("latin-1")), ["body"]),
        (content(body=b"{}"), ["body"]),
        (content().replace(b"\n", b"\r\n", 1), ["separator"]),
        (content().replace(b"POST", b"post", 1), ["method"]),
        (content(path="/notify/payments", client="PARTNER_ID"), ["path-without-query", "client-id"]),
        (b"something else", ["signed-string"]),
    ],
)  # fmt: skip
def test_what_was_signed_in_place_of_the_right_string_is_named(key, keys, signed, expected):
    """Path, query, id, time and body, one or two of them wrong; what is none of the usual mistakes is called another string."""
    assert rules(header(key.sign(signed, PKCS1, hashes.SHA256())), keys) == expected


@pytest.mark.parametrize(
    ("path", "signed", "said"),
    [
        ("/notify?shop=7", "/notify", "the path without its query"),
        ("/notify/?shop=7", "/notify", "the path without its query and without the / behind it"),
        ("/notify/", "/notify", "the path without the / behind it"),
        ("/notify", "", "no path"),
    ],
)
@pytest.mark.parametrize("origin", ["", "https://partner.example.com"])
@pytest.mark.parametrize("others", [{}, {"the path of notify_url": "/notify"}])
def test_what_was_signed_in_place_of_the_path_is_said(  # noqa: PLR0913, PLR0917  # fixtures and cases
    key, keys, path, signed, said, origin, others
):
    """The simplest explanation of several, whatever else is known of the receiver."""
    parts = Parts(path, CLIENT, TIME, BODY, origin, other_paths=others)
    raw = header(key.sign(content(path=signed), PKCS1, hashes.SHA256()))
    (finding,) = diagnose(raw, parts, keys)
    assert finding.text.startswith(f"the signature is over {said}; expected path and query")


@pytest.mark.parametrize(
    "time",
    ["1795313730000000", "1795313730000000000", "9" * 300, "0001-01-01T00:00:00+23:59", "9999-12-31T24:00:00Z", "²" * 13],
)  # fmt: skip
def test_a_time_that_cannot_be_written_otherwise(key, keys, time):
    """Microseconds, nanoseconds and years that no calendar of Python has: the signature is judged all the same."""
    parts = replace(PARTS, moment=time, other_moments={"the Date header": time})
    right = header(key.sign(content(time=time), PKCS1, hashes.SHA256()))
    assert rules(right, keys, parts) == []
    wrong = header(key.sign(content(time=time, client=""), PKCS1, hashes.SHA256()))
    assert rules(wrong, keys, parts) == ["client-id"]


@pytest.mark.parametrize("time", ["1795313730", "1795313730000"])
def test_a_time_since_the_epoch_that_was_signed_in_iso_8601(key, keys, time):
    """Seconds and milliseconds alike."""
    signed = content(time="2026-11-22T02:15:30+00:00")
    raw = header(key.sign(signed, PKCS1, hashes.SHA256()))
    (finding,) = diagnose(raw, replace(PARTS, moment=time, other_moments={}), keys)
    assert finding.rule == "time"
    assert "the message's time, written with +00:00 (2026-11-22T02:15:30+00:00)" in finding.text


@pytest.mark.parametrize(
    ("pad", "algorithm", "expected"),
    [
        (PKCS1, hashes.SHA1(), ["sha-1"]),  # noqa: S303  # the mistake
        (PKCS1, hashes.SHA512(), ["hash"]),
        (PSS, hashes.SHA256(), ["pss"]),
    ],
)
def test_another_algorithm_is_named(key, keys, pad, algorithm, expected):
    """And the mistake beside it too."""
    assert rules(header(key.sign(content(), pad, algorithm)), keys) == expected
    signed = content(path="/notify/payments")
    both = [*expected, "path-without-query"]
    assert rules(header(key.sign(signed, pad, algorithm)), keys) == both


def test_a_string_that_was_hashed_twice_is_named(key, keys):
    """The digest was given to what hashes by itself."""
    once = hashes.Hash(hashes.SHA256())
    once.update(content())
    raw = key.sign(once.finalize(), PKCS1, hashes.SHA256())
    assert rules(header(raw), keys) == ["hashed-twice"]


def test_a_digest_that_was_signed_as_such_is_right(key, keys):
    """Prehashed is the same signature."""
    once = hashes.Hash(hashes.SHA256())
    once.update(content())
    raw = key.sign(once.finalize(), PKCS1, utils.Prehashed(hashes.SHA256()))
    assert rules(header(raw), keys) == []


@pytest.mark.parametrize(
    ("encode", "expected", "broken"),
    [
        (bytes.hex, "hex", True),
        (lambda raw: quote(base64.b64encode(raw.hex().encode()), safe=""), "hex", True),
        (lambda raw: quote(quote(base64.b64encode(raw), safe=""), safe=""), "percent-encoding", True),
        (lambda raw: base64.b64encode(raw).decode(), "percent-encoding", False),
        (lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="), "base64url", False),
        (lambda raw: f'"{quote(base64.b64encode(raw), safe="")}"', "signature-header", False),
    ],
)  # fmt: skip
def test_how_a_signature_is_written(key, keys, encode, expected, broken):
    """What is taken here and not by every SDK is odd; the rest is broken."""
    raw = key.sign(content(), PKCS1, hashes.SHA256())
    (finding,) = diagnose(header(raw, encode), PARTS, keys)
    assert (finding.rule, finding.broken) == (expected, broken)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (None, "missing-signature"),
        ("", "signature-header"),
        ("abc", "signature-header"),
        ("signature=a,signature=b", "signature-header"),
        ("signature=!!!", "base64"),
        ("signature=AAAA", "wrong-key"),
    ],
)
def test_what_is_no_signature_is_named(keys, value, rule):
    """Whatever it holds, one finding and no error."""
    assert rules(value, keys) == [rule]


def with_unused_bits(raw):
    """Base64 of a signature of 256 bytes, whose last digit before == has four bits that belong to no byte."""
    digits = base64.b64encode(raw).decode().rstrip("=")
    changed = chr(ord(digits[-1]) + 1)  # A, Q, g or w, to the digit behind it
    return quote(f"{digits[:-1]}{changed}==", safe="")


@pytest.mark.parametrize(
    ("write", "rule", "said"),
    [
        (lambda raw: header(raw, with_unused_bits), "base64", "the last digit of the base64 has bits that belong to no byte"),
        (lambda raw: f"{header(raw)},café=1", "signature-header", "holds 'é'; expected ASCII"),
        (lambda raw: f"{header(raw)},x=".ljust(8193, "x"), "signature-header", "has 8,193 characters; expected at most 8,192"),
    ],
)  # fmt: skip
def test_what_the_worker_refuses_is_never_good(key, keys, write, rule, said):
    """A signature of the right string by the right key, written so that `signing.verify` does not take it."""
    value = write(key.sign(content(), PKCS1, hashes.SHA256()))
    assert not verify(value, content(), {"1": keys[0].key})
    (finding,) = diagnose(value, PARTS, keys)
    assert (finding.rule, finding.broken) == (rule, True)
    assert said in finding.text


def test_the_longest_header_that_the_worker_takes_is_good(key, keys):
    """To the character."""
    value = f"{header(key.sign(content(), PKCS1, hashes.SHA256()))},x=".ljust(8192, "x")
    assert verify(value, content(), {"1": keys[0].key})
    assert rules(value, keys) == []


@pytest.mark.parametrize("digit", ["a", "0"])
def test_hexadecimal_with_a_digit_too_many_is_no_error(key, keys, digit):
    """Of the signature, or of what is in the base64."""
    text = key.sign(content(), PKCS1, hashes.SHA256()).hex() + digit
    assert rules(f"signature={text}", keys)
    assert rules(f"signature={base64.b64encode(text.encode()).decode()}", keys)


def by_hand(key, info):
    """A PKCS#1 v1.5 signature that holds just these bytes."""
    numbers = key.private_numbers()
    padded = b"\x00\x01" + b"\xff" * (253 - len(info)) + b"\x00" + info
    raw = pow(int.from_bytes(padded), numbers.d, numbers.public_numbers.n)
    return header(raw.to_bytes(256))


SHA_256 = bytes.fromhex("3031300d060960864801650304020105000420")
DIGEST = hashlib.sha256(content())


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (SHA_256 + DIGEST.digest(), []),
        (SHA_256 + DIGEST.hexdigest().encode(), ["digest"]),
        (SHA_256 + content()[:100], ["digest"]),
        (SHA_256 + DIGEST.digest() + b"\0", ["digest"]),
        (DIGEST.digest(), ["hash"]),
        (DIGEST.hexdigest().encode(), ["hash"]),
        (content(body=b"{}"), ["hash", "body"]),
    ],
)
def test_what_a_signature_holds_in_place_of_a_digest(key, keys, info, expected):
    """Behind the words that announce a digest only its bytes count; without them its hexadecimal and the string are known."""
    value = by_hand(key, info)
    assert rules(value, keys) == expected
    assert verify(value, content(), {"1": keys[0].key}) is (expected == [])


def test_a_wrong_key_is_named_by_whose_it_is(signing_keys, keys):
    """The other side's key is known; a stranger's is not, and the fingerprints to compare are said."""
    ours = signing_keys["sender"].private_key.sign(content(), PKCS1, hashes.SHA256())
    (finding,) = diagnose(header(ours), PARTS, keys)
    assert finding.rule == "wrong-key"
    assert "made with our own key 1 for acme" in finding.text
    assert "expected one of key 1 of acme" in finding.text
    stranger = generate_private_key(65537, 2048).sign(content(), PKCS1, hashes.SHA256())
    (finding,) = diagnose(header(stranger), PARTS, keys)
    assert finding.rule == "wrong-key"
    assert "no known key made the signature" in finding.text


def test_a_large_body_is_judged_too(key, keys):
    """With fewer strings to try."""
    body = b'{"a":"' + b"x" * 100_000 + b'"}'
    parts = Parts(PATH, CLIENT, TIME, body)
    signed = content(path="/notify/payments", body=body)
    assert rules(header(key.sign(signed, PKCS1, hashes.SHA256())), keys, parts) == [
        "path-without-query"
    ]
