"""Answers over a real connection, to the real client: every exchange ends with an outcome of its own, and none is a lie."""

import asyncio
import ipaddress
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from random import Random  # noqa: TID251  # passed in, seeded
from urllib.parse import quote, unquote

from streams.clock import Clock
from streams.notification.outcome import Answered, Failure, NoResult
from streams.sandbox import signatures
from streams.webhook import client as client_module
from streams.webhook.addresses import EgressNetworks
from streams.webhook.answer import Expected, judge
from streams.webhook.egress import Guard
from streams.webhook.fields import UnreadableResponse
from streams.webhook.https import AttemptResult, WebhookClient
from streams.webhook.response import (
    MAX_INTERIM,
    MAX_PIECES,
    MAX_WIRE_BYTES,
    OversizedBody,
    ResponseReader,
)
from streams.webhook.signing import sign, string_to_sign
from tests.fuzz.answers import HANG_UP, NEXT, PAUSE, REQUESTS, AnswerScripts
from tests.fuzz.signed_answers import CLIENT, MOMENT, PATH, signed_answer, vector_keys
from tests.unit.bench import partner

_PATIENCE_SECONDS = 0.03
"""How long the server waits for the next request before it hangs up: a client that wants more than comes waits as long."""
_MOST_AT_ONCE = 256 * 1024  # what asyncio reads in one go
_WITHOUT_AN_ANSWER = {
    Failure.BROKEN_CONNECTION,
    Failure.UNREADABLE_ANSWER,
    Failure.OVERSIZED_ANSWER,
}
_SIGNATURE = re.compile(r'(?i)\bsignature="?([^,"]+)')
_TRACEPARENT = re.compile(rb"\r\ntraceparent: 00-[0-9a-f]+-([0-9a-f]+)-01\r\n")


class Watched(ResponseReader):
    """The client's own reader, which also keeps every piece that it was given."""

    __slots__ = ("pieces",)
    made: "list[Watched]" = []  # noqa: RUF012  # of the exchange under way

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        Watched.made.append(self)

    def feed(self, data: bytes) -> bool:
        """Take what has come."""
        self.pieces.append(data)
        return super().feed(data)


@dataclass
class Server:
    """Answers each request with the part of the script that it is numbered for.

    Attributes:
        script: the answers.
        asked: the number of each request, in their order.
        connections: the connection on which each of them came.
        quiet: whether all was sent that answers the requests so far.
    """

    script: Sequence[bytes] = ()
    asked: list[int] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    quiet: asyncio.Event = field(default_factory=asyncio.Event)
    _opened: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self._opened = connection = self._opened + 1
        try:
            while True:
                async with asyncio.timeout(_PATIENCE_SECONDS if self.asked else None):
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(2)
                self.quiet.clear()
                numbered = _TRACEPARENT.search(head)
                assert numbered is not None
                number = int(numbered[1], 16) - 1
                self.asked.append(number)
                self.connections.append(connection)
                answer = self.script[number]
                for piece in answer.removesuffix(HANG_UP).split(PAUSE):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                self.quiet.set()
                if answer.endswith(HANG_UP):
                    break
        except (asyncio.IncompleteReadError, TimeoutError, OSError):
            pass
        finally:
            self.quiet.set()
            writer.close()


