"""What is wrong with a partners file although each entry can be used: keys in the wrong place, two entries with one key."""

from collections.abc import Iterator, Mapping

from streams.partners.inventory import fingerprint
from streams.partners.partner import Partner

_PAGE = "docs/partners-file.md"


def own_key_faults(partners: Mapping[str, Partner]) -> Iterator[str]:
    """Yield each partner's key that is one of ours, so that no answer of the partner's can be verified with it."""
    ours = {
        fingerprint(key.private_key.public_key()): f"{partner.partner_id}'s key {key.version}"
        for partner in partners.values()
        for key in partner.signing_keys
    }
    for partner in partners.values():
        for version, key in partner.peer_keys.items():
            own = ours.get(fingerprint(key))
            if own is not None:
                where = f"partners.{partner.partner_id}.peer_public_key_files.{version}"
                yield (
                    f"{where}: seen our own public key ({own}) in {partner.peer_key_files.get(version, 'the file')},"
                    f" expected the partner's: ask it for its public key ({_PAGE})"
                )


def shared_key_warnings(partners: Mapping[str, Partner]) -> Iterator[str]:
    """Yield keys that two entries with different client ids have: whoever holds it can answer, or sign, for both."""
    holders: dict[str, list[tuple[Partner, str]]] = {}
    for partner in partners.values():
        signing = ((key.private_key.public_key(), "signing key") for key in partner.signing_keys)
        peers = ((key, "peer_public_key_files") for key in partner.peer_keys.values())
        for key, use in (*signing, *peers):
            holders.setdefault(f"{use} {fingerprint(key)}", []).append((partner, use))
    for found in holders.values():
        named = {partner.client_id: partner.partner_id for partner, _ in found}
        if len(named) > 1:
            use = found[0][1]
            yield (
                f"partners {', '.join(sorted(named.values()))}: seen one {use} for all of them, expected a key for each client id,"
                f" since whoever holds it speaks for all ({_PAGE})"
            )
