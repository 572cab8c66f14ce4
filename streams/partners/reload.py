"""The partners file while a worker runs: the version in force, and a look at the disk now and then."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from streams.partners.files import Signature, signature_of
from streams.partners.load import Partners, PartnersFileError, load_partners


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing is to be done: what is on disk is known, or it is just being written."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """A new version is in force.

    Attributes:
        partners: all of them.
        changed: ids that are new or differ.
        removed: ids that are gone.
    """

    partners: Partners
    changed: frozenset[str]
    removed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The version on disk can't be used; the one before stays in force.

    Attributes:
        faults: why.
    """

    faults: tuple[str, ...]


class PartnersFile:
    """Holds the version in force.

    Args:
        path: of the partners file.
        now_seconds: the present, since the epoch.
        allow_http: whether plain http notify URLs will do.

    Raises:
        PartnersFileError: the file can't be used at all.
    """

    def __init__(self, path: Path, now_seconds: float, *, allow_http: bool = False) -> None:
        self._path = path
        self._allow_http = allow_http
        self._current = load_partners(path, now_seconds, allow_http=allow_http)
        self._watched: Mapping[Path, Signature] = self._current.watched
        self._written: Mapping[Path, Signature] | None = None

    @property
    def current(self) -> Partners:
        """The version in force."""
        return self._current

    def poll(self, now_seconds: float) -> Unchanged | Reloaded | Rejected:
        """Look at the file and all that it names; read them again once one has changed and is then left as it is.

        A version counts when two looks have seen the same. What is just being written may be whole YAML and half a file:
        partners at its end are missing, a URL or a number ends too early.
        Blocks for the time of some `stat` calls; a reload loads keys, so run it in a thread. A bad version
        is reported once, until it changes again.
        """
        seen = {path: signature_of(path) for path in self._watched}
        if seen == self._watched:
            self._written = None
            return Unchanged()
        if seen != self._written:
            self._written = seen
            return Unchanged()
        self._written = None
        before = self._current
        try:
            after = load_partners(
                self._path, now_seconds, allow_http=self._allow_http, known=before
            )
        except PartnersFileError as exc:
            self._watched = exc.watched
            return Rejected(tuple(exc.faults))
        self._current, self._watched = after, after.watched
        changed = frozenset(name for name in after if after[name] is not before.get(name))
        return Reloaded(after, changed, frozenset(before) - frozenset(after))
