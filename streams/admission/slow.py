"""What slow destinations may have of a worker's calls, and the part of it that each of their partners has.

Without parts the first to come would have it all: a slow platform that floods would keep every other slow partner from
being called, also one that has become quick, which only its answers could show.
"""

from streams.admission.limits import PATIENCE_SECONDS
from streams.admission.queue import Denied, DestinationQueue, SlowPartner


class SlowShare:
    """The calls that slow destinations may have together.

    Each partner of such destinations has an equal part, and each of its slow destinations an equal part of that. While
    all calls are taken, who has less than its part waits for the next one that ends, and who has more is denied. What
    nobody else asks for is anybody's. Each question costs the same, however many destinations there are.

    Args:
        calls: how many they may have.
        retries: how many of these may be retries.
    """

    def __init__(self, calls: int, retries: int) -> None:
        self._most = (calls, retries)
        self._partners: dict[str, SlowPartner] = {}
        self.calls = [0, 0]
        """Under way, as far as they were counted; of them retries."""

    def is_full(self, *, retry: bool) -> bool:
        """Tell whether all calls are taken, or all that retries may have."""
        return self.calls[0] >= self._most[0] or (retry and self.calls[1] >= self._most[1])

    def may_wait(self, queue: DestinationQueue, ahead: int, *, retry: bool) -> bool:
        """Tell whether a destination has less than its part, also after so many others of its calls."""
        below = self._is_below(queue, queue.state.in_flight + ahead, retry=False)
        return below and (not retry or self._is_below(queue, queue.retries + ahead, retry=True))

    def _is_below(self, queue: DestinationQueue, calls: int, *, retry: bool) -> bool:
        if queue.slow is None:
            return False
        part = self._partners_part(retry=retry)
        own = part / queue.slow.destinations
        # The call that goes beyond a part, as only whole calls can be made, is made within the partner's.
        return calls + 1 <= own or (calls < own and queue.slow.calls[retry] < part)

    def _partners_part(self, *, retry: bool) -> float:
        return self._most[retry] / max(1, len(self._partners))

    def denied(
        self, queue: DestinationQueue, now: float, *, retry: bool, has_waited: bool
    ) -> Denied:
        """Return when a record is to come back that got no call: soon, or after those of its partner that were denied before.

        Args:
            queue: the destination's.
            now: the present.
            retry: whether it is a retry.
            has_waited: for one of the next calls that end.
        """
        partner, later = queue.slow, now + PATIENCE_SECONDS
        if partner is None or (has_waited and self.may_wait(queue, 0, retry=retry)):
            return Denied("share", later, escalate=False)
        calls = max(partner.calls[retry], self._partners_part(retry=retry))
        promised = partner.promises[retry].make(now, later, queue.state.usual_seconds / calls)
        return Denied("slow", promised, escalate=False)

    def note_call(self, queue: DestinationQueue, now: float, calls: int, *, retry: bool) -> None:
        """Count a call of any destination, 1 where it begins and -1 where it ends."""
        if queue.slow is None:
            return
        queue.slow.calls[0] += calls
        queue.slow.calls[1] += calls * retry
        if not queue.state.is_unresponsive(now):  # it is counted among those then
            self.calls[0] += calls
            self.calls[1] += calls * retry

    def note_answer(self, queue: DestinationQueue) -> None:
        """Take in whether a destination is slow, after it has answered once more."""
        if queue.state.is_slow == (queue.slow is not None):
            return
        if queue.slow is not None:
            self.forget(queue)
            return
        queue.slow = partner = self._partners.setdefault(queue.partner_id, SlowPartner())
        partner.destinations += 1
        partner.calls[0] += queue.state.in_flight
        partner.calls[1] += queue.retries

    def forget(self, queue: DestinationQueue) -> None:
        """Take in that a destination is not slow any more, or not remembered."""
        partner, queue.slow = queue.slow, None
        if partner is None:
            return
        partner.destinations -= 1
        partner.calls[0] -= queue.state.in_flight
        partner.calls[1] -= queue.retries
        if not partner.destinations:
            del self._partners[queue.partner_id]
