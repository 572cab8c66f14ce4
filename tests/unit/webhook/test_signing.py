import base64
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from hypothesis import given
from hypothesis import strategies as st

from streams.webhook.signing import request_time, sign, string_to_sign, verify

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def signed_of(vector, **changed):
    parts = {
        "path": vector["path"],
        "client_id": vector["client_id"],
        "moment": vector.get("request_time") or vector.get("response_time"),
        "body": base64.b64decode(vector["body_base64"]),
    } | changed
    return string_to_sign(**parts)


def one_byte_off(data: bytes):
    for at in range(len(data)):
        yield data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    yield data + b" "
    yield data[:-1]


def test_string_to_sign_is_the_vendors(vectors):
    """What we sign is, to the byte, what the vendor's SDK signs, for requests and answers."""
    for vector in vectors:
        assert signed_of(vector) == vector["string_to_sign"].encode()


def test_signatures_are_the_vendors_to_the_byte(vectors, signing_keys):
    """Our header is the vendor SDK's, down to the percent-encoding."""
    for vector in vectors:
        header = sign(signing_keys[vector["signer"]], signed_of(vector))
        assert header == vector["signature_header"]


def test_the_verifier_accepts_the_vectors_under_their_key_only(vectors, public_keys):
    """A vendor signature verifies with its signer's key and with no other."""
    for vector in vectors:
        for who, key in public_keys.items():
            fits = verify(vector["signature_header"], signed_of(vector), {"1": key})
            assert fits == (who == vector["signer"])


@pytest.mark.parametrize("part", ["body", "path", "moment", "client_id"])
def test_every_one_byte_change_is_refused(vectors, public_keys, part):
    """No byte of body, path, time or client id may differ from what was signed."""
    for vector in vectors:
        keys = {"1": public_keys[vector["signer"]]}
        fields = {
            "path": vector["path"].encode(),
            "client_id": vector["client_id"].encode(),
            "moment": (vector.get("request_time") or vector["response_time"]).encode(),
            "body": base64.b64decode(vector["body_base64"]),
        }
        for changed in one_byte_off(fields[part]):
            value = changed if part == "body" else changed.decode()
            signed = signed_of(vector, **{part: value})
            assert not verify(vector["signature_header"], signed, keys), changed


def test_every_one_byte_change_of_the_signature_is_refused(vectors, public_keys):
    """No byte of the signature, and no digit of its text, may differ."""
    for vector in vectors:
        keys = {"1": public_keys[vector["signer"]]}
        signed, text = signed_of(vector), vector["signature_b64"]
        for raw in one_byte_off(base64.b64decode(text)):
            assert not verify(f"signature={base64.b64encode(raw).decode()}", signed, keys)
        for at, digit in enumerate(text.rstrip("=")):
            other = ALPHABET[(ALPHABET.index(digit) + 1) % 64]
            assert not verify(f"signature={text[:at]}{other}{text[at + 1 :]}", signed, keys), at


def url_alphabet(text):
    return text.replace("+", "-").replace("/", "_")


@pytest.mark.parametrize(
    "form",
    [
        lambda s: f"algorithm=RSA256,keyVersion=1,signature={quote(s, safe='')}",
        lambda s: f"algorithm=RSA256, keyVersion=1, signature={quote(s, safe='')}",
        lambda s: f" algorithm = RSA256 ,\tkeyVersion = 1 , signature = {quote(s, safe='')} ",
        lambda s: f"signature={quote(s, safe='')}, algorithm=RSA256, keyVersion=1",
        lambda s: f"algorithm=RSA256,signature={quote(s, safe='')},keyVersion=1",
        lambda s: f"signature={quote(s, safe='')}",
        lambda s: f"Algorithm=RSA256,KEYVERSION=1,Signature={quote(s, safe='')}",
        lambda s: f'algorithm="RSA256",keyVersion="1",signature="{quote(s, safe="")}"',
        lambda s: f"algorithm=none,keyVersion=99,signature={quote(s, safe='')}",
        lambda s: f"signature={quote(s, safe='').replace('%2B', '%2b').replace('%3D', '%3d')}",
        lambda s: f"signature={quote(s)}",  # "/" left as it is
        lambda s: f"signature={s}",
        lambda s: f"signature={s.rstrip('=')}",
        lambda s: f"signature={url_alphabet(s)}",
        lambda s: f"signature={url_alphabet(s).rstrip('=')}",
        lambda s: f"signature={quote(url_alphabet(s), safe='')}",
        lambda s: f"signature={s}=",
        lambda s: f"signature={s[:-1]}",  # one "=" of two
        lambda s: f"signature={s[:20]} {s[20:]}",
        lambda s: "signature=" + quote(f"{s[:76]}\r\n{s[76:]}\n", safe=""),
    ],
)
def test_forms_that_integrators_send_are_accepted(vectors, public_keys, form):
    """Both base64 alphabets, padded or not, percent-encoded or not, in lines or not, in any order of pairs."""
    for vector in vectors:
        keys = {"1": public_keys[vector["signer"]]}
        assert verify(form(vector["signature_b64"]), signed_of(vector), keys)


