"""A steady load, written by a process of its own."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from streams.sandbox.ledger import Kept, Produced

RATE = 210.0
"""Events a second over all five profiles; asked are 200 at least."""

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        events: how many.
        seconds: in what time.
        acknowledged: event ids, with where the broker said that they stand.
        planned: for each event id its order id, profile and the place where it must end.
    """

    events: int
    seconds: float
    acknowledged: dict[str, str]
    planned: dict[str, tuple[str, str, str]]

    def produced(self, source: list[Kept]) -> list[Produced]:
        """Return every event on the source topic, acknowledged or not.

        An event whose acknowledgement got lost counts as well: the notifier can't tell the difference.
        """
        standing = {json.loads(record.value or b"")["eventId"]: record.place for record in source}
        assert len(standing) == len(source), "an event stands twice on the source topic"
        missing = {
            event_id: place
            for event_id, place in self.acknowledged.items()
            if standing.get(event_id) != place
        }
        assert not missing, f"{len(missing)} events that the broker had acknowledged are gone"
        return [
            Produced(
                place,
                self.planned[event_id][1],
                self.planned[event_id][0],
                self.planned[event_id][2],
            )
            for event_id, place in standing.items()
        ]


class Load:
    """A generator process, writing.

    Args:
        bootstrap: the brokers.
        topic: where events go.
        partner_url: who is told.
        seed: of all that is drawn.
        directory: where it notes what it wrote.
        climbers: see `mix`.
        rate: events a second.
    """

    def __init__(  # noqa: PLR0913  # all that makes a load
        self,
        bootstrap: str,
        topic: str,
        partner_url: str,
        *,
        seed: str,
        directory: Path,
        climbers: int = 0,
        rate: float = RATE,
    ) -> None:
        self._notes = directory / "written.jsonl"
        options = {
            "bootstrap": bootstrap,
            "topic": topic,
            "partner": partner_url,
            "prefix": "event",
            "notes": str(self._notes),
            "seed": seed,
            "rate": str(rate),
            "climbers": str(climbers),
        }
        arguments = [part for name, text in options.items() for part in (f"--{name}", text)]
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-m", "tests.faults.generator", *arguments],
            cwd=ROOT,
            env={name: text for name, text in os.environ.items() if name != "FAULTS_CLOCK"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    async def begun(self) -> None:
        """Wait for the first event."""
        assert await asyncio.to_thread(self._line) == "writing\n", "the generator ended at once"

    async def end(self) -> Written:
        """Write no more, and return what was written once the broker has it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        summary = json.loads(await asyncio.to_thread(self._line))
        assert await asyncio.to_thread(self._process.wait, 30) == 0
        self.kill()
        notes = [json.loads(line) for line in self._notes.read_text("ascii").splitlines()]
        return Written(
            summary["events"],
            summary["seconds"],
            {note["event_id"]: note["origin"] for note in notes if note["origin"]},
            {
                note["event_id"]: (note["order_id"], note["profile"], note["expected"])
                for note in notes
            },
        )

    def kill(self) -> None:
        """End it; nothing happens when it has ended."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()
