"""What destinations that have not answered lately may have of a worker's calls, and each partner's part of it.

Without parts the first to come would have it all: one platform's dead merchants, each called once, would keep every other
partner's destination that is untried, or waits for its probe, from being called.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from streams.admission.limits import BELOW_PART_SHARE
from streams.admission.queue import DestinationQueue


@dataclass(slots=True)
class UnansweredCalls:
    """Calls under way to destinations, untried or unresponsive, that have not answered lately.

    Attributes:
        calls: all of them.
        untried: those to untried destinations.
        retries: those that are retries.
        probes: those that went out as probes. What an untried destination was given before it turned out to be
            unresponsive is none: else a flood of new ones, all dead, would leave the others' probes no room.
    """

    calls: int = 0
    untried: int = 0
    retries: int = 0
    probes: int = 0


_NOBODY = UnansweredCalls()


class _Limit(NamedTuple):
    """One limit, as a partner meets it.

    Attributes:
        calls: that count towards it.
        own: the partner's, as far as they count towards its part.
        of_all: all that count towards parts.
        most: how many there may be.
        part: how many of them are the partner's.
    """

    calls: int
    own: int
    of_all: int
    most: int
    part: int

    def is_full(self) -> bool:
        """Tell whether the partner gets no further call: all are taken, or it has its part and the rest is for others."""
        rest = -(-self.most // BELOW_PART_SHARE)  # one at least, however few calls a worker makes
        return self.calls >= self.most or (
            self.own >= self.part and self.of_all >= self.most - rest
        )


class UnansweredShare:
    """The calls that destinations without a late answer may have together.

    The last calls of each limit are for partners that have less than an equal part of it; the rest is anybody's. So who
    comes late finds room at once, whatever others have, and next to nothing lies idle. Each question costs the same,
    however many destinations there are.

    Args:
        untried: how many calls untried destinations may have.
        probes: how many unresponsive ones.
        calls: how many all but quick destinations may have together, slow ones included.
        retries: how many of those may be retries.
    """

    def __init__(self, untried: int, probes: int, calls: int, retries: int) -> None:
        self._most_untried, self._most_probes = untried, probes
        self._most_calls, self._most_retries = calls, retries
        self._partners: dict[str, UnansweredCalls] = {}
        self.all = UnansweredCalls()
        """Under way, as far as they were counted."""

    def is_full(
        self, queue: DestinationQueue, slow: list[int], *, probe: bool, retry: bool
    ) -> bool:
        """Tell whether a destination gets no call now, because of what others like it and its partner's have.

        Args:
            queue: the destination's.
            slow: the calls of slow destinations, and those of them that are retries.
            probe: whether it is unresponsive, else it is untried.
            retry: whether the call is a retry.
        """
        limits = self._limits(queue, slow, probe=probe, retry=retry)
        return any(limit.is_full() for limit in limits)

    def is_below_part(
        self, queue: DestinationQueue, slow: list[int], *, probe: bool, retry: bool
    ) -> bool:
        """Tell whether its partner has less than its part, so that others have what it does not get."""
        limits = self._limits(queue, slow, probe=probe, retry=retry)
        return all(limit.own < limit.part for limit in limits)

    def _limits(
        self, queue: DestinationQueue, slow: list[int], *, probe: bool, retry: bool
    ) -> Iterator[_Limit]:
        own, all_calls = self._partners.get(queue.partner_id, _NOBODY), self.all
        partners = len(self._partners) + 1  # and one that comes next

        def limit(calls: int, own: int, most: int, *, of_all: int | None = None) -> _Limit:
            of_all = calls if of_all is None else of_all
            return _Limit(calls, own, of_all, most, max(1, most // partners))

        both = min(self._most_untried + self._most_probes, self._most_calls - slow[0])
        yield limit(all_calls.calls, own.calls, both)
        if retry:
            yield limit(all_calls.retries, own.retries, self._most_retries - slow[1])
        if not probe:
            yield limit(all_calls.untried, own.untried, self._most_untried)
        else:
            # While many calls hang that began as first ones, who has its part of these gets no probes beside them.
            unresponsive = all_calls.calls - all_calls.untried
            own_unresponsive = own.calls - own.untried
            yield limit(all_calls.probes, own_unresponsive, self._most_probes, of_all=unresponsive)

    def note_probe(self, queue: DestinationQueue, calls: int) -> None:
        """Count a probe, 1 where it begins and -1 where it ends."""
        self._add(queue.partner_id, probes=calls)

    def note(self, queue: DestinationQueue, now: float) -> None:
        """Count a destination's calls as what it is now, instead of what it was."""
        state = queue.state
        unresponsive = state.is_unresponsive(now)
        if unresponsive or not state.has_answered:
            counted = state.in_flight, 0 if unresponsive else state.in_flight, queue.retries
        else:
            counted = 0, 0, 0
        if counted != queue.unanswered:
            calls, untried, retries = (
                new - old for new, old in zip(counted, queue.unanswered, strict=True)
            )
            queue.unanswered = counted
            self._add(queue.partner_id, calls, untried, retries)

    def _add(
        self, partner_id: str, calls: int = 0, untried: int = 0, retries: int = 0, probes: int = 0
    ) -> None:
        own = self._partners.setdefault(partner_id, UnansweredCalls())
        for counted in (self.all, own):
            counted.calls += calls
            counted.untried += untried
            counted.retries += retries
            counted.probes += probes
        if not own.calls and not own.probes:
            del self._partners[partner_id]
