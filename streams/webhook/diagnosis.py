"""Why a signature is not right: which rule was broken, and what to do about it. Pure.

A signature tells more than yes or no: opened with the public key that made it, it shows which hash was taken and of
what. So the key, the algorithm and the signed string are judged apart, the last against `signing_mistakes`.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from streams.partners.inventory import fingerprint
from streams.webhook.signing import LONGEST_HEADER, string_to_sign, verify
from streams.webhook.signing_mistakes import Mistake, Parts, wrong_strings

_PSS_TRAILER: Final = 0xBC
_RIGHT_HASH: Final = "sha256"
_PREFIXES: Final = {
    bytes.fromhex("3020300c06082a864886f70d020505000410"): "md5",
    bytes.fromhex("3021300906052b0e03021a05000414"): "sha1",
    bytes.fromhex("302d300d06096086480165030402040500041c"): "sha224",
    bytes.fromhex("3031300d060960864801650304020105000420"): "sha256",
    bytes.fromhex("3041300d060960864801650304020205000430"): "sha384",
    bytes.fromhex("3051300d060960864801650304020305000440"): "sha512",
}
"""DigestInfo up to the digest (RFC 8017, section 9.2, note 1)."""
_PSS_HASHES: Final[tuple[hashes.HashAlgorithm, ...]] = (
    hashes.SHA256(),
    hashes.SHA1(),  # noqa: S303  # to name a mistake, not to trust one
    hashes.SHA384(),
    hashes.SHA512(),
)
_URL_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A public key that a signature may have been made with.

    Attributes:
        name: whose it is, for people.
        key: it.
        right: whether a signature of this message counts with it.
    """

    name: str
    key: RSAPublicKey
    right: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule, and how the message stands to it.

    Attributes:
        rule: which, for programs.
        text: what was seen, what was expected, what to do.
        broken: whether the message counts for nothing because of it; otherwise it is taken here, and not by everybody.
    """

    rule: str
    text: str
    broken: bool = True


def diagnose(header: str | None, parts: Parts, keys: Sequence[KnownKey]) -> tuple[Finding, ...]:
    """Return what is wrong with a signature; nothing when it is right.

    Args:
        header: the value of Signature; None without one.
        parts: what should have been signed.
        keys: the right ones, and others that may have been taken by mistake.
    """
    if header is None:
        text = "there is no Signature header; expected algorithm=RSA256,keyVersion=1,signature=… (sign every answer, also F and U)"
        return (Finding("missing-signature", text),)
    findings = tuple(_findings(header, parts, keys))
    right = {f"{number}": key.key for number, key in enumerate(keys) if key.right}
    if any(finding.broken for finding in findings) or verify(header, _right_string(parts), right):
        return findings
    return (*findings, _refused(header))


def _findings(header: str, parts: Parts, keys: Sequence[KnownKey]) -> Iterable[Finding]:
    raw, form = _read_header(header, keys)
    if raw is None:
        return form
    opened = _opened(raw, keys)
    if opened is None:
        return (*form, *_not_opened(raw, parts, keys))
    key, hash_name, digest = opened
    findings = [*form, *_key_findings(key, keys)]
    if hash_name != _RIGHT_HASH:
        findings.append(_wrong_hash(hash_name))
    if hash_name and len(digest) != (size := hashlib.new(hash_name).digest_size):
        text = f"the signature holds {len(digest)} bytes in place of a digest, perhaps its hexadecimal; expected its {size} bytes"
        return (*findings, Finding("digest", text))
    return (*findings, *_content_findings(hash_name, digest, parts))


def _refused(header: str) -> Finding:
    """Say why a signature of the right string by the right key is refused all the same: for what its header holds."""
    if not header.isascii():
        odd = next(letter for letter in header if not letter.isascii())
        text = f"the Signature header holds {odd!r}; expected ASCII alone"
        return Finding("signature-header", text)
    if len(header) > LONGEST_HEADER:
        text = f"the Signature header has {len(header):,} characters; expected at most {LONGEST_HEADER:,}"
        return Finding("signature-header", text)
    text = "the last digit of the base64 has bits that belong to no byte, as no encoder writes it; was a character changed?"
    return Finding("base64", text)


def _read_header(header: str, keys: Sequence[KnownKey]) -> tuple[bytes | None, list[Finding]]:
    """Return the signature's bytes, and what is odd about how they are written."""
    pairs = [pair.partition("=") for pair in header.split(",")]
    values = [value.strip() for name, _, value in pairs if name.strip().lower() == "signature"]
    expected = "expected algorithm=RSA256,keyVersion=1,signature=<base64, percent-encoded>"
    if len(values) != 1:
        what = (
            f"{len(values)} pairs signature=…"
            if values
            else "no signature=… in the Signature header"
        )
        return None, [Finding("signature-header", f"seen {what}; {expected}")]
    findings = []
    value = values[0].strip('"')
    if value != values[0]:
        findings.append(_tolerated("signature-header", "the signature is in quotes; expected none"))
    hex_digits = {key.key.key_size // 8 * 2 for key in keys}
    if len(value) in hex_digits and re.fullmatch(r"[0-9A-Fa-f]+", value):
        text = "the signature is written in hexadecimal; expected base64, then percent-encoded"
        return bytes.fromhex(value), [*findings, Finding("hex", text)]
    encoded = unquote_to_bytes(value)
    if b"%" in encoded:
        encoded = unquote_to_bytes(encoded)
        findings.append(
            Finding("percent-encoding", "the signature is percent-encoded twice; expected once")
        )
    elif re.search(r"[+/=]", value):
        findings.append(_tolerated("percent-encoding", "the signature is not percent-encoded; expected %2B for +, %2F for / and %3D for ="))  # fmt: skip
    if re.search(rb"[-_]", encoded):
        findings.append(_tolerated("base64url", "the signature is written in base64url; expected standard base64, then percent-encoded"))  # fmt: skip
    digits = encoded.translate(_URL_ALPHABET, b" \t\r\n").rstrip(b"=")
    try:
        raw = base64.b64decode(digits + b"=" * (-len(digits) % 4), validate=True)
    except binascii.Error:
        return None, [Finding("base64", f"the signature is no base64; {expected}")]
    if len(raw) in hex_digits and re.fullmatch(rb"[0-9A-Fa-f]+", raw):
        hexadecimal = (
            "the signature was written in hexadecimal before base64; expected base64 of its bytes"
        )
        return bytes.fromhex(raw.decode()), [*findings, Finding("hex", hexadecimal)]
    return raw, findings


def _tolerated(rule: str, text: str) -> Finding:
    return Finding(rule, f"{text} (taken here, refused by some of the vendor's SDKs)", broken=False)


def _opened(raw: bytes, keys: Iterable[KnownKey]) -> tuple[KnownKey, str, bytes] | None:
    """Return the key that a PKCS#1 v1.5 signature was made with, the hash's name and the digest in it."""
    for key in keys:
        if len(raw) * 8 != key.key.key_size:
            continue
        try:
            info = key.key.recover_data_from_signature(raw, PKCS1v15(), None)
        except (InvalidSignature, ValueError):
            continue
        for prefix, name in _PREFIXES.items():
            if info.startswith(prefix):
                return key, name, info[len(prefix) :]
        return key, "", info
    return None


def _key_findings(key: KnownKey, keys: Iterable[KnownKey]) -> Iterable[Finding]:
    if not key.right:
        expected = ", ".join(_shown(known) for known in keys if known.right) or "none is known"
        text = f"the signature was made with {_shown(key)}; expected one of {expected}"
        yield Finding("wrong-key", text)


def _shown(key: KnownKey) -> str:
    return f"{key.name} (SHA-256 {fingerprint(key.key)[:16]}…)"


def _wrong_hash(name: str) -> Finding:
    expected = "expected SHA256withRSA (RSASSA-PKCS1-v1_5 with SHA-256)"
    if name == "sha1":
        return Finding("sha-1", f"the signature is SHA1withRSA; {expected}")
    seen = (
        f"{name.upper()}withRSA" if name else "made over a digest without its DigestInfo (raw RSA)"
    )
    return Finding("hash", f"the signature is {seen}; {expected}")


def _content_findings(hash_name: str, digest: bytes, parts: Parts) -> Iterable[Finding]:
    for mistakes, signed in wrong_strings(parts):
        made = hashlib.new(hash_name or _RIGHT_HASH, signed, usedforsecurity=False).digest()
        if digest == made or (not hash_name and digest in {made.hex().encode(), signed}):
            return map(_of_mistake, mistakes)
        # the digest taken for the message: its bytes or its hexadecimal were hashed once more
        for twice in (made, made.hex().encode()):
            if (
                digest
                == hashlib.new(hash_name or _RIGHT_HASH, twice, usedforsecurity=False).digest()
            ):
                text = "the string was hashed twice: it was hashed before it was given to SHA256withRSA, which hashes it itself"
                return (Finding("hashed-twice", text), *map(_of_mistake, mistakes))
    return (_other_content(parts, hash_name, digest),)


def _of_mistake(mistake: Mistake) -> Finding:
    return Finding(mistake.rule, mistake.text)


def _other_content(parts: Parts, hash_name: str, digest: bytes) -> Finding:
    right = _right_string(parts)
    ours = hashlib.new(hash_name or _RIGHT_HASH, right, usedforsecurity=False).hexdigest()
    return Finding(
        "signed-string",
        "the key is right, and what was signed is another string than expected, by none of the usual mistakes: hash"
        f" your string to sign; yours has {(hash_name or _RIGHT_HASH).upper()} {digest.hex()}, the right one, of"
        f" {len(right)} bytes, has {ours}. Does something change the body on its way (a proxy, a framework that parses it)?",
    )


def _right_string(parts: Parts) -> bytes:
    return string_to_sign(parts.path, parts.client_id, parts.moment, parts.body)


def _not_opened(raw: bytes, parts: Parts, keys: Sequence[KnownKey]) -> Iterable[Finding]:
    """Say what can be said of a signature that no known key opens as PKCS#1 v1.5."""
    fitting = [key for key in keys if key.key.key_size == len(raw) * 8]
    if not fitting:
        sizes = ", ".join(sorted({f"{key.key.key_size}" for key in keys})) or "no"
        text = f"the signature has {len(raw) * 8} bits, the known keys have {sizes}: it was made with a key that is not known here, or was cut"
        return (Finding("wrong-key", text),)
    for key in fitting:
        numbers = key.key.public_numbers()
        opened = pow(int.from_bytes(raw), numbers.e, numbers.n)
        if opened & 0xFF == _PSS_TRAILER and (found := _of_pss(raw, key, parts)) is not None:
            text = "the signature is RSA-PSS; expected RSASSA-PKCS1-v1_5 (SHA256withRSA, not RSASSA-PSS or PS256)"
            return (*_key_findings(key, keys), Finding("pss", text), *map(_of_mistake, found))
    right = ", ".join(_shown(key) for key in keys if key.right) or "none is known"
    text = (
        f"no known key made the signature; expected one of {right}. Compare these fingerprints with the signer's public"
        " key (openssl pkey -pubin -in public.pem -outform DER | sha256sum): is it the other environment's, or an old one?"
    )
    return (Finding("wrong-key", text),)


def _of_pss(raw: bytes, key: KnownKey, parts: Parts) -> tuple[Mistake, ...] | None:
    for mistakes, signed in wrong_strings(parts):
        for algorithm in _PSS_HASHES:
            try:
                key.key.verify(raw, signed, PSS(MGF1(algorithm), PSS.AUTO), algorithm)
            except InvalidSignature:
                continue
            return mistakes
        if len(mistakes) > 1:  # each try is a public-key operation
            return None
    return None
