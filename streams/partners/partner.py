"""A partner, ready for use: its entry of the partners file with keys loaded and defaults filled in."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from streams.notification.intake import PartnerTerms
from streams.notification.profile import Profile
from streams.partners.certificates import Certificates
from streams.partners.route import Proxy


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """One of our keys for a partner.

    Attributes:
        version: what the Signature header calls it.
        private_key: RSA, at least 2048 bits.
        from_seconds: when it comes into force, since the epoch; minus infinity when it always was.
        file: that it was loaded from, as the entry names it.
    """

    version: str
    private_key: RSAPrivateKey = field(repr=False)
    from_seconds: float
    file: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Partner:
    """One entry. Stays the same object across reloads for as long as nothing about it changes.

    Attributes:
        partner_id: its name in the file and in events.
        client_id: Client-Id of our requests.
        signing_keys: ours; the newest that is in force signs.
        peer_keys: the partner's, by version.
        require_signed_response: for all its profiles, or None for each profile's own rule.
        allowed_hosts: the only hosts (`host`) and servers (`host:port`) that its URLs may name, each in its one spelling;
            None for any.
        named_servers: what its entry names with a port, `host:port`: servers of `allowed_hosts`, and its notify_url's.
        max_in_flight: calls at once for a destination, in the whole deployment.
        rate_limit_per_second: calls for a destination, in the whole deployment; None for no limit.
        request_time_format: of Request-Time.
        attempt_timeout_seconds: for connect, send, wait and read together.
        paused: nothing may be sent.
        tls: for its own CA or our client certificate; None for the public CAs and none.
        terms: what intake needs to know.
        fingerprint: changes with the entry and with every file that it names.
        refuse_stale_responses: whether an S counts only with a Response-Time within 15 minutes of our clock.
        agent_token: sent as Agent-Token; None for none.
        proxy: the forward proxy that it is reached through; None for directly.
        certificates: the files of certificates that its entry names.
        peer_key_files: files of `peer_keys`, by version.
    """

    partner_id: str
    client_id: str
    signing_keys: tuple[SigningKey, ...]
    peer_keys: Mapping[str, RSAPublicKey]
    require_signed_response: bool | None
    allowed_hosts: frozenset[str] | None
    max_in_flight: int
    rate_limit_per_second: float | None
    request_time_format: Literal["iso8601", "epoch-ms"]
    attempt_timeout_seconds: float
    paused: bool
    tls: ssl.SSLContext | None
    terms: PartnerTerms
    fingerprint: str
    named_servers: frozenset[str] = frozenset()
    refuse_stale_responses: bool = False
    agent_token: str | None = field(default=None, repr=False)
    proxy: Proxy | None = None
    certificates: tuple[Certificates, ...] = ()
    peer_key_files: Mapping[str, str] = field(default_factory=dict)

    def signing_key(self, now_seconds: float) -> SigningKey:
        """Return the key that signs at a moment, in seconds since the epoch.

        Raises:
            ValueError: none is in force; the file was not loaded by then.
        """
        in_force = (key for key in self.signing_keys if key.from_seconds <= now_seconds)
        return max(in_force, key=lambda key: key.from_seconds)

    def signed_answer(self, profile: Profile) -> bool:
        """Tell whether an answer of this profile counts only with a signature."""
        required = self.require_signed_response
        return profile.signed_answer if required is None else required
