"""The access tokens of the console: who may look, who may replay. The file holds digests, never a token."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

_PREFIX = "notifier_"  # so that a scanner for leaked secrets can know one


class Right(StrEnum):
    """What a token allows. `replay` includes `read`."""

    READ = "read"
    REPLAY = "replay"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    right: Right


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    tokens: Mapping[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@-]{1,64}$")], _Entry
    ] = Field(min_length=1)


class TokensError(ValueError):
    """A tokens file that can't be used: what was seen and what is expected, without its values."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in: the name of a token and its right. The name is the "by whom" of a replay."""

    name: str
    right: Right

    @property
    def may_replay(self) -> bool:
        """Whether dead letters may be put back."""
        return self.right is Right.REPLAY


def new_token() -> str:
    """Return a token of 256 random bits: too many to guess, so its plain SHA-256 is enough in the file."""
    return _PREFIX + secrets.token_urlsafe(32)


def entry_of(name: str, token: str, right: Right) -> str:
    """Return the token's line in the file."""
    return f"  {name}: {{sha256: {_digest(token)}, right: {right.value}}}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(slots=True)
class Tokens:
    """The tokens file, read again when it changes; a bad new version keeps the old one in force.

    Attributes:
        path: of the file.
        fault: why the version on disk is not the one in force, or None.
    """

    path: Path
    fault: str | None = field(default=None, init=False)
    _stamp: tuple[int, int] = field(default=(0, 0), init=False)
    _entries: Mapping[str, _Entry] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._stamp = self._seen()
        self._entries = _read(self.path)

    def person_of(self, token: str) -> Person | None:
        """Return whose token this is. Takes as long for a wrong one as for a right one."""
        self._refresh()
        given, found = _digest(token), None
        for name, entry in self._entries.items():
            if hmac.compare_digest(entry.sha256, given):
                found = Person(name, entry.right)
        return found

    def person_named(self, name: str, digest: str) -> Person | None:
        """Return who has this name now, or None where the token is gone or was changed since."""
        self._refresh()
        entry = self._entries.get(name)
        if entry is None or not hmac.compare_digest(entry.sha256, digest):
            return None
        return Person(name, entry.right)

    def digest_of(self, name: str) -> str:
        """Return the digest that the file has for a name."""
        return self._entries[name].sha256

    def _seen(self) -> tuple[int, int]:
        try:
            status = self.path.stat()
        except OSError:
            return (0, 0)
        return (status.st_mtime_ns, status.st_size)

    def _refresh(self) -> None:
        if (stamp := self._seen()) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._entries, self.fault = _read(self.path), None
        except TokensError as error:
            self.fault = str(error)


def _read(path: Path) -> Mapping[str, _Entry]:
    try:
        return _File.model_validate(yaml.safe_load(path.read_text("utf-8"))).tokens
    except OSError as error:
        message = f"NOTIFIER_CONSOLE_TOKENS_FILE: {path}: {error.strerror}"
        raise TokensError(message) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        message = f"NOTIFIER_CONSOLE_TOKENS_FILE: {path}: no YAML"
        raise TokensError(message) from error
    except ValidationError as error:
        where = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'the file'}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        )
        message = (
            f"NOTIFIER_CONSOLE_TOKENS_FILE: {path}: {where}; expected"
            " `tokens:` with lines like those that `notifier console token NAME` prints"
        )
        raise TokensError(message) from error
