"""What the partners file knows of who signs what: the right keys of a partner, and those that are taken by mistake."""

from collections.abc import Iterator, Mapping

from schemas.notify_url import NotifyUrl
from streams.notification.profiles import PROFILES
from streams.operator.commands.common import fail
from streams.operator.commands.output import shown
from streams.operator.did_you_mean import meant_or_expected
from streams.partners import Partner
from streams.webhook.diagnosis import KnownKey
from streams.webhook.verdict import Side


def entry_or_fail(partners: Mapping[str, Partner], name: str) -> Partner:
    """Return an entry of the partners file, or say which there are and exit with 1."""
    entry = partners.get(name)
    if entry is None:
        meant = meant_or_expected(name, partners)
        fail(f"the partners file has no entry {shown(name)}{meant}")
    return entry


def our_side(partners: Mapping[str, Partner], partner: Partner) -> Side:
    """Return what a request to a partner is held against: our keys for it."""
    return _side(partners, partner, ours=True)


def their_side(
    partners: Mapping[str, Partner], partner: Partner, *, signed_answer: bool | None = None
) -> Side:
    """Return what an answer of a partner is held against: its keys.

    Args:
        partners: all, for keys and ids that may have been taken by mistake.
        partner: who answers.
        signed_answer: whether an answer counts only with a signature; None where any profile of the partner asks for it.
    """
    return _side(partners, partner, ours=False, signed_answer=signed_answer)


def _side(
    partners: Mapping[str, Partner],
    partner: Partner,
    *,
    ours: bool,
    signed_answer: bool | None = None,
) -> Side:
    url = partner.terms.notify_url
    target = None if url is None else NotifyUrl.of(url)
    if signed_answer is None:
        signed_answer = any(
            partner.signed_answer(PROFILES[name]) for name in partner.terms.profiles
        )
    return Side(
        partner.client_id,
        tuple(_keys(partners, partner, ours=ours)),
        {
            f"the client id of {other.partner_id}": other.client_id
            for other in partners.values()
            if other.client_id != partner.client_id
        },
        {} if target is None else {"the path of notify_url": target.path},
        "" if target is None else target.origin,
        signed_answer,
    )


def _keys(partners: Mapping[str, Partner], partner: Partner, *, ours: bool) -> Iterator[KnownKey]:
    """Yield the right keys, then the others: the same key is named once, and as a right one where it is."""
    yield from _of_us(partner, right=ours) if ours else _of_them(partner, right=True)
    yield from _of_them(partner, right=False) if ours else _of_us(partner, right=False)
    for other in partners.values():
        if other is not partner:
            yield from _of_us(other, right=False)
            yield from _of_them(other, right=False)


def _of_us(partner: Partner, *, right: bool) -> Iterator[KnownKey]:
    for key in partner.signing_keys:
        name = f"our own key {key.version} for {partner.partner_id}"
        yield KnownKey(name, key.private_key.public_key(), right)


def _of_them(partner: Partner, *, right: bool) -> Iterator[KnownKey]:
    for version, key in partner.peer_keys.items():
        yield KnownKey(f"key {version} of {partner.partner_id}", key, right)
