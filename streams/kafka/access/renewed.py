"""The newest usable content of files: read again when they change on disk, for the next connection."""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from streams.partners.files import signature_of

log = logging.getLogger(__name__)

T = TypeVar("T")


class Renewed(Generic[T]):
    """Holds the version in force. A bad new version is logged once, and the one before stays in force.

    Args:
        what: the files, in words for a message.
        paths: of the files.
        read: reads all of them; raises OSError or ValueError where they can't be used.
    """

    def __init__(self, what: str, paths: Iterable[Path], read: Callable[[], T]) -> None:
        self._what, self._paths, self._read = what, tuple(paths), read
        self._lock = threading.Lock()
        self._seen: object = None
        self._held: T | None = None
        self.fault: str | None = None

    def present(self) -> T:
        """Return the newest version that can be used. Blocks for some `stat` calls, and to read what has changed.

        Raises:
            OSError, ValueError: there never was one.
        """
        with self._lock:
            seen = [signature_of(path) for path in self._paths]
            if self._held is not None and seen == self._seen:
                return self._held
            try:
                held = self._read()
            except (OSError, ValueError) as error:
                if self._held is None:
                    raise
                why = getattr(error, "strerror", None) or error
                self.fault = (
                    f"the new {self._what} can't be used, the old one stays in force: {why}"
                )
                log.error("%s", self.fault)  # noqa: TRY400  # the sentence says it all
            else:
                if self._held is not None:
                    log.info("the %s changed and was read again", self._what)
                self._held, self.fault = held, None
            self._seen = seen
            return self._held