@pytest.mark.parametrize(
    "form",
    [
        lambda _: "",
        lambda _: ",",
        lambda _: "signature=",
        lambda _: "signature",
        lambda _: "signature=A",
        lambda _: "signature=====",
        lambda _: "signature=%",
        lambda _: "signature=%00%ff",
        lambda s: s,
        lambda s: f"sign={s}",
        lambda s: f"signature={quote(quote(s, safe=''), safe='')}",
        lambda s: f"signature={s},signature={s}",
        lambda s: f"signature={s}\u00e9",
        lambda s: f"signature={s}A",
        lambda s: "x" * 9000 + f",signature={s}",
        lambda s: f"signature={s[:20]}.{s[20:]}",
    ],
)
def test_other_forms_are_refused_without_raising(vectors, public_keys, form):
    """A hostile or broken header is just not a signature."""
    for vector in vectors:
        keys = {"1": public_keys[vector["signer"]]}
        assert not verify(form(vector["signature_b64"]), signed_of(vector), keys)


@given(st.text(max_size=400), st.binary(max_size=50))
def test_no_header_makes_the_verifier_raise(public_keys, header, signed):
    """Whatever the text, the verifier says no."""
    assert not verify(header, signed, public_keys)
    assert not verify(f"signature={header}", signed, public_keys)


def test_only_sha256_with_pkcs1_counts(signing_keys, public_keys):
    """A signature with SHA-1 or PSS is refused though the key is right and the header names RSA256."""
    private, signed = signing_keys["sender"].private_key, b"POST /\nC.T.{}"
    for scheme, digest, fits in (
        (PKCS1v15(), SHA256(), True),
        (PKCS1v15(), SHA1(), False),  # noqa: S303  # a hash to refuse
        (PSS(MGF1(SHA256()), 32), SHA256(), False),
    ):
        text = base64.b64encode(private.sign(signed, scheme, digest)).decode()
        header = f"algorithm=RSA256,keyVersion=1,signature={text}"
        assert verify(header, signed, {"1": public_keys["sender"]}) == fits


class Recording(dict[str, RSAPublicKey]):
    """Peer keys that note in which order they were tried."""

    def __init__(self, keys):
        super().__init__(keys)
        self.tried = []

    def __getitem__(self, version):
        self.tried.append(version)
        return super().__getitem__(version)


def test_the_named_key_is_tried_first_and_then_the_others(signing_keys, public_keys):
    """A partner may change keys: the version is a hint, not a condition."""
    header = sign(signing_keys["sender"], b"x").replace("keyVersion=1", "keyVersion=2")
    keys = Recording({"1": public_keys["sender"], "2": public_keys["receiver"]})
    assert verify(header, b"x", keys)
    assert keys.tried == ["2", "1"]
    assert not verify(header, b"y", keys)
    assert not verify(header, b"x", {})


def test_request_time_forms():
    """ISO 8601 is whole seconds with +00:00, never rounded up; the other is milliseconds."""
    assert request_time(1_795_342_530_999, "iso8601") == "2026-11-22T10:15:30+00:00"
    assert request_time(1_795_342_530_999, "epoch-ms") == "1795342530999"
