"""The rehearsal partner answers as its script says, over real HTTPS, and checks what it gets."""

import asyncio
import base64
import json
import ssl
from functools import lru_cache
from random import Random  # noqa: TID251  # seeded
from typing import cast
from urllib.parse import quote, unquote, urlsplit

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from streams.notification.profiles import PROFILES
from streams.sandbox.inbox import Received
from streams.sandbox.keys import make_keys
from streams.sandbox.partner import PATHS, PartnerError, ScriptedPartner
from streams.sandbox.partner_process import PartnerProcess
from streams.sandbox.script import Answer, Script, parse_shares

CLIENT_ID = "SANDBOX_TEST"
REQUEST_TIME = "2026-11-22T10:00:00+00:00"
BODY = json.dumps(
    {"paymentRequestId": "order-1", "paymentId": "pay-1", "paymentResult": {"resultStatus": "S"}}
).encode()


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """One set of keys and certificates."""
    return make_keys(tmp_path_factory.mktemp("keys with a blank"))


@pytest.fixture
def partner(keys):
    """A partner that listens."""
    with ScriptedPartner(keys) as running:
        yield running


@pytest.fixture
async def client(keys):
    """A client that trusts the sandbox's authority and nothing else."""
    async with _client(keys) as opened:
        yield opened


def _client(keys, **options):
    context = ssl.create_default_context(cafile=str(keys.ca))
    if options.pop("certificate", False):
        context.load_cert_chain(keys.client.certificate, keys.client.key)
    return httpx.AsyncClient(verify=context, timeout=10, trust_env=False, **options)


@lru_cache
def _private_key(path):
    return load_pem_private_key(path.read_bytes(), None)


def _headers(keys, url, body=BODY, **others):
    parts = urlsplit(url)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    content = f"POST {path}\n{CLIENT_ID}.{REQUEST_TIME}.".encode() + body
    signature = base64.b64encode(
        _private_key(keys.sender.private).sign(content, padding.PKCS1v15(), hashes.SHA256())
    ).decode()
    return {
        "Content-Type": "application/json; charset=UTF-8",
        "Client-Id": CLIENT_ID,
        "Request-Time": REQUEST_TIME,
        "Signature": f"algorithm=RSA256,keyVersion=1,signature={quote(signature, safe='')}",
    } | others


async def _tell(client, keys, url, body=BODY):
    return await client.post(url, content=body, headers=_headers(keys, url, body))


def _is_signed(keys, path, answer):
    public = cast("RSAPublicKey", load_pem_public_key(keys.receiver.public.read_bytes()))
    raw = base64.b64decode(unquote(answer.headers["signature"].partition("signature=")[2]))
    when = answer.headers["response-time"]
    content = f"POST {path}\n{answer.headers['client-id']}.{when}.".encode() + answer.content
    try:
        public.verify(raw, content, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("profile", PATHS)
async def test_answers_a_signed_s_to_every_profile(partner, client, keys, profile):
    """Without a script a signed request gets a signed S, and the record holds what was on the wire."""
    url = partner.notify_url(profile)
    member = PROFILES[profile].order_id_member
    body = json.dumps(json.loads(BODY) | {member: "the order"}).encode()
    answer = await _tell(client, keys, url, body)
    assert answer.status_code == 200
    assert answer.json()["result"]["resultStatus"] == "S"
    assert _is_signed(keys, PATHS[profile], answer)
    (seen,) = partner.requests
    assert (seen.body, seen.path, seen.faults, seen.signature_valid) == (
        body,
        PATHS[profile],
        (),
        True,
    )
    assert seen.order_id == "the order"
    assert (seen.number, seen.attempt, seen.in_flight, seen.answer) == (1, 1, 1, "S")


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("F:RISK_REJECT", ("F", "RISK_REJECT")),
        ("F", ("F", "PROCESS_FAIL")),
        ("U:REQUEST_TRAFFIC_EXCEED_LIMIT", ("U", "REQUEST_TRAFFIC_EXCEED_LIMIT")),
        ("U", ("U", "UNKNOWN_EXCEPTION")),
        ("slow:0.05", ("S", "SUCCESS")),
        ("oversized", ("S", "SUCCESS")),
    ],
)
async def test_signs_the_result_that_the_script_names(partner, client, keys, text, result):
    """Every result comes with HTTP 200 and a signature over its exact bytes, query included."""
    url = partner.notify_url("mpp-to-alipay-plus", text)
    answer = await _tell(client, keys, url)
    said = answer.json()["result"]
    assert (answer.status_code, (said["resultStatus"], said["resultCode"])) == (200, result)
    assert _is_signed(keys, url.removeprefix(partner.url), answer)
    assert (len(answer.content) > 64 * 1024) == (text == "oversized")


