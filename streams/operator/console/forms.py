"""Reading a form of the console: only what its own pages send, and no more of it than they can hold.

aiohttp's own `Request.post` decodes by whatever charset the sender names (punycode takes minutes for 2 MB), undoes
compression and takes files; none of that is needed here.
"""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs

from aiohttp import web

SIGN_IN_BYTES: Final = 4 * 1024
FORM_BYTES: Final = 16 * 1024
"""Of a form with a reason and some numbers in it."""
SELECTION_BYTES: Final = 2 * 1024 * 1024
"""Of a form with every dead letter of the largest replay, ticked one by one."""

_KIND: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, each with its values in the order in which they came."""

    values: dict[str, list[str]] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a field."""
        return self.all(name)[0] if name in self.values else default

    def all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return self.values.get(name, [])


async def read_form(request: web.Request, most_bytes: int, most_fields: int = 32) -> Form:
    """Return the fields of a form.

    Args:
        request: a POST.
        most_bytes: of its body.
        most_fields: of the form.

    Raises:
        HTTPUnsupportedMediaType: it is no URL-encoded form in UTF-8, or it is compressed.
        HTTPRequestEntityTooLarge: it is longer.
        HTTPBadRequest: it can't be read as one, or the browser hung up before its end.
    """
    charset = request.charset
    if (
        request.content_type != _KIND
        or (charset is not None and charset.lower() not in {"utf-8", "utf8"})
        or request.headers.get("Content-Encoding", "identity").lower() != "identity"
    ):
        message = f"Expected a form as {_KIND} in UTF-8 and not compressed. Nothing was changed."
        raise web.HTTPUnsupportedMediaType(text=message)
    too_large = web.HTTPRequestEntityTooLarge(
        most_bytes,
        request.content_length or 0,
        text=f"The form is larger than {most_bytes:,} bytes. Nothing was changed.",
    )
    if (request.content_length or 0) > most_bytes:
        raise too_large
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > most_bytes:
                raise too_large
    except (ConnectionError, web.RequestPayloadError) as error:
        message = "The form did not come whole. Nothing was changed."
        raise web.HTTPBadRequest(text=message) from error
    try:
        fields = parse_qs(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=most_fields,
        )
    except ValueError as error:  # UnicodeDecodeError among them
        message = "The form can't be read. Nothing was changed."
        raise web.HTTPBadRequest(text=message) from error
    return Form(fields)
