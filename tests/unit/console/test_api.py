"""The JSON API and its document, and the metrics."""

import json

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from streams.operator.console.app import Console
from streams.operator.console.tokens import AccessTokens
from tests.support.history import NAMES, T0
from tests.support.topics import Payment

LETTER = f"{NAMES.dead_letter}:0:0"


@pytest.fixture(autouse=True)
def something(topics):
    """One of each."""
    Payment(topics, "told").delivered(100)
    Payment(topics, "refused").refused(100)
    Payment(topics, "waits").unanswered(570_000)
    Payment(topics, "back").refused(100).put_back(2000).delivered(2100)


async def test_the_document_is_valid_and_every_answer_follows_it(browse):
    """OpenAPI 3.1; each operation is asked, and what comes back is what the document says."""
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # noqa: PLC0415
    from openapi_spec_validator import validate  # noqa: PLC0415

    filled = {
        "order_id": "waits",
        "wait": "5m",
        "partner_id": "acme",
        "place": LETTER,
        "run": "r-1",
    }
    async with browse() as browser:
        document = json.loads((await browser.get("/api/openapi.json"))[1])
        validate(document)
        assert len(document["paths"]) == 13
        for path, item in document["paths"].items():
            schema = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            status, text, headers = await browser.get(path.format(**filled))
            assert status == 200, path
            assert headers["Content-Type"].startswith("application/json")
            whole = schema | {"components": document["components"]}
            Draft202012Validator(whole).validate(json.loads(text))
            if "{" in path:
                status, text, _ = await browser.get(path.format(**dict.fromkeys(filled, "none")))
                assert (status, json.loads(text)) == (404, {"error": "nothing is known of it"})


async def test_a_wrong_query_says_what_is_wrong(browse):
    """400 with the member's name; no answer is unbounded."""
    async with browse() as browser:
        for query in ("limit=501", "limit=x", "after=-1", "colour=red"):
            status, text, _ = await browser.get(f"/api/dead-letters?{query}")
            assert status == 400
            assert query.partition("=")[0] in json.loads(text)["error"]


async def test_the_api_says_what_the_page_says(browse):
    """The same sentence, the same counts; nobody's data."""
    async with browse() as browser:
        _, text, _ = await browser.get("/api/orders/told")
        (told,) = json.loads(text)["notifications"]
        assert (told["told"], told["state"]) == ("yes", "delivered")
        _, page, _ = await browser.get("/orders/told")
        assert told["sentence"] in page
        _, text, _ = await browser.get("/api/dead-letters?limit=1")
        found = json.loads(text)
        assert (found["total"], found["open"], len(found["letters"])) == (1, 1, 1)
        assert "CANARY" not in text


async def test_metrics_come_from_the_topics(browse, clock):
    """Reconciliation, what waits, what is late, dead letters; no worker was asked."""
    clock.ms = T0 + 3_000_000
    async with browse(name=None) as browser:
        _, text, _ = await browser.get("/metrics")
    for line in (
        "notifier_reconciliation_difference 0.0",
        'notifier_reconciliation_notifications{part="accepted"} 5.0',
        'notifier_reconciliation_notifications{part="waiting"} 1.0',
        'notifier_console_pending_notifications{tier="5m"} 1.0',
        'notifier_console_overdue_notifications{tier="5m"} 1.0',
        "notifier_console_open_dead_letters 1.0",
        "notifier_console_behind_records 0.0",
    ):
        assert line in text.splitlines(), line


async def test_not_ready_without_brokers(topics, clock, settings):
    """Before anything could be read the console is not ready, and says why; alive it is all the same."""
    console = Console(settings, AccessTokens(settings.console_tokens_file), clock, lambda: topics)
    console.read_model.ingest.freshness.fault = "no broker answers"
    async with TestServer(console.application()) as server, ClientSession() as session:
        async with session.get(server.make_url("/health/ready")) as answer:
            assert (answer.status, (await answer.json())["reasons"]) == (503, ["no broker answers"])
        async with session.get(server.make_url("/health/live")) as answer:
            assert answer.status == 200
    await console.stop()
