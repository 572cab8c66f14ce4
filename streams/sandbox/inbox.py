"""What a rehearsal partner has received, to be waited for from any thread."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as it was on the wire.

    Attributes:
        number: counted from 1 in the order of arrival, over all orders.
        attempt: counted from 1 for this order and path.
        at_seconds: when it had arrived, on the machine's monotonic clock.
        at_ms: the same on the wall clock, milliseconds since the epoch.
        path: path and query.
        headers: names in lower case.
        body: the exact bytes.
        sha256: of the body, in hexadecimal.
        order_id: from the body, or empty.
        signature_valid: whether it carries the sender's signature over exactly this.
        faults: what a strict receiver would refuse, the signature included; empty when all is well.
        answer: what the script says to it.
        connection: the sender's address and port; the same for every request of a connection.
        in_flight: requests without an answer at this moment, this one included.
        method: as it was on the wire.
    """

    number: int
    attempt: int
    at_seconds: float
    at_ms: int
    path: str
    headers: Mapping[str, str]
    body: bytes
    sha256: str
    order_id: str
    signature_valid: bool
    faults: tuple[str, ...]
    answer: str
    connection: str
    in_flight: int
    method: str = "POST"

    def to_json(self) -> str:
        """Return it as one line; bytes that are no UTF-8 become lone surrogates."""
        return json.dumps(asdict(self) | {"body": self.body.decode("utf-8", "surrogateescape")})

    @classmethod
    def from_json(cls, line: str) -> "Received":
        """Read what `to_json` wrote."""
        members = json.loads(line)
        body = members["body"].encode("utf-8", "surrogateescape")
        return cls(**members | {"body": body, "faults": tuple(members["faults"])})


class Inbox:
    """All requests so far. Safe to use from any thread."""

    def __init__(self) -> None:
        self._requests: list[Received] = []
        self._changed = threading.Condition()

    @property
    def requests(self) -> Sequence[Received]:
        """Every request so far, a copy."""
        with self._changed:
            return tuple(self._requests)

    def of_order(self, order_id: str) -> Sequence[Received]:
        """Return the requests about one order."""
        return [request for request in self.requests if request.order_id == order_id]

    def add(self, request: Received) -> None:
        """Take a request in and wake those who wait."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def wait_for(
        self, target: int | Callable[[Sequence[Received]], bool], timeout_seconds: float = 30
    ) -> Sequence[Received]:
        """Wait until so many requests are in, or until the predicate holds, and return all requests.

        Raises:
            TimeoutError: it did not come to that; the message says how many there are.
        """
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while not (
                len(self._requests) >= target if isinstance(target, int) else target(self._requests)
            ):
                if (
                    not self._changed.wait(deadline - time.monotonic())
                    and time.monotonic() >= deadline
                ):
                    wanted = f"{target} requests" if isinstance(target, int) else "the condition"
                    message = f"waited {timeout_seconds:g} s for {wanted}; {len(self._requests)} requests are in"
                    raise TimeoutError(message)
            return tuple(self._requests)