class Exchanges:
    """Three calls one after the other, of a partner that has to sign or of one that need not."""

    def __init__(self) -> None:
        self._key, public = vector_keys("receiver")
        self._public = public
        ours, _ = vector_keys("sender")
        self._threads = ThreadPoolExecutor(1)
        self._signing = partner(
            "signing",
            client_id=CLIENT,
            signing_keys=(ours,),
            peer_keys={"1": public},
            attempt_timeout_seconds=10.0,
        )
        self._plain = replace(self._signing, partner_id="plain", peer_keys={})
        self._server = Server()
        self._listening: asyncio.Server | None = None
        self._caller: WebhookClient | None = None
        self._known: dict[bytes, list[bytes]] = {}

    async def seeds(self) -> list[bytes]:
        """Return three rightly signed answers: as they are, in chunks, and until the end of the connection."""
        bodies = [
            b'{"result":{"resultStatus":"%b","resultCode":"C%d"}}' % (status, number)
            for number, status in enumerate((b"S", b"F", b"U"))
        ]
        plain = [signed_answer(self._key, body) for body in bodies]
        chunked, until_the_end = [], []
        for answer, body in zip(plain, bodies, strict=True):
            lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")
            head = [line for line in lines if not line.startswith(b"Content-Length")]
            sizes = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (9, body[:9], len(body) - 9, body[9:])
            chunked.append(b"\r\n".join([*head, b"Transfer-Encoding: chunked", b"", sizes]))
            until_the_end.append(b"\r\n".join([*head, b"", body + HANG_UP]))
        return [NEXT.join(answers) for answers in (plain, chunked, until_the_end)]

    def mutator(self, rng: Random, seeds: Sequence[bytes]) -> AnswerScripts:
        """Return what makes scripts."""
        return AnswerScripts(rng, seeds, self._signed)

    async def try_one(self, case: bytes) -> None:
        """Play a script; by its length, the partner has to sign or not."""
        if self._caller is None:
            await self._open()
        assert self._caller is not None
        assert self._listening is not None
        self._server.script = [*case.split(NEXT), b"", b"", b""][:REQUESTS]
        self._server.asked.clear()
        self._server.connections.clear()
        tainted: int | None = (
            None  # the connection of the exchange before, where more came than its answer
        )
        url = f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}{PATH}"
        who = self._plain if len(case) % 2 else self._signing
        for number in range(REQUESTS):
            Watched.made.clear()
            call = await self._caller.call(
                who,
                url,
                b"{}",
                signed_answer=who is self._signing,
                traceparent=f"00-{1:032x}-{number + 1:016x}-01",
            )
            self._check(call, number, signed=who is self._signing)
            if number in self._server.asked:
                connection = self._server.connections[self._server.asked.index(number)]
                assert connection != tainted, "used again, although more came than was asked for"
                tainted = connection if self._is_more_than_an_answer(number) else None
            # What a server sends after the next request is an answer to that, as far as anybody can tell: so it shall
            # have sent all before, and the client shall have had its turn to see what nobody asked for.
            await self._server.quiet.wait()
            for _ in range(4):
                await asyncio.sleep(0)
        assert sorted(set(self._server.asked)) == sorted(self._server.asked), "a request came twice"

    async def close(self) -> None:
        """Stop the server."""
        vars(client_module)["ResponseReader"] = ResponseReader
        if self._caller is not None:
            await self._caller.aclose()
        if self._listening is not None:
            self._listening.close()
        self._threads.shutdown()

    async def _open(self) -> None:
        self._listening = await asyncio.start_server(self._server.serve, "127.0.0.1", 0)
        vars(client_module)["ResponseReader"] = Watched
        self._caller = WebhookClient(
            clock=Clock(),
            guard=Guard(
                EgressNetworks(allow=(ipaddress.ip_network("127.0.0.0/8"),)), allow_http=True
            ),
            signing_threads=self._threads,
            lookup_threads=self._threads,
            user_agent="fuzz",
        )

    def _check(self, call: AttemptResult, number: int, *, signed: bool) -> None:
        sent = self._server.script[number].removesuffix(HANG_UP).replace(PAUSE, b"")
        reader = Watched.made[-1] if Watched.made else ResponseReader()
        pieces = reader.pieces if isinstance(reader, Watched) else []
        read = b"".join(pieces)
        assert len(Watched.made) <= 1, "an exchange was made twice"
        assert sent.startswith(read), "bytes of another exchange were taken for an answer"
        assert len(pieces) <= MAX_PIECES + 1
        assert len(read) <= MAX_WIRE_BYTES + _MOST_AT_ONCE
        assert read.count(b"HTTP/1.1 103") <= MAX_INTERIM + _MOST_AT_ONCE // 50
        assert call.retry_after_seconds is None or 0 <= call.retry_after_seconds <= 3600
        if reader.status is None:
            assert isinstance(call.outcome, NoResult)
            assert call.outcome.failure in _WITHOUT_AN_ANSWER, call.outcome
            assert call.http_status is None
            return
        assert call.http_status == reader.status
        if isinstance(call.outcome, Answered):
            self._check_answered(call.outcome, reader, signed=signed)
        keys = {"1": self._public} if signed else {}
        whole = judge(
            reader.status, reader.headers, reader.body, Expected(PATH, CLIENT, keys, signed)
        )
        cut_short = (
            isinstance(call.outcome, NoResult) and call.outcome.failure in _WITHOUT_AN_ANSWER
        )
        assert cut_short or call.outcome == whole

    def _is_more_than_an_answer(self, number: int) -> bool:
        """Tell whether what was sent for a request goes on behind the answer, as a reader of its own finds."""
        sent = self._server.script[number].removesuffix(HANG_UP).replace(PAUSE, b"")
        reader = ResponseReader()
        try:
            return reader.feed(sent) and not reader.reusable
        except (UnreadableResponse, OversizedBody):
            return True

    def _check_answered(self, outcome: Answered, reader: ResponseReader, *, signed: bool) -> None:
        """Check by a second reading that who was believed had said just that, with a signature over just that."""
        assert reader.status == 200
        text = reader.body.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
        result = json.loads(text, strict=False, parse_int=str)["result"]
        assert result["resultStatus"] == outcome.status
        assert outcome.code in {result.get("resultCode"), ""}
        if signed:
            signature = _SIGNATURE.search(reader.headers["signature"])
            assert signature is not None
            standard = (
                re.sub(r"\s", "", unquote(signature[1]))
                .replace("-", "+")
                .replace("_", "/")
                .rstrip("=")
            )
            header = f"algorithm=RSA256,keyVersion=1,signature={quote(standard + '==', safe='')}"
            when = reader.headers["response-time"]
            assert signatures.is_signed(self._public, header, PATH, CLIENT, when, reader.body)

    def _signed(self, body: bytes) -> list[bytes]:
        if body not in self._known:
            if len(self._known) > 1000:
                self._known.clear()
            signature = sign(self._key, string_to_sign(PATH, CLIENT, MOMENT, body))
            self._known[body] = [
                b"signature: " + signature.encode(),
                b"response-time: " + MOMENT.encode(),
            ]
        return self._known[body]
