"""Steps broken on purpose, each with a small world in which that shows: what finds nothing there proves nothing."""

from dataclasses import dataclass, replace
from typing import Final

from streams.kafka.committed_state import CommittedState
from tests.model.rules import Rules, progress
from tests.model.settings import EVENTS, RETRIES, Setting


@dataclass(frozen=True)
class Broken:
    """A step that is wrong.

    Attributes:
        what: it does, where the product does otherwise.
        rules: with this step.
        setting: where it shows.
        fault: how the fault that it leads to ends.
    """

    what: str
    rules: Rules
    setting: Setting
    fault: str


def _past_a_gap(
    finished_before: frozenset[int], admitted: tuple[int, ...], settled: frozenset[int]
) -> CommittedState | None:
    right = progress(finished_before, admitted, settled)
    return CommittedState(max(settled) + 1) if right and settled else right


def _one_too_far(
    finished_before: frozenset[int], admitted: tuple[int, ...], settled: frozenset[int]
) -> CommittedState | None:
    right = progress(finished_before, admitted, settled)
    return right and CommittedState(right.offset + 1, right.finished)


def _what_was_read(
    _before: frozenset[int], admitted: tuple[int, ...], _settled: frozenset[int]
) -> CommittedState | None:
    return CommittedState(admitted[-1] + 1) if admitted else None


def _forgets_what_was_finished(
    finished_before: frozenset[int], admitted: tuple[int, ...], settled: frozenset[int]
) -> CommittedState | None:
    return progress(frozenset(), admitted, settled - finished_before)


def _read_one_higher(offset: int, text: str) -> CommittedState:
    right = CommittedState.read(offset, text)
    return CommittedState(offset, frozenset(n + 1 for n in right.finished))


_CRASH = frozenset({"crash"})
_REBALANCE = frozenset({"rebalance"})
_SESSION = frozenset({"session ends"})
_NOT_SETTLED = "is committed and not settled"
_TAKEN_BACK = "is settled"
_AGAIN = "is handled again, and no fault came between"


def _events(faults: int, hitches: int, kinds: frozenset[str]) -> Setting:
    return replace(EVENTS, faults=faults, hitches=hitches, kinds=kinds)


_ALONE = _events(0, 0, frozenset())
_REBALANCED = _events(1, 0, _REBALANCE)
_GIVEN_UP = _events(1, 1, _REBALANCE | {"drain ends"})

BROKEN: Final = (
    Broken("commits past a gap", Rules(progress=_past_a_gap), _ALONE, _NOT_SETTLED),
    Broken("commits one record too far", Rules(progress=_one_too_far), _ALONE, _NOT_SETTLED),
    Broken("commits what was read", Rules(progress=_what_was_read), _ALONE, _NOT_SETTLED),
    Broken("commits before the write", Rules(settles_when="decided"), _ALONE, _NOT_SETTLED),
    Broken(
        "takes the first acknowledgement of two for both",
        Rules(settles_when="stored-first"),
        replace(_ALONE, splits=True),
        _NOT_SETTLED,
    ),
    Broken(
        "takes a commit of another generation",
        Rules(fences=False),
        _events(1, 0, _SESSION),
        _TAKEN_BACK,
    ),
    Broken(
        "hands over without a drain",
        Rules(drains=False),
        _REBALANCED,
        _AGAIN,
    ),
    Broken("hands over without a commit", Rules(commits_after_drain=False), _REBALANCED, _AGAIN),
    Broken(
        "commits after the hand-over what lanes said before",
        Rules(commits_old_lanes=True),
        _REBALANCED,
        _TAKEN_BACK,
    ),
    Broken(
        "takes records that were fetched before a rebalance",
        Rules(admits=lambda _generation, _of: True),
        replace(_REBALANCED, lingers=True, queue=2),
        _NOT_SETTLED,
    ),
    Broken(
        "stays where it was when partitions come",
        Rules(seeks=False),
        _REBALANCED,
        _NOT_SETTLED,
    ),
    Broken(
        "takes a failed commit for done",
        Rules(notes_failed=True),
        _events(0, 1, frozenset({"late commit"})),
        "is not committed",
    ),
    Broken(
        "does not write what is finished behind a record in flight",
        Rules(write=lambda _state: ""),
        _GIVEN_UP,
        _AGAIN,
    ),
    Broken(
        "does not read what was finished behind a record in flight",
        Rules(read=lambda offset, _text: CommittedState(offset)),
        _GIVEN_UP,
        _TAKEN_BACK,
    ),
    Broken(
        "reads what was finished one record too high",
        Rules(read=_read_one_higher),
        _GIVEN_UP,
        _TAKEN_BACK,
    ),
    Broken(
        "does not keep for the next owner what the former one had finished",
        Rules(progress=_forgets_what_was_finished),
        _GIVEN_UP,
        _TAKEN_BACK,
    ),
    Broken(
        "handles again what the former owner had finished",
        Rules(begins=lambda _before, _admitted, _offset: True),
        _GIVEN_UP,
        _AGAIN,
    ),
    Broken(
        "remembers nothing of what was settled",
        Rules(remembers=False),
        replace(RETRIES, faults=0, hitches=1, kinds=frozenset({"stored again"})),
        "which this lane has had",
    ),
    Broken(
        "lets a second copy go on beside the first",
        Rules(locks=False),
        replace(RETRIES, faults=0, hitches=1, kinds=frozenset({"stored again"})),
        "which this lane has had",
    ),
    Broken(
        "does not count the attempt in the next record",
        Rules(counts=False),
        replace(RETRIES, faults=0, hitches=0),
        "and no fault came before",
    ),
)
"""Each is found by the least world that can show it."""