@pytest.mark.parametrize(
    ("text", "status"), [("unsigned", "S"), ("unsigned-F:RISK_REJECT", "F"), ("unsigned-U", "U")]
)
async def test_leaves_the_signature_out(partner, client, keys, text, status):
    """An unsigned answer carries none of the three headers."""
    answer = await _tell(client, keys, partner.notify_url("mpp-to-ant", text))
    assert answer.json()["result"]["resultStatus"] == status
    assert not {"signature", "response-time", "client-id"} & set(answer.headers)


@pytest.mark.parametrize(
    ("text", "status"), [("wrong-signature", "S"), ("wrong-signature-F:RISK_REJECT", "F")]
)
async def test_signs_wrongly(partner, client, keys, text, status):
    """A wrong signature is well formed but does not fit the bytes."""
    url = partner.notify_url("mpp-to-ant", text)
    answer = await _tell(client, keys, url)
    assert answer.json()["result"]["resultStatus"] == status
    assert not _is_signed(keys, url.removeprefix(partner.url), answer)


async def test_answers_http_statuses(partner, client, keys):
    """A status comes without a result; a redirect names a place; Retry-After comes with 503."""
    for status in (204, 302, 404, 429, 500):
        answer = await _tell(client, keys, partner.notify_url("mpp-to-ant", f"http:{status}"))
        assert (answer.status_code, answer.content) == (
            status,
            b"" if status == 204 else answer.content,
        )
        assert ("location" in answer.headers) == (status == 302)
    answer = await _tell(client, keys, partner.notify_url("mpp-to-ant", "retry-after:7"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")


async def test_garbage_is_no_json(partner, client, keys):
    """Garbage comes with HTTP 200."""
    answer = await _tell(client, keys, partner.notify_url("mpp-to-ant", "garbage"))
    assert answer.status_code == 200
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


@pytest.mark.parametrize("text", ["refuse", "drop"])
async def test_breaks_the_connection(partner, client, keys, text):
    """The sender sees a broken connection, the partner has seen the request."""
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await _tell(client, keys, partner.notify_url("mpp-to-ant", text))
    assert [request.answer for request in partner.requests] == [text]


async def test_never_answers_until_the_sender_hangs_up(partner, keys):
    """Nothing comes back; after the sender has gone the request counts as in flight no more."""
    async with _client(keys) as short:
        short.timeout = httpx.Timeout(10, read=0.2)
        with pytest.raises(httpx.ReadTimeout):
            await _tell(short, keys, partner.notify_url("mpp-to-ant", "never"))
    async with _client(keys) as client:
        await _tell(client, keys, partner.notify_url("mpp-to-ant"))
    assert [request.answer for request in partner.requests] == ["never", "S"]


async def test_stopping_leaves_a_silent_request_without_an_answer(partner, client, keys):
    """A partner that stops does not turn `never` into an answer, and comes back on its port."""
    waiting = asyncio.create_task(_tell(client, keys, partner.notify_url("mpp-to-ant", "never")))
    await asyncio.to_thread(partner.wait_for, 1)
    url = partner.url
    await asyncio.to_thread(partner.stop)
    with pytest.raises(httpx.TransportError):
        await waiting
    with pytest.raises(httpx.ConnectError):
        await _tell(client, keys, partner.notify_url("mpp-to-ant"))
    await asyncio.to_thread(partner.start)
    assert partner.url == url
    assert (await _tell(client, keys, partner.notify_url("mpp-to-ant"))).status_code == 200


async def test_holds_until_released(partner, client, keys):
    """Requests on hold are answered together, and counted as in flight until then."""
    url = partner.notify_url("mpp-to-ant", "hold")
    calls = [asyncio.create_task(_tell(client, keys, url)) for _ in range(3)]
    requests = await asyncio.to_thread(partner.wait_for, 3)
    assert sorted(request.in_flight for request in requests) == [1, 2, 3]
    assert not any(call.done() for call in calls)
    partner.release()
    assert [answer.json()["result"]["resultStatus"] for answer in await asyncio.gather(*calls)] == [
        "S"
    ] * 3


async def test_goes_through_a_script_for_each_order_alone(partner, client, keys):
    """Two orders with the same URL each meet U, U, S; the last answer is repeated."""
    url = partner.notify_url("alipay-plus-to-acquirer", "U,U,S")
    seen: dict[str, list[str]] = {"a": [], "b": []}
    for _ in range(4):
        for order, statuses in seen.items():
            body = json.dumps({"paymentRequestId": order}).encode()
            statuses.append((await _tell(client, keys, url, body)).json()["result"]["resultStatus"])
    assert seen == {"a": ["U", "U", "S", "S"], "b": ["U", "U", "S", "S"]}
    assert [request.attempt for request in partner.of_order("b")] == [1, 2, 3, 4]


async def test_finds_scripts_by_order_then_path(keys, client):
    """An order's own script comes before its path's; a script may be given while it runs."""
    with ScriptedPartner(keys, scripts={"order-1": "F:A", PATHS["mpp-to-ant"]: "F:B"}) as partner:

        async def code(order):
            body = json.dumps({"paymentRequestId": order}).encode()
            return (await _tell(client, keys, partner.notify_url("mpp-to-ant"), body)).json()[
                "result"
            ]["resultCode"]

        assert [await code("order-1"), await code("order-2")] == ["A", "B"]
        partner.script("order-2", "F:C")
        assert await code("order-2") == "C"


async def test_shares_are_drawn_from_the_given_generator(keys, client):
    """The same seed gives the same answers, and both answers occur."""
    runs = []
    for _ in range(2):
        with ScriptedPartner(keys, shares={"S": 0.5, "U": 0.5}, rng=Random(7)) as partner:  # noqa: S311  # no secret
            url = partner.notify_url("mpp-to-ant")
            runs.append(
                [
                    (await _tell(client, keys, url)).json()["result"]["resultStatus"]
                    for _ in range(20)
                ]
            )
    assert runs[0] == runs[1]
    assert set(runs[0]) == {"S", "U"}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"Signature": "algorithm=RSA256,keyVersion=1,signature=abcd"}, "signature"),
        ({"Request-Time": "2026-11-22T10:00:01+00:00"}, "signature"),
        ({"Client-Id": "another"}, "signature"),
        ({"Request-Time": "now"}, "Request-Time"),
        ({"Content-Type": "text/plain"}, "content type"),
    ],
)
async def test_names_what_a_strict_receiver_refuses(partner, client, keys, change, fault):
    """A wrong signature is answered INVALID_SIGNATURE; other faults are named in the record."""
    url = partner.notify_url("mpp-to-ant", "S")
    answer = await client.post(url, content=BODY, headers=_headers(keys, url, **change))
    (seen,) = partner.requests
    assert any(fault in text for text in seen.faults)
    signed_part_changed = "Content-Type" not in change
    assert (answer.json()["result"]["resultCode"] == "INVALID_SIGNATURE") == signed_part_changed
    assert seen.signature_valid != signed_part_changed


