"""Keeps a partition's second error from ending the fetches of all partitions.

Upstream: none filed known in aiokafka, whose issue 258 was another assertion of the same task.

Why: a partition that has no position yet is asked for at the node that leads it, in a task of its own. Where the leader
changes meanwhile, as when a topic was made again, two such tasks find the same error. The second meets an assertion, and
with it ends the task that fetches: nothing is read any more, while `getmany` goes on to return nothing.

Remove when: `Fetcher._set_error` takes an error of a partition that has one.
"""

from typing import Any, Final

from aiokafka.consumer.fetcher import Fetcher

REPLACES: Final = ("aiokafka.consumer.fetcher.Fetcher._set_error",)

_set = Fetcher._set_error  # noqa: SLF001  # aiokafka has no public word for it


def _set_first_error(self: Any, tp: Any, error: Exception) -> None:  # noqa: ANN401  # aiokafka ships no types
    # What stands there already, an error or records, is taken first; an error that lasts comes again.
    if tp not in self._records:
        _set(self, tp, error)


def apply() -> None:
    """Let every consumer of this process go on. Calling it again does no harm."""
    Fetcher._set_error = _set_first_error  # noqa: SLF001  # aiokafka has no public word for it
