"""The access tokens of the console: who may look, who may replay. The file holds digests, never a token."""

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from streams.secret_files import why_others_write

log = logging.getLogger(__name__)

_NAME: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_NAMED: Final = re.compile(r"""^[ {]*["']?([A-Za-z0-9._@-]{1,64})["']?[ ]*:""", re.MULTILINE)
_PREFIX = "notifier_"  # so that a scanner for leaked secrets can know one


class TokenRight(StrEnum):
    """What a token allows. `replay` includes `read`."""

    READ = "read"
    REPLAY = "replay"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    right: TokenRight


class TokensError(ValueError):
    """A tokens file that can't be used: what was seen and what is expected, without its values."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in: the name of a token and its right. The name is the "by whom" of a replay."""

    name: str
    right: TokenRight

    @property
    def may_replay(self) -> bool:
        """Whether dead letters may be put back."""
        return self.right is TokenRight.REPLAY


def is_name(name: str) -> bool:
    """Tell whether a token may have this name in the file."""
    return _NAME.fullmatch(name) is not None


def new_token() -> str:
    """Return a token of 256 random bits: too many to guess, so its plain SHA-256 is enough in the file."""
    return _PREFIX + secrets.token_urlsafe(32)


def entry_of(name: str, token: str, right: TokenRight) -> str:
    """Return the token's line in the file."""
    return f"  {name}: {{sha256: {_digest(token)}, right: {right.value}}}"


def _digest(token: str) -> str:
    # A header's bytes that are no UTF-8 come as lone surrogates: a wrong token like any other.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a tokens file says.

    Attributes:
        entries: those that can be used, by name.
        named: every name that stands in the file, also with an entry that can't be used.
        fault: what is wrong with it, or None.
    """

    entries: Mapping[str, _Entry]
    named: frozenset[str]
    fault: str | None


@dataclass(slots=True)
class AccessTokens:
    """The tokens file, looked at on each request and read again when it changes.

    A name that the file no longer has is out at once, whatever else is wrong with the file: taking a token away must
    never fail. A name whose entry can't be used keeps its token of before, so that a slip of the pen locks nobody out.

    Attributes:
        path: of the file.
        fault: what is wrong with the version on disk, or None.
    """

    path: Path
    fault: str | None = field(default=None, init=False)
    _stamp: tuple[int, ...] | None = field(default=None, init=False)
    _entries: Mapping[str, _Entry] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._stamp = self._seen()
        reading = _read(self.path)
        if reading.fault is not None:
            raise TokensError(reading.fault)
        self._entries = reading.entries
        if not self._entries:
            log.warning(
                "NOTIFIER_CONSOLE_TOKENS_FILE: %s has no tokens: nobody can sign in", self.path
            )

    def person_of(self, token: str) -> Person | None:
        """Return whose token this is. Takes as long for a wrong one as for a right one."""
        self.refresh()
        given, found = _digest(token), None
        for name, entry in self._entries.items():
            if hmac.compare_digest(entry.sha256, given):
                found = Person(name, entry.right)
        return found

    def person_named(self, name: str, digest: str) -> Person | None:
        """Return who has this name now, or None where the token is gone or was changed since."""
        self.refresh()
        entry = self._entries.get(name)
        if entry is None or not hmac.compare_digest(entry.sha256, digest):
            return None
        return Person(name, entry.right)

    def digest_of(self, name: str) -> str:
        """Return the digest that the file has for a name."""
        return self._entries[name].sha256

    def refresh(self) -> None:
        """Read the file again if it has changed since, or is gone."""
        if (stamp := self._seen()) == self._stamp:
            return
        self._stamp = stamp
        reading = _read(self.path)
        kept = {
            name: entry
            for name, entry in self._entries.items()
            if name in reading.named and name not in reading.entries
        }
        self._entries, self.fault = {**kept, **reading.entries}, reading.fault
        if reading.fault is not None:
            log.error("%s; tokens kept from the version before: %s", reading.fault, _names(kept))
        log.info("the tokens file changed: it lets in %s", _names(self._entries))

    def _seen(self) -> tuple[int, ...] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        # The time of change tells that an owner was mended too; a mode may change twice within its smallest step.
        times = (status.st_mtime_ns, status.st_ctime_ns)
        return (*times, status.st_size, status.st_ino, status.st_mode)


def _names(entries: Mapping[str, _Entry]) -> str:
    return ", ".join(entries) or "nobody"


def _read(path: Path) -> _Reading:
    try:
        text, exposed = path.read_text("utf-8"), why_others_write(path)
    except OSError as error:
        return _unusable(path, str(error.strerror))
    except UnicodeDecodeError:
        return _unusable(path, "invalid UTF-8")
    try:
        document = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError:
        # Who is still in it can be told all the same.
        return _unusable(path, "invalid YAML", frozenset(_NAMED.findall(text)))
    reading = _entries_of(path, document)
    # Who may write the file could let anybody in: nothing new in it counts, what is taken out of it does.
    return reading if exposed is None else _unusable(path, exposed, reading.named)


def _entries_of(path: Path, document: yaml.Node | None) -> _Reading:
    faults: list[str] = []
    named: set[str] = set()
    entries: dict[str, _Entry] = {}
    for name, value in _members(document, faults):
        if name in named:
            faults.append(f"tokens.{name}: stands more than once, expected one token a name")
            entries.pop(name, None)
            continue
        named.add(name)
        try:
            entry = _Entry.model_validate(_scalars(value))
        except ValidationError as error:
            faults += [
                f"tokens.{name}.{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
                for item in error.errors(include_input=False, include_url=False)
            ]
        else:
            entries[name] = entry
    if not faults:
        return _Reading(entries, frozenset(named), None)
    return replace(_unusable(path, "; ".join(faults), frozenset(named)), entries=entries)


def _members(document: yaml.Node | None, faults: list[str]) -> Iterator[tuple[str, yaml.Node]]:
    """Yield names and entries as they are written. `tokens:` may stand more than once: the lines were appended."""
    if document is None:
        return
    if not isinstance(document, yaml.MappingNode):
        faults.append("the file: expected `tokens:` and one line for each token below it")
        return
    for key, value in document.value:
        if key.value != "tokens":
            faults.append("the file: has a member that is not `tokens`")
        elif isinstance(value, yaml.MappingNode):
            for name, entry in value.value:
                if isinstance(name, yaml.ScalarNode) and is_name(name.value):
                    yield name.value, entry
                else:
                    faults.append("tokens: has a name that is not 1 to 64 of A-Z a-z 0-9 . _ @ -")
        elif value.value:
            faults.append("tokens: expected one line for each token below it")


def _scalars(node: yaml.Node) -> dict[str, object]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {str(key.value): value.value for key, value in node.value}


def _unusable(path: Path, why: str, named: frozenset[str] = frozenset()) -> _Reading:
    fault = (
        f"NOTIFIER_CONSOLE_TOKENS_FILE: {path}: {why}; expected"
        " `tokens:` with lines like those that `notifier console token NAME` prints"
    )
    return _Reading({}, named, fault)