async def test_every_changed_byte_of_the_body_breaks_the_signature(partner, client, keys):
    """The signature is over the exact bytes."""
    url = partner.notify_url("mpp-to-ant")
    for changed in (BODY + b" ", BODY.replace(b"order-1", b"order-2"), BODY[:-1]):
        await client.post(url, content=changed, headers=_headers(keys, url))
    assert [request.signature_valid for request in partner.requests] == [False] * 3


@pytest.mark.parametrize("form", ["base64", "base64url", "slash", "quoted", "first"])
async def test_refuses_forms_of_the_header_that_a_vendor_library_refuses(
    partner, client, keys, form
):
    """Only what all four vendor libraries take is valid: percent-encoded standard base64, at the end, unquoted."""
    url = partner.notify_url("mpp-to-ant")
    headers = _headers(keys, url)
    raw = unquote(headers["Signature"].partition("signature=")[2])
    value = {
        "base64": raw,
        "base64url": raw.replace("+", "-").replace("/", "_"),
        "slash": quote(raw, safe="/") + "/",
        "quoted": f'"{quote(raw, safe="")}"',
        "first": f"{quote(raw, safe='')},keyVersion=1",
    }[form]
    await client.post(
        url,
        content=BODY,
        headers=headers | {"Signature": f"algorithm=RSA256,keyVersion=1,signature={value}"},
    )
    assert [request.signature_valid for request in partner.requests] == [False]


