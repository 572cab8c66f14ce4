"""The ledger of a rehearsal: what was produced, what the partner got and what the topics hold, brought together.

Pure: evidence in, report out. Three things rest on the attempts topic, so on the notifier's own word: that a
notification was delivered (the partner's record must hold the call, `Produced.expected` what it answered), when an
attempt ended, and lateness.
The rules stand in `streams.sandbox.ledger_case`; `streams.sandbox.ledger_evidence` collects the evidence from a broker.
"""

from collections import defaultdict
from dataclasses import dataclass
from math import ceil

from pydantic import ValidationError

from schemas.attempt_record import AttemptRecord
from streams.sandbox.inbox import Received
from streams.sandbox.ledger_case import Case, Evidence
from streams.sandbox.ledger_entries import DELIVERED, Account, Fault, FaultKind, Kept, Produced

__all__ = [
    "DELIVERED",
    "Account",
    "Fault",
    "FaultKind",
    "Kept",
    "Ledger",
    "Produced",
    "Reconciliation",
]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The result of a ledger.

    Attributes:
        accounts: one for each event, in the order of production.
        faults: everything that is wrong; empty when all is well.
        lateness_ms: of each retry, rising: its start after its due time.
    """

    accounts: tuple[Account, ...]
    faults: tuple[Fault, ...]
    lateness_ms: tuple[int, ...]

    def count(self, kind: FaultKind) -> int:
        """Return how many faults are of this kind."""
        return sum(fault.kind is kind for fault in self.faults)

    def lateness_at(self, share: float) -> int:
        """Return the lateness, in milliseconds, that this share of all retries keeps within; 0 without retries."""
        return self.lateness_ms[ceil(share * len(self.lateness_ms)) - 1] if self.lateness_ms else 0


class Ledger(Evidence):
    """The evidence and its reconciliation."""

    __slots__ = ()

    def reconcile(self) -> Reconciliation:
        """Judge every event by the evidence about it, and what is of no event."""
        faults: list[Fault] = []
        by_event = _ByEvent(self, faults)
        accounts: list[Account] = []
        lateness: list[int] = []
        for produced in self.produced:
            case = Case(
                self,
                produced,
                by_event.kept[produced.origin],
                by_event.journal[produced.origin],
                by_event.requests[produced.origin],
            )
            account = case.account()
            accounts.append(account)
            faults += case.faults(account)
            lateness += case.lateness_ms()
        return Reconciliation(tuple(accounts), tuple(faults), tuple(sorted(lateness)))


class _ByEvent:
    """The evidence by event; what belongs to none is a fault."""

    def __init__(self, evidence: Evidence, faults: list[Fault]) -> None:
        self.kept: defaultdict[str, list[Kept]] = defaultdict(list)
        self.journal: defaultdict[str, list[AttemptRecord]] = defaultdict(list)
        self.requests: defaultdict[str, list[Received]] = defaultdict(list)
        known = {produced.origin for produced in evidence.produced}
        by_order: dict[str, str] = {}
        for produced in evidence.produced:
            by_order.setdefault(produced.order_id, produced.origin)
        for record in evidence.kept:
            if record.topic != f"{evidence.prefix}-attempts":
                origin = record.origin
                self.kept[origin].append(record)
            else:
                try:
                    entry = AttemptRecord.model_validate_json(record.value or b"")
                except ValidationError as error:
                    members = ", ".join(str(fault["loc"]) for fault in error.errors())
                    faults.append(Fault(FaultKind.UNREADABLE, record.place, members))
                    continue
                origin = entry.origin or ""
                self.journal[origin].append(entry)
            if origin not in known:
                faults.append(Fault(FaultKind.STRAY, origin, f"the record at {record.place}"))
        for request in sorted(evidence.requests, key=lambda request: request.at_seconds):
            order = by_order.get(request.order_id, "") if request.order_id else ""
            self.requests[order].append(request)
            if not order:
                faults.append(Fault(FaultKind.STRAY, order, f"request {request.number}"))
