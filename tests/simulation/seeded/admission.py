"""Mistakes in who may call whom, how many at once, and how soon."""

from dataclasses import replace
from typing import Any, Final

import pytest

from streams.admission import admission
from streams.admission.admission import Admission
from streams.admission.destination import Destination
from streams.admission.queue import Permit
from streams.worker.deliver import Delivery
from tests.simulation.seeded.kind import Seed


def permit_is_never_given_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Admission, "give_back", lambda *_: None)


def permit_is_given_back_before_the_call(patch: pytest.MonkeyPatch) -> None:
    real = Admission.admit

    async def admit(self: Any, *args: Any, **options: Any) -> Any:
        permit = await real(self, *args, **options)
        if isinstance(permit, Permit):
            self.give_back(permit, None)
            self.in_flight += 1
            permit.queue.state.in_flight += 1
        return permit

    patch.setattr(Admission, "admit", admit)


def destination_gets_one_call_more(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Destination, "has_room", lambda self: self.in_flight <= int(self._allowed))


def worker_makes_one_call_more(patch: pytest.MonkeyPatch) -> None:
    def has_room(self: Any, *, retry: bool) -> bool:
        return self.in_flight <= self._max_in_flight and not (
            retry and self._retries >= self._max_retries
        )

    patch.setattr(Admission, "_has_room", has_room)


def retries_take_all_calls(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(admission, "RETRY_SHARE", 1)


def rate_is_twice_as_fast(patch: pytest.MonkeyPatch) -> None:
    real = Admission._look_up

    def look_up(self: Any, partner: Any, *args: Any) -> Any:
        rate = partner.rate_limit_per_second
        return real(self, replace(partner, rate_limit_per_second=rate and 2 * rate), *args)

    patch.setattr(Admission, "_look_up", look_up)


def rate_holds_who_waits_only(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Destination, "seconds_to_slot", lambda *_: 0.0)


def slot_is_not_waited_for(patch: pytest.MonkeyPatch) -> None:
    real = Destination.reserve_slot

    def reserve(self: Any, now: float, patience: float) -> tuple[float, bool]:
        slot, taken = real(self, now, patience)
        return (now if taken else slot), taken

    patch.setattr(Destination, "reserve_slot", reserve)
    patch.setattr(Destination, "seconds_to_slot", lambda *_: 0.0)


def probes_take_all_calls(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(admission, "UNRESPONSIVE_SHARE", 1)


def rest_is_not_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Destination, "cooling_down_until", lambda *_: None)


def probes_follow_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Destination, "reserve_probe", lambda *_: None)


def no_destination_is_unresponsive(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Destination, "is_unresponsive", lambda *_: False)


def paused_partner_is_called(patch: pytest.MonkeyPatch) -> None:
    real = Delivery.deliver

    async def deliver(self: Any, *args: Any) -> Any:
        def partner_of(partner_id: str) -> Any:
            return replace(self.partner_of(partner_id), paused=False)

        return await real(replace(self, partner_of=partner_of), *args)

    patch.setattr(Delivery, "deliver", deliver)


FAULTS: Final[tuple[Seed, ...]] = (
    permit_is_never_given_back,
    permit_is_given_back_before_the_call,
    destination_gets_one_call_more,
    worker_makes_one_call_more,
    retries_take_all_calls,
    rate_is_twice_as_fast,
    rate_holds_who_waits_only,
    slot_is_not_waited_for,
    probes_take_all_calls,
    rest_is_not_kept,
    probes_follow_at_once,
    no_destination_is_unresponsive,
    paused_partner_is_called,
)