async def test_sees_scalars_that_are_no_strings(partner, client, keys):
    """Numbers, booleans, null and empty strings in a body are named with their place."""
    body = json.dumps({"a": 1, "b": {"c": True}, "d": [None, "x"], "e": ""}).encode()
    await _tell(client, keys, partner.notify_url("mpp-to-ant"), body)
    faults = partner.requests[0].faults
    assert faults == ("/a is no string", "/b/c is no string", "/d/* is no string", "/e is empty")


async def test_takes_any_bytes(partner, client, keys):
    """A body that is no UTF-8 is recorded to the byte and survives its line of JSON."""
    body = b'\xff\xfe{"paymentRequestId": "x"'
    await _tell(client, keys, partner.notify_url("mpp-to-ant"), body)
    (seen,) = partner.requests
    assert (seen.body, seen.order_id) == (body, "")
    assert Received.from_json(seen.to_json()) == seen


async def test_asks_for_a_client_certificate(keys):
    """With mutual TLS a sender without a certificate gets no answer, one with it does."""
    with ScriptedPartner(keys, client_certificate=True) as partner:
        url = partner.notify_url("mpp-to-ant")
        async with _client(keys) as stranger:
            with pytest.raises(httpx.TransportError):
                await _tell(stranger, keys, url)
        async with _client(keys, certificate=True) as known:
            assert (await _tell(known, keys, url)).status_code == 200


async def test_speaks_plain_http_if_asked(keys, client):
    """Without TLS everything else stays."""
    with ScriptedPartner(keys, tls=False) as partner:
        url = partner.notify_url("mpp-to-ant")
        assert url.startswith("http://")
        assert _is_signed(keys, PATHS["mpp-to-ant"], await _tell(client, keys, url))


def test_a_taken_port_is_said(keys, partner):
    """Two partners can't share a port; the second says so."""
    port = int(partner.url.rpartition(":")[2])
    with pytest.raises(PartnerError, match=f"can't listen on 127.0.0.1:{port}"):
        ScriptedPartner(keys, port=port).start()


def test_waiting_in_vain_says_what_is_there(partner):
    """A time-out names the target and the number of requests."""
    with pytest.raises(TimeoutError, match="for 1 requests; 0 requests are in"):
        partner.wait_for(1, timeout_seconds=0.01)
    with pytest.raises(TimeoutError, match="for the condition"):
        partner.wait_for(lambda requests: len(requests) > 1, timeout_seconds=0.01)


async def test_runs_in_a_process_of_its_own(keys, client):
    """The process has the same interface, and its shares come from its seed."""
    with PartnerProcess(keys, shares={"U:UNKNOWN_EXCEPTION": 1.0}) as partner:
        answer = await _tell(client, keys, partner.notify_url("alipay-to-merchant"))
        assert answer.json()["result"]["resultStatus"] == "U"
        answer = await _tell(
            client, keys, partner.notify_url("alipay-to-merchant", "F:RISK_REJECT,S")
        )
        assert answer.json()["result"]["resultCode"] == "RISK_REJECT"
        requests = await asyncio.to_thread(partner.wait_for, 2)
    assert [(request.order_id, request.body) for request in requests] == [("order-1", BODY)] * 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "X",
        "S:",
        "s",
        "F:",
        "F:a-b",
        "http:99",
        "http:600",
        "http:20.5",
        "slow",
        "slow:-1",
        "unsigned-",
        "never:1",
    ],
)
def test_refuses_what_is_no_answer(text):
    """A slip in a script is no silent S."""
    with pytest.raises(ValueError, match="is no answer"):
        Answer.parse(text)


def test_reads_scripts_and_shares():
    """Scripts repeat their last answer; shares are weights."""
    script = Script.parse("U, F:RISK_REJECT,S")
    assert [script.at(number).text for number in (1, 2, 3, 4, 99)] == [
        "U",
        "F:RISK_REJECT",
        "S",
        "S",
        "S",
    ]
    assert parse_shares("S=0.9, U:X=1,http:500=2") == {"S": 0.9, "U:X": 1.0, "http:500": 2.0}
    for wrong in ("S", "X=1", "S=lots"):
        with pytest.raises(ValueError):  # noqa: PT011  # three different faults
            parse_shares(wrong)


def test_shares_need_randomness(keys):
    """Shares without a generator are refused at once."""
    with pytest.raises(ValueError, match="pass rng"):
        ScriptedPartner(keys, shares={"S": 1.0})
