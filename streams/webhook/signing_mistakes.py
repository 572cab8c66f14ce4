"""What may have been signed in place of the right string: the mistakes that integrators make, each a change of one part.

Pure; `streams.webhook.diagnosis` tries them on a signature that fits nothing else.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from schemas.iso8601 import typed_ms

_MOST_MISTAKES: Final = 3
"""Made at once: more of them hardly occur, and each multiplies the strings to try."""
_LARGE_BODY_BYTES: Final = 64 * 1024
_EPOCH: Final = re.compile(r"[0-9]{10}(?:[0-9]{3})?")  # seconds, milliseconds


class Mistake(NamedTuple):
    """One part of the string to sign, made otherwise than it should be.

    Attributes:
        rule: which rule it breaks, for programs.
        text: what was signed, what was expected.
    """

    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What the string to sign is made of, and what else lay at hand when it was made.

    Attributes:
        path: path and query of the request.
        client_id: the right one.
        moment: Request-Time or Response-Time as the message's header has it; empty without one.
        body: of the message.
        origin: the server's, where it is known.
        other_client_ids: others that may have been taken, each with whose it is.
        other_moments: the same for times.
        other_bodies: the same for bodies.
        other_paths: the same for paths.
    """

    path: str
    client_id: str
    moment: str
    body: bytes
    origin: str = ""
    other_client_ids: Mapping[str, str] = field(default_factory=dict)
    other_moments: Mapping[str, str] = field(default_factory=dict)
    other_bodies: Mapping[str, bytes] = field(default_factory=dict)
    other_paths: Mapping[str, str] = field(default_factory=dict)


_Variants = list[tuple[bytes, Mistake | None]]


def wrong_strings(parts: Parts) -> Iterator[tuple[tuple[Mistake, ...], bytes]]:
    """Yield the right string and what may have been signed in its place, with what is wrong with it, fewest mistakes first.

    Args:
        parts: of the message.
    """
    tables = [_methods(), _paths(parts), _separators(), _client_ids(parts), _moments(parts), _bodies(parts)]  # fmt: skip
    tables = [_once(table) for table in tables]
    most = 1 if len(parts.body) > _LARGE_BODY_BYTES else _MOST_MISTAKES
    for count in range(most + 1):
        for changed in itertools.combinations(range(len(tables)), count):
            choices = [
                table[1:] if number in changed else table[:1] for number, table in enumerate(tables)
            ]
            for method, path, end, client_id, moment, body in itertools.product(*choices):
                made = (method, path, end, client_id, moment, body)
                mistakes = tuple(mistake for _, mistake in made if mistake is not None)
                signed = b"%b %b%b%b.%b.%b" % (
                    method[0], path[0], end[0], client_id[0], moment[0], body[0],
                )  # fmt: skip
                yield mistakes, signed


def _once(variants: _Variants) -> _Variants:
    """Return the variants without those that change nothing: the right one stands first."""
    first: dict[bytes, Mistake | None] = {}
    for text, mistake in variants:
        first.setdefault(text, mistake)
    return list(first.items())


def _methods() -> _Variants:
    return [
        (b"POST", None),
        *(
            (name, Mistake("method", f"the signature is over the method {name.decode()}, expected POST in capitals"))
            for name in (b"post", b"Post", b"GET", b"PUT")
        ),
    ]  # fmt: skip


def _paths(parts: Parts) -> _Variants:
    path, bare = parts.path, parts.path.partition("?")[0]
    expected = f"expected path and query as they are on the wire: {_shown(path)}"
    # of two that come to the same text, the first explains it
    wrong = [
        (bare, "path-without-query", "the path without its query"),
        (path.lstrip("/"), "path", "the path without its first /"),
        (f"{path}/", "path", "the path with a / behind it"),
        (path.rstrip("/"), "path", "the path without the / behind it"),
        (bare.rstrip("/"), "path-without-query", "the path without its query and without the / behind it"),
        (unquote(path), "path", "the path with its percent-encoding taken away"),
        (path.lower(), "path", "the path in small letters"),
        ("", "path", "no path"),
    ]  # fmt: skip
    if parts.origin:
        wrong += [
            (f"{parts.origin}{path}", "path", "the whole URL"),
            (f"{parts.origin}{bare}", "path-without-query", "the whole URL without its query"),
        ]
    wrong += [
        (other, "path", f"{whose}, {_shown(other)}") for whose, other in parts.other_paths.items()
    ]
    ends = [at for at, letter in enumerate(bare) if letter == "/" and at]
    for rest in (rest for at in ends for rest in (path[at:], bare[at:])):
        what = f"the end of the path alone, {_shown(rest)}, perhaps what a proxy leaves of it"
        wrong.append((rest, "path", what))
    found: _Variants = [(path.encode(), None)]
    for text, rule, what in wrong:
        found.append((text.encode(), Mistake(rule, f"the signature is over {what}; {expected}")))
    return found


def _shown(path: str) -> str:
    """Return a path without its query, which may hold a token."""
    bare, mark, _ = path.partition("?")
    return f"{bare}?…" if mark else bare


