"""Payment events as payment core would write them: all profiles, every outcome, every reason; made up throughout."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain, cycle, islice, zip_longest
from random import Random  # noqa: TID251  # the type only; the generator is passed in
from typing import Any, Literal

from streams.notification.profiles import PROFILES
from streams.sandbox.keys import PARTNERS

Outcome = Literal["SUCCESS", "FAILED", "CANCELLED"]
Event = dict[str, Any]
Combination = tuple[str, Outcome, str | None]

_WALLETS = (
    "Alipay",
    "AlipayHK",
    "카카오페이",
    "GCash",
    "Touch 'n Go eWallet",
    "TrueMoney",
    "支付宝",
    "Toss",
)
_STORES = ("銀座かばん店", "명동 화장품", "Kiosk Zürich Hbf", "成都茶馆", "Café Olé")
_ZONES = (-300, 0, 330, 480, 510, 540)
"""Offsets from UTC in minutes; +08:30 is what the sources' samples have."""
_LARGEST = {"JPY": 300_000, "KRW": 3_000_000, "USD": 250_000, "CNY": 1_500_000, "EUR": 250_000}
"""In the smallest unit of each currency."""
_WON_PER = {"JPY": "9.42", "USD": "13.91", "CNY": "1.93", "EUR": "15.02"}
"""The price of one smallest unit, in won."""
_LATEST = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def payment_event(  # noqa: PLR0913  # one argument for each thing a test may want to fix
    profile: str,
    *,
    rng: Random,
    outcome: Outcome = "SUCCESS",
    reason: str | None = None,
    notify_url: str | None = None,
    at: datetime | None = None,
    partner_id: str | None = None,
) -> Event:
    """Make one event.

    Args:
        profile: its name.
        rng: where everything that differs from event to event is drawn from, ids included.
        outcome: how the payment ended.
        reason: payment core's reason; one of the profile's, drawn, when FAILED and None.
        notify_url: the event's own URL, or None for the partner's.
        at: when the payment became final; drawn from the month before 22 November 2026 when None.
        partner_id: the partner; by default the one that stands for the profile.
    """
    moment = at or _LATEST - timedelta(seconds=rng.randrange(30 * 86_400))
    final = moment.astimezone(UTC) + timedelta(minutes=rng.choice(_ZONES))
    shift = round((final - moment.astimezone(UTC)).total_seconds() / 60)
    final_text = _with_offset(final, shift)
    event: Event = {
        "eventId": f"evt-{_token(rng, 24)}",
        "profile": profile,
        "partnerId": partner_id or PARTNERS[profile],
        "outcome": outcome,
        "occurredAt": final_text,
        "payment": _payment(profile, rng, succeeded=outcome == "SUCCESS", final_text=final_text),
    }
    if outcome == "FAILED":
        event["reason"] = reason or rng.choice(sorted(PROFILES[profile].reasons))
    if notify_url is not None:
        event["notifyUrl"] = notify_url
    return event


def combinations() -> Iterator[Combination]:
    """Yield every profile with every outcome and, for FAILED, every reason: known by name and by code."""
    for turn in zip_longest(
        *map(_of_profile, PROFILES)
    ):  # profiles take turns, so that a few events cover all five
        yield from (combination for combination in turn if combination is not None)


def events(
    count: int | None,
    rng: Random,
    *,
    notify_urls: Mapping[str, str] | None = None,
    now: Callable[[], datetime] | None = None,
) -> Iterator[Event]:
    """Yield so many events: every second one SUCCESS, the others round all combinations as often as it takes.

    Args:
        count: how many; None goes on without end. About 550 cover all combinations.
        rng: see `payment_event`.
        notify_urls: URLs by profile; events of the others name none.
        now: tells when a payment becomes final; see `payment_event` when None.
    """
    successes: Iterator[Combination] = ((profile, "SUCCESS", None) for profile in cycle(PROFILES))
    others = cycle(row for row in combinations() if row[1] != "SUCCESS")
    mixed = chain.from_iterable(zip(successes, others, strict=True))
    for profile, outcome, reason in islice(mixed, count):
        url = (notify_urls or {}).get(profile)
        at = now() if now else None
        yield payment_event(profile, rng=rng, outcome=outcome, reason=reason, notify_url=url, at=at)


def order_id(event: Mapping[str, Any]) -> str:
    """Return the order id of an event: the key of everything that is written about it."""
    value: str = event["payment"][PROFILES[event["profile"]].order_id_member]
    return value


def _of_profile(name: str) -> list[Combination]:
    profile = PROFILES[name]
    codes = {code for code, status in profile.codes.items() if status == "F"}
    return [
        (name, "SUCCESS", None),
        (name, "CANCELLED", None),
        *((name, "FAILED", reason) for reason in sorted({*profile.reasons, *codes})),
    ]


