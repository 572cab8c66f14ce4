"""`notifier verify`: a recorded request or answer, and which rule it breaks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from streams.operator.commands.check_event import read_file
from streams.operator.commands.common import (
    FAULT,
    Json,
    fail,
    partners_or_fail,
    print_json,
    settings_or_fail,
    used_wrongly,
)
from streams.operator.commands.output import shown
from streams.operator.commands.sides import entry_or_fail, our_side, their_side
from streams.partners import Partner, Partners
from streams.settings import CONSOLE_FILES, KAFKA_FILES
from streams.webhook.diagnosis import Finding, KnownKey
from streams.webhook.recording import (
    RecordedRequest,
    Recording,
    UnreadableRecording,
    read_recording,
)
from streams.webhook.verdict import Side, answer_findings, request_findings


@dataclass(frozen=True, slots=True)
class Verified:
    """A recorded message, judged.

    Attributes:
        kind: `request` or `answer`.
        findings: the broken rules first.
    """

    kind: str
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether no rule is broken."""
        return not any(finding.broken for finding in self.findings)


def verify(  # one argument for each option
    file: Annotated[
        Path,
        typer.Argument(
            help="A request or an answer as on the wire, or what curl -i or -v printed; - reads standard input."
        ),
    ],
    partner: Annotated[
        str | None,
        typer.Option(help="The entry of the partners file whose keys and client id count."),
    ] = None,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            help="The signer's public key, PEM, in place of --partner; may be given again."
        ),
    ] = None,
    client_id: Annotated[
        str | None, typer.Option(help="The right Client-Id, beside --key.")
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(help="Path and query of the request, where the file has an answer alone."),
    ] = None,
    request: Annotated[
        Path | None, typer.Option(help="A file with the request that the answer is to.")
    ] = None,
    body: Annotated[
        Path | None,
        typer.Option(help="A file with the body's exact bytes, where the recording has none."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which rule a recorded request or answer breaks: key, algorithm, encoding, signed string, headers, body.

    notifier verify answer.txt --partner acme
    notifier verify request.txt --key their-public.pem --client-id SANDBOX_1
    """
    recording = _with_body(_recording(file), body)
    if recording.request is None and request is not None:
        recording = replace(recording, request=_recording(request).request)
    if (partner is None) == (key is None):
        used_wrongly(
            "expected either --partner, an entry of the partners file, or --key, the signer's public key"
        )
    if partner is not None:
        settings = settings_or_fail(*KAFKA_FILES, *CONSOLE_FILES)
        partners = partners_or_fail(settings)
        verified = _by_partner(recording, partners, entry_or_fail(partners, partner), path)
    else:
        side = Side(client_id, [KnownKey(str(name), _public_key(name)) for name in key or ()])
        verified = _by_key(recording, side, path)
    if as_json:
        print_json(
            {
                "good": all(each.good for each in verified),
                "messages": [_members(each) for each in verified],
            }
        )
    else:
        for each in verified:
            _print(each)
    if not all(each.good for each in verified):
        raise typer.Exit(FAULT)


def _recording(file: Path) -> Recording:
    try:
        return read_recording(read_file(file))
    except UnreadableRecording as error:
        fail(f"{file}: {error}")


def _with_body(recording: Recording, body: Path | None) -> Recording:
    """Return the recording with the bytes of a file: of the answer, or of the request where there is no answer."""
    if body is None:
        return recording
    content = read_file(body)
    if recording.answer is not None:
        return replace(recording, answer=replace(recording.answer, body=content))
    if recording.request is not None:
        return replace(recording, request=replace(recording.request, body=content))
    return recording


def _by_partner(
    recording: Recording, partners: Partners, entry: Partner, path: str | None
) -> list[Verified]:
    verified = []
    request = recording.request
    shows_more = recording.answer is not None and request is not None and request.body is None
    if request is not None and not shows_more:
        findings = request_findings(request, our_side(partners, entry))
        verified.append(_verified("request", findings))
    if recording.answer is not None:
        side = their_side(partners, entry)
        own = next(iter(side.other_paths.values()), None)
        findings = answer_findings(recording.answer, _path(request, path or own), request, side)
        verified.append(_verified("answer", findings))
    return verified


def _by_key(recording: Recording, side: Side, path: str | None) -> list[Verified]:
    if recording.answer is not None:
        request = recording.request
        found = answer_findings(recording.answer, _path(request, path), request, side)
        return [_verified("answer", found)]
    assert recording.request is not None  # noqa: S101  # a recording has one of them
    return [_verified("request", request_findings(recording.request, side))]


def _path(request: RecordedRequest | None, named: str | None) -> str:
    path = request.path if request is not None else named
    if path is None:
        used_wrongly(
            "the answer's signature is over the request's path: expected --path, or --request with its file"
        )
    return path


def _verified(kind: str, findings: Sequence[Finding]) -> Verified:
    return Verified(kind, tuple(sorted(findings, key=lambda finding: not finding.broken)))


def _public_key(file: Path) -> RSAPublicKey:
    content = read_file(file)
    try:
        key = load_pem_public_key(content)
    except Exception:  # noqa: BLE001  # ValueError, UnsupportedAlgorithm and more, by version
        key = None
    if not isinstance(key, RSAPublicKey):
        fail(f"{file}: seen no RSA public key, expected one in PEM (-----BEGIN PUBLIC KEY-----)")
    return key


def _members(verified: Verified) -> dict[str, object]:
    findings = [asdict(finding) for finding in verified.findings]
    return {"kind": verified.kind, "good": verified.good, "findings": findings}


def _print(verified: Verified) -> None:
    if verified.good:
        every = "signature, headers and body keep every rule"
        print(f"{verified.kind}: good: {'odd, but it counts' if verified.findings else every}")
    for finding in verified.findings:
        word = "broken" if finding.broken else "odd"
        print(shown(f"{verified.kind}: {word}: {finding.rule}: {finding.text}"))
