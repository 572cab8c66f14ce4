"""Faults put into the worker on purpose: whether the worlds find them, and after how many.

Each is one mistake that a change could make: an offset off by one, an await left out, an order turned round, a check
forgotten, a timer early. `python -m tests.simulation --seeded 600` tries them all: most are found within a few worlds, some
need a few hundred.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.simulation.campaign import UNSCALED_EVERY, run
from tests.simulation.plan import draw
from tests.simulation.seeded import (
    admission,
    deciding,
    lanes,
    reading,
    remembering,
    worlds,
    writing,
)
from tests.simulation.seeded.kind import Seed

FILE: Final = "seeded.json"
SEEDED: Final[tuple[Seed, ...]] = (
    *lanes.FAULTS, *reading.FAULTS, *writing.FAULTS, *remembering.FAULTS, *deciding.FAULTS, *admission.FAULTS,
)  # fmt: skip
"""All of them."""

_WANTED: Final[dict[Seed, worlds.Wanted]] = {
    reading.failed_commit_counts_as_made: worlds.with_commits_not_made,
    reading.offsets_count_whatever_log_they_are_of: worlds.with_topics_made_again,
    reading.offsets_are_committed_under_no_id: worlds.with_a_source_made_again_twice,
    reading.no_new_positions_in_a_log_made_again: worlds.with_topics_made_again,
    reading.nothing_committed_where_the_coordinator_has_an_error: worlds.with_coordinators_that_move,
    writing.batches_of_partitions_that_are_gone_are_kept: worlds.with_topics_made_again,
    writing.only_the_first_record_is_tried_again: worlds.with_refused_writes,
    remembering.identity_with_the_due_time: worlds.with_second_copies,
    remembering.lane_forgets_what_it_settled: worlds.with_second_copies,
    remembering.new_lane_recalls_nothing: worlds.with_second_copies,
}
"""Those that show only where two things go wrong together are tried in worlds in which they do."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a seeded fault.

    Attributes:
        name: its own.
        worlds: after how many it was found; 0 for never.
        said: what was said of the world that went wrong.
    """

    name: str
    worlds: int
    said: str


def try_one(seed: Seed, first: int, most: int) -> Tried:
    """Put one fault in, run worlds until one goes wrong, and take it out again."""
    name = seed.__name__.replace("_", " ")
    wanted = _WANTED.get(seed, worlds.as_drawn)
    with pytest.MonkeyPatch.context() as patch:
        seed(patch)
        for number in range(most):
            # Undirected: nobody knows where a mistake is made.
            plan = draw(first + number, unscaled=(first + number) % UNSCALED_EVERY == 0)
            judgement, world = run(wanted(plan), most_callbacks=150_000)
            del world
            for broken in ("AttributeError", "TypeError", "NameError"):
                assert broken not in str(judgement.faults), f"{name}: {judgement.faults[0]}"
            if judgement.faults:
                return Tried(name, number + 1, judgement.faults[0][:160])
    return Tried(name, 0, "")


def keep_tried(tried: Sequence[Tried], of: Mapping[str, Any], directory: Path) -> None:
    """Keep what became of all of them for `tests.simulation.report`, with the code, the first seed and the most worlds of each."""
    directory.mkdir(parents=True, exist_ok=True)
    figures = {**of, "tried": [asdict(one) for one in tried]}
    (directory / FILE).write_text(json.dumps(figures, indent=1), "utf-8")
