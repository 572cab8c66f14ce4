"""Sending delivered notifications again from the console. The rules are those of `streams.operator.dead_letters.resend`."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from streams.kafka.format.facts import Fact
from streams.operator.console.replays import Refusal, Replays
from streams.operator.dead_letters.clients import ReplayClients
from streams.operator.dead_letters.replay_record import CannotReplay
from streams.operator.dead_letters.resend import event_to_resend, resend
from streams.operator.dead_letters.run import RunResult
from streams.operator.history.notification_history import histories_of

_HOLDS_MS: Final = 15 * 60_000
_MOST_CHECKED: Final = 100


@dataclass(slots=True)
class CheckedResend:
    """A delivered notification that somebody looked at and may send again within a quarter of an hour.

    Attributes:
        resend_id: the same for the same notification, person and number of replays, so that a form that is sent twice
            sends it once.
        by: who.
        order_id: of the notification.
        event: what is known of its event.
        until_ms: how long it holds.
        run: the run that sent it, or None.
    """

    resend_id: str
    by: str
    order_id: str
    event: Fact
    until_ms: int
    run: str | None = None


@dataclass(slots=True)
class Resends:
    """What was checked, and sends it.

    Attributes:
        replays: whose runs they are: one at a time, watched and accounted for like any other.
    """

    replays: Replays
    _checked: dict[str, CheckedResend] = field(default_factory=dict, init=False)

    def check(self, by: str, order_id: str, notification_id: str | None) -> CheckedResend:
        """Remember what somebody is about to send again.

        Raises:
            Refusal: it was not delivered, or is not known.
        """
        event = self._event(order_id, notification_id)
        now = self.replays.read_model.now_ms()
        text = "\n".join([by, event.record_id.header, str(event.replays)])
        resend_id = sha256(text.encode()).hexdigest()[:32]
        known = self._checked.get(resend_id)
        if known is not None and known.run is None:
            known.until_ms = now + _HOLDS_MS
            return known
        while len(self._checked) >= _MOST_CHECKED:
            del self._checked[next(iter(self._checked))]
        checked = CheckedResend(resend_id, by, order_id, event, now + _HOLDS_MS)
        self._checked[resend_id] = checked
        return checked

    def checked(self, resend_id: str, by: str) -> CheckedResend:
        """Return what somebody checked before.

        Raises:
            Refusal: it is too long ago, or was another's.
        """
        known = self._checked.get(resend_id)
        if known is None or known.by != by or known.until_ms < self.replays.read_model.now_ms():
            message = "What you checked is no longer known: it holds for 15 minutes. Check it again. Nothing was sent."
            raise Refusal(message)
        return known

    def start(self, checked: CheckedResend, why: str) -> str:
        """Send it and return the id of the run; of the one that did it, where there is one already.

        Raises:
            Refusal: not now, or not this any more.
        """
        if checked.run is not None:
            return checked.run
        audit, event = self.replays.audit(checked.by, why), checked.event
        if self._event(checked.order_id, event.notification_id).replays != event.replays:
            message = "It was sent again since you checked it. Check it again. Nothing was sent."
            raise Refusal(message)
        checked.run = audit.run

        async def send(clients: ReplayClients, result: RunResult) -> None:
            try:
                await resend(event, clients, audit)
            except CannotReplay as error:
                result.refused.append((event.record_id, str(error)))
            else:
                result.replayed += 1

        self.replays.begin(audit, 1, send)
        return audit.run

    def _event(self, order_id: str, notification_id: str | None) -> Fact:
        histories = histories_of(self.replays.read_model.store.facts_of(order_id))
        try:
            return event_to_resend(histories, notification_id)
        except CannotReplay as error:
            message = f"Order {order_id} can't be sent again: {error}. Nothing was sent."
            raise Refusal(message) from error
