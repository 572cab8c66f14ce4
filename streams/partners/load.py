"""From the partners file to ready partners, or every fault at once."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from pydantic import ValidationError

from schemas.notify_url import NotifyUrl
from streams.notification.intake import PartnerTerms
from streams.partners.certificates import expiry_warnings
from streams.partners.entry import Entry, ProxyEntry, SigningKeyEntry, TlsEntry
from streams.partners.faults import fault_of
from streams.partners.files import Files, Signature, shown, signature_of
from streams.partners.partner import Partner, SigningKey
from streams.partners.values import Context, is_null
from streams.partners.yaml_text import InvalidYaml, read_yaml
from streams.redaction import shown_path
from streams.secret_files import why_others_write

_LONGEST_ID: Final = 64
_KEYS: Final = tuple(
    key.alias or name
    for model in (Entry, SigningKeyEntry, TlsEntry, ProxyEntry)
    for name, key in model.model_fields.items()
)


class PartnersFileError(ValueError):
    """A partners file that can't be used.

    Attributes:
        faults: all of them: where, what was seen (no keys), what was expected.
        watched: the files that were looked at; a change of one is worth another look.
    """

    def __init__(self, faults: list[str], watched: Mapping[Path, Signature]) -> None:
        self.faults = faults
        self.watched = watched
        super().__init__("\n".join(faults))


class Partners(Mapping[str, Partner]):
    """One version of the file: partners by id. Never changes.

    Attributes:
        warnings: what should be better but does no harm to a run.
        watched: every file read, with its signature before it was read.
    """

    def __init__(
        self,
        partners: Mapping[str, Partner],
        warnings: tuple[str, ...],
        watched: Mapping[Path, Signature],
    ) -> None:
        self._partners = MappingProxyType(dict(partners))
        self.warnings = warnings
        self.watched = MappingProxyType(dict(watched))

    def __getitem__(self, partner_id: str) -> Partner:
        return self._partners[partner_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._partners)

    def __len__(self) -> int:
        return len(self._partners)


def load_partners(
    path: Path,
    now_seconds: float,
    *,
    allow_http: bool = False,
    known: Mapping[str, Partner] | None = None,
) -> Partners:
    """Read and check the file and all that it names. Blocks.

    Args:
        path: of the partners file; names in it are relative to its directory.
        now_seconds: the present, since the epoch.
        allow_http: whether plain http notify URLs will do (`NOTIFIER_ALLOW_HTTP`).
        known: partners loaded before; those that haven't changed are taken over as they are.

    Raises:
        PartnersFileError: with every fault.
    """
    watched = {path: signature_of(path)}
    entries = _entries(path, watched)
    faults: list[str] = []
    warnings: list[str] = []
    partners: dict[str, Partner] = {}
    private_keys: dict[str, RSAPrivateKey] = {}
    for written, raw in entries.items():
        partner_id = str(written)
        where = f"partners.{partner_id}"
        if is_null(written) or not 0 < len(partner_id) <= _LONGEST_ID:
            faults.append(f"{where}: expected an id of text, 1 to {_LONGEST_ID} characters")
            continue
        files = Files(path.parent, private_keys)
        try:
            entry = Entry.model_validate(
                raw, context=Context(files, now_seconds, allow_http=allow_http)
            )
        except ValidationError as exc:
            errors = sorted(exc.errors(include_url=False), key=_is_missing)
            faults += [fault_of(where, raw, error, _KEYS) for error in errors]
        else:
            try:
                partner = _partner(partner_id, entry, files, _fingerprint(raw, files))
            except ValueError as exc:  # files are read again for it, and may have changed since
                faults.append(f"{where}: {exc}")
                watched |= files.watched
                continue
            before = (known or {}).get(partner_id)
            same = before is not None and before.fingerprint == partner.fingerprint
            partners[partner_id] = before if same and before is not None else partner
            warnings += [f"{where}.{warning}" for warning in _unreachable(partner)]
        soon = expiry_warnings(iter(files.certificates.values()), now_seconds)
        warnings += [f"{where}: {warning}" for warning in soon]
        warnings += [f"{where}: {shown(name)}: {why}" for name, why in files.exposed.items()]
        warnings += [
            f"{where}: {shown(name)}: the strict chain rules refuse a CA certificate in it, {why};"
            " expected one that follows RFC 5280, or strict: false beside it"
            for name, why in files.not_strict.items()
        ]
        watched |= files.watched
    if faults:
        raise PartnersFileError(faults, watched)
    return Partners(partners, tuple(warnings), watched)


def _entries(path: Path, watched: Mapping[Path, Signature]) -> dict[str, Any]:
    try:
        exposed = why_others_write(path)
        if exposed is not None:  # its author decides who is called, and whose answers count
            raise PartnersFileError([f"{path}: {exposed}"], watched)
        content = read_yaml(path.read_bytes())
    except OSError as exc:
        fault = f"NOTIFIER_PARTNERS_FILE: seen {shown_path(path)}, expected a file that can be read ({exc.strerror})"
        raise PartnersFileError([fault], watched) from exc
    except InvalidYaml as exc:
        raise PartnersFileError([f"{path}: {fault}" for fault in exc.faults], watched) from exc
    entries = content.get("partners") if isinstance(content, dict) else None
    faults = []
    if isinstance(content, dict):
        faults += [
            f"{str(key)[:_LONGEST_ID]}: there is no such key at the top; expected partners alone"
            for key in content
            if key != "partners"
        ]
    if not isinstance(entries, dict) or not entries:
        faults.append("partners: expected a mapping from partner ids to entries, with one at least")
    if faults or not isinstance(entries, dict):
        raise PartnersFileError(faults, watched)
    return entries


def _is_missing(error: Any) -> bool:  # noqa: ANN401  # pydantic's error details
    """Put a key that is missing behind the other faults: often it is there, misspelt."""
    return bool(error["type"] == "missing")


def _fingerprint(raw: object, files: Files) -> str:
    text = repr(raw) + files.fingerprint
    return hashlib.sha256(text.encode()).hexdigest()


def _unreachable(partner: Partner) -> Iterator[str]:
    """Yield why its own notify_url can never be called, as far as is known without a look-up."""
    url, hosts = partner.terms.notify_url, partner.allowed_hosts
    if url is not None and hosts is not None and not NotifyUrl.of(url).is_among(hosts):
        yield (
            "notify_url: seen a host (with its port) that is not in allowed_hosts, so that every notification to it is dead-lettered"
            " blocked-destination; expected one of allowed_hosts"
        )


def _partner(partner_id: str, entry: Entry, files: Files, fingerprint: str) -> Partner:
    if entry.signing_keys is not None:
        keys = [(key.version, key.file, key.from_seconds) for key in entry.signing_keys]
    else:
        assert entry.private_key_file is not None  # noqa: S101  # the entry's own check
        keys = [(entry.key_version or "1", entry.private_key_file, float("-inf"))]
    hosts = frozenset(entry.allowed_hosts or ())
    own = () if entry.notify_url is None else (NotifyUrl.of(entry.notify_url).server,)
    return Partner(
        partner_id=partner_id,
        client_id=entry.client_id,
        signing_keys=tuple(
            SigningKey(version, key, since, files.name_of(key)) for version, key, since in keys
        ),
        peer_keys=MappingProxyType(entry.peer_public_key_files),
        require_signed_response=entry.require_signed_response,
        allowed_hosts=hosts or None,
        named_servers=hosts.union(own),
        max_in_flight=entry.max_in_flight,
        rate_limit_per_second=entry.rate_limit_per_second,
        request_time_format=entry.request_time_format,
        attempt_timeout_seconds=entry.attempt_timeout_seconds,
        paused=entry.paused,
        tls=None if entry.tls is None else entry.tls.context(files),
        refuse_stale_responses=entry.refuse_stale_responses,
        agent_token=entry.agent_token_file,
        proxy=None if entry.proxy is None else entry.proxy.proxy(files),
        certificates=tuple(files.certificates.values()),
        peer_key_files=MappingProxyType(
            {version: files.name_of(key) for version, key in entry.peer_public_key_files.items()}
        ),
        terms=PartnerTerms(
            profiles=frozenset(entry.profiles),
            reasons=MappingProxyType(entry.reasons),
            hold_unmapped=entry.unmapped_reason == "hold",
            notify_url=entry.notify_url,
        ),
        fingerprint=fingerprint,
    )
