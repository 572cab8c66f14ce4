"""Sending delivered notifications again from the console. The rules are those of `streams.operator.dead_letters.resend`."""

from dataclasses import dataclass, field

from streams.kafka.format.facts import Fact
from streams.operator.console.checks import Checked, Checks, Refusal
from streams.operator.console.replays import Replays
from streams.operator.dead_letters.clients import ReplayClients
from streams.operator.dead_letters.replay_record import CannotReplay
from streams.operator.dead_letters.resend import event_to_resend, resend
from streams.operator.dead_letters.run import RunResult
from streams.operator.history.notification_history import histories_of


@dataclass(slots=True)
class Resends:
    """What was checked, and sends it.

    Attributes:
        replays: whose runs they are: one at a time, watched and accounted for like any other.
        checks: facts about the events of what was checked.
    """

    replays: Replays
    checks: Checks[Fact] = field(init=False)

    def __post_init__(self) -> None:
        self.checks = Checks(self.replays.read_model.now_ms)

    def check(self, by: str, order_id: str, notification_id: str | None) -> Checked[Fact]:
        """Remember what somebody is about to send again.

        Raises:
            Refusal: it was not delivered, or is not known.
        """
        event = self._event(order_id, notification_id)
        return self.checks.remember(by, (event.record_id.header, str(event.replays)), event)

    def start(self, checked: Checked[Fact], why: str) -> str:
        """Send it and return the id of the run; of the one that did it, where there is one already.

        Raises:
            Refusal: not now, or not this any more.
        """
        if checked.run is not None:
            return checked.run
        audit, event = self.replays.audit(checked.by, why), checked.what
        if self._event(event.order_id or "", event.notification_id).replays != event.replays:
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
