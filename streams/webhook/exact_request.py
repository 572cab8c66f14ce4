"""The exact request that an attempt makes, to be looked at before it is sent or to be sent by hand."""

import shlex
from dataclasses import dataclass

from schemas.notify_url import NotifyUrl
from streams.partners import Partner
from streams.webhook.client import fixed_headers
from streams.webhook.signing import request_time, sign, signed_headers, string_to_sign


@dataclass(frozen=True, slots=True)
class ExactRequest:
    """A request, signed, to the byte.

    Attributes:
        url: where it goes.
        headers: in the order in which they are sent.
        body: what follows them.
        signed: the string that the signature is over.
        ca_file: the authorities that the partner's certificate comes from; None for the public ones.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    signed: bytes
    ca_file: str | None = None

    @property
    def head(self) -> str:
        """Request line and headers as on the wire, each line ended by CR LF, without the empty line."""
        lines = (f"POST {NotifyUrl.of(self.url).path} HTTP/1.1", *map(": ".join, self.headers))
        return "".join(f"{line}\r\n" for line in lines)

    @property
    def wire(self) -> bytes:
        """The whole request as on the wire; `notifier verify` reads it."""
        return self.head.encode() + b"\r\n" + self.body

    def curl(self) -> str:
        """Return the command of a shell that makes the same request; the signature holds for as long as the partner lets it."""
        ours = [header for header in self.headers if header[0] not in {"Host", "Content-Length"}]
        options = [f"-H {shlex.quote(': '.join(header))}" for header in ours]
        body = self.body.decode()
        # --data-binary would read a file where its argument began with @, which no body does
        arguments = [
            f"curl -i --path-as-is {shlex.quote(self.url)}",
            *([f"--cacert {shlex.quote(self.ca_file)}"] if self.ca_file else []),
            *options,
            f"--data-binary {shlex.quote(body)}",
        ]
        return " \\\n  ".join(arguments)


def exact_request(
    partner: Partner, url: str, body: bytes, now_ms: int, user_agent: str
) -> ExactRequest:
    """Return the request that an attempt at this moment would make.

    Args:
        partner: whom to tell.
        url: the notify URL.
        body: the request body.
        now_ms: milliseconds since the epoch.
        user_agent: name and version of this program.

    Raises:
        ValueError: the URL is none that can be called.
    """
    target = NotifyUrl.of(url)
    now = request_time(now_ms, partner.request_time_format)
    signed = string_to_sign(target.path, partner.client_id, now, body)
    signature = sign(partner.signing_key(now_ms / 1000), signed)
    host = target.origin.partition("://")[2]
    headers = (
        ("Host", host),
        *fixed_headers(user_agent),
        *signed_headers(partner, now, signature).items(),
        ("Content-Length", str(len(body))),
    )
    authorities = (found.file for found in partner.certificates if found.kind == "ca")
    return ExactRequest(url, headers, body, signed, next(authorities, None))
