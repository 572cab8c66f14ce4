"""The files that an entry names: read once each, remembered for the watch, and turned into keys."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from streams.partners.certificates import (
    Certificates,
    Kind,
    UnreadableCertificateError,
    certificates_in,
)
from streams.partners.yaml_text import TypedText
from streams.redaction import shown_path, shown_text
from streams.secret_files import why_exposed

LEAST_BITS: Final = 2048
_LARGEST_FILE: Final = 1 << 20  # a bundle of all public CAs has 0.3 MB

Signature = tuple[str, int, int, int, int] | None
"""Real path, times of modification and of change, size and inode of a file; None when there is none. The real path tells
when Kubernetes swaps its `..data` link, the time of change that a mode or an owner was mended, which a version may have
been rejected for."""


_ARMOUR: Final = re.compile(
    rb"-----BEGIN ((?:ENCRYPTED |RSA |EC |OPENSSH )?PRIVATE KEY|(?:RSA )?PUBLIC KEY|CERTIFICATE(?: REQUEST)?)-----"
)
_BARE: Final = re.compile(rb"[A-Za-z0-9+/=\s]{200,}")
_SECRET_TEXT: Final = re.compile(r"[\x21-\x7e]{1,1024}")  # what a header can hold


def shown(value: object) -> str:
    """Return a value of the file for a message, without what may be a secret."""
    if isinstance(value, TypedText) and value.kind == "null":
        return f"no value ({value})" if value else "no value"
    if isinstance(value, TypedText) and value.kind != "str":
        return str(value)  # a number or the like: as it was typed, without quotes
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    return shown_text(value) if isinstance(value, str) else repr(value)


def signature_of(path: Path) -> Signature:
    """Return what changes when the file does."""
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except (OSError, RuntimeError):  # before Python 3.13 links in a circle are a RuntimeError
        return None
    return str(real), status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


class Files:
    """Reads the files of one entry.

    Args:
        base: what relative names are relative to.
        private_keys: those loaded so far, by the digest of their file's bytes, of all entries that are read together:
            to check one takes tens of milliseconds, and partners often share it.

    Attributes:
        watched: what was asked for, with its signature before it was read.
        certificates: of all files of certificates read so far.
    """

    def __init__(self, base: Path, private_keys: dict[str, RSAPrivateKey] | None = None) -> None:
        self._base = base
        self._private_keys = {} if private_keys is None else private_keys
        self._digests: dict[str, str] = {}
        self._names: list[tuple[object, str]] = []
        self.watched: dict[Path, Signature] = {}
        self.certificates: dict[tuple[Kind, str], Certificates] = {}
        self.exposed: dict[str, str] = {}
        self.not_strict: dict[str, str] = {}

    @property
    def fingerprint(self) -> str:
        """Names and contents of all files read so far, as text."""
        return repr(sorted(self._digests.items()))

    def path(self, name: str) -> Path:
        """Return the full path of a file and watch it."""
        path = self._base / name
        self.watched.setdefault(path, signature_of(path))
        return path

    @contextmanager
    def readable(self, name: str) -> Iterator[None]:
        """Look at a file within this. One that was there a moment ago may be gone.

        Raises:
            ValueError: it can't be read.
        """
        try:
            yield
        except OSError as exc:
            seen = shown_path(Path(name), self._base)
            message = f"seen {seen}, expected a file that can be read ({exc.strerror})"
            raise ValueError(message) from exc

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            ValueError: it can't be read.
        """
        path = self.path(name)
        with self.readable(name):
            if path.stat().st_size > _LARGEST_FILE:
                message = f"seen {shown(name)} with more than 1 MiB, expected a PEM file"
                raise ValueError(message)
            content = path.read_bytes()
        self._digests[name] = hashlib.sha256(content).hexdigest()
        return content

    def secret(self, name: str) -> bytes:
        """Return the bytes of a file that holds a secret, and note when too many others can read it too.

        Raises:
            ValueError: it can't be read.
        """
        content = self.read(name)
        with self.readable(name):
            exposed = why_exposed(self.path(name))
        if exposed is not None:
            self.exposed[name] = exposed
        return content

    def secret_text(self, name: str) -> str:
        """Return a password or token, without the newline at its end.

        Raises:
            ValueError: as `secret`, or it is not visible ASCII on one line.
        """
        text = self.secret(name).decode("ascii", "replace").rstrip("\r\n")
        if not _SECRET_TEXT.fullmatch(text):
            message = f"seen {shown(name)}, expected one line of 1 to 1024 visible ASCII characters"
            raise ValueError(message)
        return text

    def note_certificates(self, kind: Kind, name: str) -> bytes:
        """Return the bytes of a file of certificates, and note when they expire.

        Raises:
            ValueError: it can't be read, or holds no certificate.
        """
        content = self.read(name)
        try:
            self.certificates[kind, name] = certificates_in(kind, name, content)
        except ValueError as exc:
            is_one = isinstance(exc, UnreadableCertificateError)
            unread = f" with one that can't be read ({exc})" if is_one else ""
            expected = (
                "a certificate in PEM and its own private key"
                if kind == "client"
                else "CA certificates in PEM"
            )
            message = f"seen {shown(name)}{unread}, expected {expected}"
            raise ValueError(message) from None
        return content

    def note_not_strict(self, kind: Kind, name: str) -> None:
        """Note that the strict chain rules refuse an authority of a file that was read as certificates."""
        if (why := self.certificates[kind, name].not_strict) is not None:
            self.not_strict[name] = why

    def name_of(self, key: RSAPrivateKey | RSAPublicKey) -> str:
        """Return the name of the file that a key was loaded from."""
        return next(name for loaded, name in self._names if loaded is key)

    def private_key(self, name: str) -> RSAPrivateKey:
        """Load one of our keys, PKCS#8 or PKCS#1 PEM.

        Raises:
            ValueError: it can't be read, or it is no RSA key of at least 2048 bits without a passphrase.
        """
        content = self.secret(name)
        key = self._private_keys.get(self._digests[name]) or self._load_private_key(name, content)
        self._private_keys[self._digests[name]] = key
        self._names.append((key, name))
        return key

    @staticmethod
    def _load_private_key(name: str, content: bytes) -> RSAPrivateKey:
        try:
            key = load_pem_private_key(content, password=None)
        except TypeError:
            message = f"seen {shown(name)} with a passphrase, expected a private key without one"
            raise ValueError(message) from None
        except Exception:  # noqa: BLE001  # ValueError, UnsupportedAlgorithm and more, by version; none may quote a key
            message = f"seen {shown(name)}{_slip(content)}, expected an RSA private key in PEM (PKCS#8 or PKCS#1)"
            raise ValueError(message) from None
        if not isinstance(key, RSAPrivateKey):
            message = f"seen another kind of private key in {shown(name)}, expected RSA"
            raise ValueError(message)  # noqa: TRY004  # pydantic gathers ValueErrors
        _check_bits(name, key.key_size)
        return key

    def public_key(self, name: str) -> RSAPublicKey:
        """Load one of the partner's keys, PEM (SubjectPublicKeyInfo or PKCS#1).

        Raises:
            ValueError: it can't be read, or is no RSA key of at least 2048 bits.
        """
        content = self.read(name)
        try:
            key = load_pem_public_key(content)
        except Exception:  # noqa: BLE001  # as above
            message = (
                f"seen {shown(name)}{_slip(content)}, expected the partner's RSA public key in PEM"
            )
            raise ValueError(message) from None
        if not isinstance(key, RSAPublicKey):
            message = f"seen another kind of public key in {shown(name)}, expected RSA"
            raise ValueError(message)  # noqa: TRY004  # as above
        _check_bits(name, key.key_size)
        self._names.append((key, name))
        return key


def _slip(content: bytes) -> str:
    """Say what a file that was to hold a key holds instead, where it is a common slip; never more of it than its kind."""
    if not content.strip():
        return " with nothing in it"
    if rb"\n" in content:
        return r" with \n written out in place of line breaks"
    kind = _ARMOUR.search(content)
    if kind is not None:
        return f" with a block {kind[1].decode()!r}"
    if _BARE.fullmatch(content):
        return " with base64 alone, without the lines -----BEGIN … KEY----- and -----END … KEY-----"
    return ""


def _check_bits(name: str, bits: int) -> None:
    if bits < LEAST_BITS:
        message = f"seen {bits} bits in {shown(name)}, expected an RSA key of at least {LEAST_BITS}"
        raise ValueError(message)
