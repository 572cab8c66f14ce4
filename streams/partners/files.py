"""The files that an entry names: read once each, remembered for the watch, and turned into keys."""

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

LEAST_BITS: Final = 2048
_LARGEST_FILE: Final = 1 << 20  # a bundle of all public CAs has 0.3 MB

Signature = tuple[str, int, int, int] | None
"""Real path, modification time, size and inode of a file; None when there is none. The real path tells when
Kubernetes swaps its `..data` link."""


_LONGEST_SHOWN: Final = 64


def shown(value: object) -> str:
    """Return a value of the file for a message. Not whole when it is long: it may be a key, pasted."""
    if isinstance(value, str) and (len(value) > _LONGEST_SHOWN or "\n" in value):
        return f"text of {len(value)} characters"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    return repr(value)


def signature_of(path: Path) -> Signature:
    """Return what changes when the file does."""
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except OSError:
        return None
    return str(real), status.st_mtime_ns, status.st_size, status.st_ino


class Files:
    """Reads the files of one entry.

    Args:
        base: what relative names are relative to.

    Attributes:
        watched: what was asked for, with its signature before it was read.
        warnings: of files that can be used but shouldn't lie there like this.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._digests: dict[str, str] = {}
        self.watched: dict[Path, Signature] = {}
        self.warnings: list[str] = []

    @property
    def fingerprint(self) -> str:
        """Names and contents of all files read so far, as text."""
        return repr(sorted(self._digests.items()))

    def path(self, name: str) -> Path:
        """Return the full path of a file and watch it."""
        path = self._base / name
        self.watched.setdefault(path, signature_of(path))
        return path

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            ValueError: it can't be read.
        """
        path = self.path(name)
        try:
            if path.stat().st_size > _LARGEST_FILE:
                message = f"seen {shown(name)} with more than 1 MiB, expected a PEM file"
                raise ValueError(message)
            content = path.read_bytes()
        except OSError as exc:
            message = f"seen {shown(name)}, expected a file that can be read ({exc.strerror})"
            raise ValueError(message) from exc
        self._digests[name] = hashlib.sha256(content).hexdigest()
        return content

    def warn_if_open(self, name: str) -> None:
        """Note a secret file that everybody may read. Its group may: Kubernetes mounts secrets so."""
        mode = stat.S_IMODE(os.stat(self.path(name)).st_mode)  # noqa: PTH116  # follows links, like reading does
        if mode & stat.S_IRWXO:
            self.warnings.append(
                f"{name}: mode {mode:04o} lets every user of the machine at it; expected 0640 or less"
            )

    def private_key(self, name: str) -> RSAPrivateKey:
        """Load one of our keys, PKCS#8 or PKCS#1 PEM.

        Raises:
            ValueError: it can't be read, or is no RSA key of at least 2048 bits without a passphrase.
        """
        content = self.read(name)
        self.warn_if_open(name)
        try:
            key = load_pem_private_key(content, password=None)
        except TypeError:
            message = f"seen {shown(name)} with a passphrase, expected a private key without one"
            raise ValueError(message) from None
        except Exception:  # noqa: BLE001  # ValueError, UnsupportedAlgorithm and more, by version; none may quote a key
            message = f"seen {shown(name)}, expected an RSA private key in PEM (PKCS#8 or PKCS#1)"
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
            message = f"seen {shown(name)}, expected the partner's RSA public key in PEM"
            raise ValueError(message) from None
        if not isinstance(key, RSAPublicKey):
            message = f"seen another kind of public key in {shown(name)}, expected RSA"
            raise ValueError(message)  # noqa: TRY004  # as above
        _check_bits(name, key.key_size)
        return key


def _check_bits(name: str, bits: int) -> None:
    if bits < LEAST_BITS:
        message = f"seen {bits} bits in {shown(name)}, expected an RSA key of at least {LEAST_BITS}"
        raise ValueError(message)
