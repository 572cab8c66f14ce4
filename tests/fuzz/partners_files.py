"""Partners files: each is loaded or refused in words."""

from pathlib import Path

from streams.notification.profiles import PROFILES
from streams.partners import Partner, PartnersFileError, load_partners
from tests.fuzz.signed_answers import VECTORS
from tests.fuzz.targets import Bytes
from tests.unit.kit import NOW_MS


class PartnersFiles(Bytes):
    """Partners files: each is read as a whole, or refused with sentences."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "partners.yaml"
        for name in ("sender_private_pkcs8.pem", "receiver_public_spki.pem"):
            copy = directory / name
            copy.touch(0o600)
            copy.write_bytes((VECTORS / name).read_bytes())

    async def seeds(self) -> list[bytes]:
        """Return files with every key."""
        return [
            b"""partners:
  alipayplus: &entry
    profiles: [mpp-to-alipay-plus, mpp-to-ant]
    client_id: SANDBOX_5YTESTONLY000001
    private_key_file: sender_private_pkcs8.pem
    key_version: 1
    peer_public_key_files: {1: receiver_public_spki.pem}
    require_signed_response: true
    notify_url: https://open-sea.example.com/aps/api/v1/payments/notifyPayment
    allowed_hosts: [open-sea.example.com]
    max_in_flight: 64
    rate_limit_per_second: 200
    request_time_format: iso8601
    attempt_timeout_seconds: 5
    paused: false
    refuse_stale_responses: true
    proxy: {url: 'http://proxy.example:3128'}
    unmapped_reason: send
    reasons: {E1042: USER_BALANCE_NOT_ENOUGH}
""",
            b"""partners:
  shops:
    profiles: [alipay-to-merchant]
    client_id: "2021001"
    signing_keys:
      - {version: 1, file: sender_private_pkcs8.pem}
      - {version: 2, file: sender_private_pkcs8.pem, from: 2027-01-01T00:00:00Z}
    require_signed_response: false
    tls: {ca_file: none.pem}
""",
        ]

    async def try_one(self, case: bytes) -> None:
        """Read it."""
        self._path.write_bytes(case)
        try:
            found = load_partners(self._path, NOW_MS / 1000)
        except PartnersFileError as error:
            told = error.faults
        else:
            for name, entry in found.items():
                check_partner(name, entry)
            return
        assert told
        assert "Traceback" not in "".join(told)

    async def close(self) -> None:
        """Hold nothing."""


def check_partner(name: str, entry: Partner) -> None:
    """Check that an accepted entry can be used."""
    assert isinstance(name, str)
    assert 0 < len(name) <= 64
    assert entry.signing_key(NOW_MS / 1000).version
    assert entry.terms.profiles <= set(PROFILES)
    assert entry.peer_keys or not any(
        entry.signed_answer(PROFILES[p]) for p in entry.terms.profiles
    )
    assert entry.proxy is None or entry.allowed_hosts