def _payment(profile: str, rng: Random, *, succeeded: bool, final_text: str) -> dict[str, Any]:
    match profile:
        case "alipay-plus-to-acquirer":
            return _to_acquirer(rng, final_text, succeeded=succeeded)
        case "acquirer-to-alipay-plus":
            return _push(rng, final_text, succeeded=succeeded)
        case "alipay-to-merchant":
            return _to_merchant(rng, final_text, succeeded=succeeded)
        case _:
            return _to_alipay_plus(rng, final_text, succeeded=succeeded)


def _to_alipay_plus(rng: Random, final_text: str, *, succeeded: bool) -> dict[str, Any]:
    payment: dict[str, Any] = {
        "paymentRequestId": f"{final_text[:10].replace('-', '')}{_digits(rng, 20)}",
        "customerId": f"2088{_digits(rng, 12)}",
    }
    if succeeded or rng.random() < 0.5:  # noqa: PLR2004  # optional on F
        payment |= {
            "paymentId": _digits(rng, 28),
            "paymentTime": final_text,
            "paymentAmount": _amount(rng, rng.choice(("JPY", "USD", "EUR"))),
            "payToAmount": _amount(rng, "KRW"),
        }
    return payment


def _to_acquirer(rng: Random, final_text: str, *, succeeded: bool) -> dict[str, Any]:
    payment: dict[str, Any] = {
        "paymentRequestId": f"acq-{_token(rng, 28)}",
        "acquirerId": f"1020{_digits(rng, 10)}",
    }
    if not succeeded:
        return payment
    paid = _amount(rng, rng.choice(tuple(_LARGEST)))
    payment |= {
        "paymentId": _digits(rng, 28),
        "pspId": f"1022{_digits(rng, 10)}",
        "customerId": f"2160{_digits(rng, 12)}",
        "walletBrandName": rng.choice(_WALLETS),
        "mppPaymentId": _digits(rng, 32),
        "paymentAmount": paid,
        "paymentTime": final_text,
        "settlementAmount": paid,
    }
    if paid["currency"] in _WON_PER and rng.random() < 0.7:  # noqa: PLR2004  # settled in another currency
        price = _WON_PER[paid["currency"]]
        payment["settlementAmount"] = {
            "currency": "KRW",
            "value": str(max(1, round(int(paid["value"]) * float(price)))),
        }
        payment["settlementQuote"] = {
            "quoteId": _token(rng, 32),
            "quoteCurrencyPair": f"{paid['currency']}/KRW",
            "quotePrice": price,
            "quoteStartTime": f"{final_text[:10]}T00:00:00{_offset(final_text)}",
            "quoteExpiryTime": f"{final_text[:10]}T23:59:59{_offset(final_text)}",
            "baseCurrency": paid["currency"],
        }
    if paid["currency"] == "CNY":
        payment["customsDeclarationAmount"] = paid
    return payment


def _push(rng: Random, final_text: str, *, succeeded: bool) -> dict[str, Any]:
    payment: dict[str, Any] = {"paymentId": _digits(rng, 28)}
    if succeeded:
        payment |= {"paymentRequestId": f"push-{_token(rng, 28)}", "paymentTime": final_text}
    return payment


def _to_merchant(rng: Random, final_text: str, *, succeeded: bool) -> dict[str, Any]:
    payment: dict[str, Any] = {
        "paymentRequestId": f"REQ_{_digits(rng, 24)}",
        "paymentId": _digits(rng, 28),
        "paymentAmount": _amount(rng, rng.choice(tuple(_LARGEST))),
        "paymentCreateTime": final_text,
        "paymentMethodType": rng.choice(("ALIPAY_CN", "ALIPAY_HK", "KAKAOPAY", "GCASH", "TNG")),
        "metadata": {"store": rng.choice(_STORES), "till": _digits(rng, 3)},
    }
    if succeeded:
        payment |= {
            "paymentTime": final_text,
            "pspCustomerInfo": {
                "pspName": rng.choice(_WALLETS),
                "pspCustomerId": f"2088{_digits(rng, 12)}",
                "displayCustomerId": f"{_digits(rng, 3)}****{_digits(rng, 2)}",
            },
        }
    return payment


def _amount(rng: Random, currency: str) -> dict[str, str]:
    return {"currency": currency, "value": str(rng.randint(1, _LARGEST[currency]))}


def _digits(rng: Random, length: int) -> str:
    return "".join(rng.choices("0123456789", k=length))


def _token(rng: Random, length: int) -> str:
    return "".join(rng.choices("0123456789abcdefghijkmnpqrstuvwxyz", k=length))


def _with_offset(local: datetime, minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{local:%Y-%m-%dT%H:%M:%S}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _offset(text: str) -> str:
    return text[-6:]