def _separators() -> _Variants:
    wrong = {
        b"\r\n": "CR LF",
        b"": "nothing",
        b" ": "a blank",
        b"\\n": "the two characters \\ and n",
    }
    expected = "expected one LF (0x0A)"
    return [
        (b"\n", None),
        *(
            (text, Mistake("separator", f"the signature has {what} behind the path, {expected}"))
            for text, what in wrong.items()
        ),
    ]


def _client_ids(parts: Parts) -> _Variants:
    expected = f"expected the request's Client-Id, {parts.client_id}"
    found: _Variants = [(parts.client_id.encode(), None)]
    for whose, other in {**parts.other_client_ids, "no client id": ""}.items():
        named = f" {other}" if other else ""
        text = f"the signature is over {whose}{named}; {expected}"
        found.append((other.encode(), Mistake("client-id", text)))
    return found


def _moments(parts: Parts) -> _Variants:
    expected = "expected the text of the message's own time header, to the character"
    found: _Variants = [(parts.moment.encode(), None)]
    others = dict(parts.other_moments)
    for whose, text in {"the message's time": parts.moment, **parts.other_moments}.items():
        others |= {f"{whose}, written {how}": other for how, other in _rewritten(text)}
    for whose, text in {**others, "no time": ""}.items():
        said = (
            f"the signature is over {whose} ({text})" if text else "the signature is over no time"
        )
        found.append((text.encode(), Mistake("time", f"{said}; {expected}")))
    return found


def _rewritten(text: str) -> Iterator[tuple[str, str]]:
    """Yield other ways to write a time."""
    try:
        ms = int(f"{text:0<13}") if _EPOCH.fullmatch(text) else typed_ms(text)
        moment = datetime.fromtimestamp(ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):  # no time, or one of a year that Python has not
        return
    yield "as milliseconds since the epoch", str(ms)
    yield "as seconds since the epoch", str(ms // 1000)
    yield "with +00:00", moment.isoformat()
    yield "with Z", f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    yield "with milliseconds and Z", f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"
    yield "without an offset", f"{moment:%Y-%m-%dT%H:%M:%S}"
    yield "with blanks in place of +", text.replace("+", " ")


def _bodies(parts: Parts) -> _Variants:
    body = parts.body
    found: _Variants = [(body, None)]
    expected = "expected the exact bytes of the body on the wire"

    def add(other: bytes, rule: str, what: str) -> None:
        found.append((other, Mistake(rule, f"the signature is over {what}; {expected}")))

    for how, text in _serialised(body):
        add(text, "re-serialised-body", f"the body written anew as JSON ({how})")
    add(body + b"\n", "body", "the body with a line feed behind it")
    add(body + b" ", "body", "the body with a blank behind it")
    add(body.rstrip(b"\r\n"), "body", "the body without the line feed at its end")
    add(body.strip(), "body", "the body without the blanks around it")
    add(body.replace(b"\r\n", b"\n"), "body", "the body with LF in place of CR LF")
    add(body.replace(b"\n", b"\r\n"), "body", "the body with CR LF in place of LF")
    add(b"\xef\xbb\xbf" + body, "body", "the body with a byte order mark before it")
    add(b"", "body", "no body")
    add(hashlib.sha256(body).hexdigest().encode(), "body", "the body's SHA-256 in hexadecimal")
    for coding in ("latin-1", "utf-16-le", "utf-16"):
        try:
            add(body.decode().encode(coding), "body", f"the body in {coding}, not in UTF-8")
        except UnicodeError:
            continue
    try:
        twice = body.decode("latin-1").encode()
    except UnicodeError:
        twice = body
    add(twice, "body", "the body encoded in UTF-8 twice")
    for whose, other in parts.other_bodies.items():
        add(other, "body", whose)
    return found


def _serialised(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a JSON body as common libraries write it anew."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    compact, spaced = (",", ":"), (", ", ": ")

    def dump(**options: Any) -> Callable[[], str]:  # noqa: ANN401  # those of json.dumps
        return lambda: json.dumps(document, **options)

    ways: dict[str, Callable[[], str]] = {
        "without blanks": dump(separators=compact, ensure_ascii=False),
        "without blanks, other letters escaped": dump(separators=compact),
        "with blanks behind , and :": dump(separators=spaced, ensure_ascii=False),
        "with blanks behind , and :, other letters escaped": dump(separators=spaced),
        "members sorted": dump(separators=compact, sort_keys=True, ensure_ascii=False),
        "members sorted, with blanks": dump(separators=spaced, sort_keys=True, ensure_ascii=False),
        "members sorted, other letters escaped": dump(separators=compact, sort_keys=True),
        "members sorted, with blanks, other letters escaped": dump(
            separators=spaced, sort_keys=True
        ),
        "indented by 2": dump(indent=2, ensure_ascii=False),
        "indented by 4": dump(indent=4, ensure_ascii=False),
        "indented by a tab": dump(indent="\t", ensure_ascii=False),
    }
    for how, way in ways.items():
        text = way()
        try:
            yield how, text.encode()
        except UnicodeError:  # half of a surrogate pair
            continue
        yield f"{how}, / escaped as PHP does", text.replace("/", "\\/").encode()
        escaped = text
        for letter in "<>&'=":
            escaped = escaped.replace(letter, f"\\u{ord(letter):04x}")
        yield f"{how}, signs of HTML escaped as Gson and Go do", escaped.encode()
