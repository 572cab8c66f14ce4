"""The exact request that an attempt makes, to be looked at before it is sent or to be sent by hand."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from schemas.notify_url import NotifyUrl, server_of
from streams.partners import Partner
from streams.webhook.client import fixed_headers
from streams.webhook.signing import request_time, sign, signed_headers, string_to_sign

_CERTIFICATES: Final = {"ca": "--cacert", "client": "--cert", "proxy-ca": "--proxy-cacert"}
"""curl's options for the files of certificates that an entry names."""


@dataclass(frozen=True, slots=True)
class ExactRequest:
    """A request, signed, to the byte.

    Attributes:
        url: where it goes.
        headers: in the order in which they are sent.
        body: what follows them.
        signed: the string that the signature is over.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    signed: bytes

    @property
    def head(self) -> str:
        """Request line and headers as on the wire, each line ended by CR LF, without the empty line."""
        lines = (f"POST {NotifyUrl.of(self.url).path} HTTP/1.1", *map(": ".join, self.headers))
        return "".join(f"{line}\r\n" for line in lines)

    @property
    def wire(self) -> bytes:
        """The whole request as on the wire; `notifier verify` reads it."""
        return self.head.encode() + b"\r\n" + self.body

    def curl(self, partner: Partner, folder: Path) -> str:
        """Return the command of a shell that makes the same request; the signature holds for as long as the partner lets it.

        Args:
            partner: how it is reached.
            folder: of the partners file, from the root: the command may be run anywhere.
        """
        ours = [header for header in self.headers if header[0] not in {"Host", "Content-Length"}]
        arguments = [
            # without --globoff {a,b} and [1-3] would be several URLs
            f"curl -i --path-as-is --globoff {shlex.quote(self.url)}",
            *(
                f"{_CERTIFICATES[held.kind]} {shlex.quote(str(folder / held.file))}"
                for held in partner.certificates
            ),
            *_proxy_options(partner),
            *(f"-H {shlex.quote(': '.join(header))}" for header in ours),
            # --data-binary would read a file where its argument began with @, which no body does
            f"--data-binary {shlex.quote(self.body.decode())}",
        ]
        return " \\\n  ".join(arguments)


def missing_of_curl(partner: Partner) -> Iterator[str]:
    """Yield what has to be added to the command by hand: a loaded entry keeps no name of its key's file, and no secret is printed."""
    if any(held.kind == "client" for held in partner.certificates):
        yield "add --key with the file that tls.client_key_file of the entry names"
    if partner.proxy is not None and partner.proxy.authorization is not None:
        yield "add --proxy-user with proxy.user of the entry; curl asks for the password"


def _proxy_options(partner: Partner) -> Iterator[str]:
    proxy = partner.proxy
    if proxy is not None:
        scheme = "http" if proxy.tls is None else "https"
        yield f"--proxytunnel --proxy {shlex.quote(f'{scheme}://{server_of(proxy.host, proxy.port)}')}"


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
    return ExactRequest(url, headers, body, signed)
