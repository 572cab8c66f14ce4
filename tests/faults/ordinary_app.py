"""A notifier as one would write it with Faust alone: POST, wait for the answer, try again when it is bad.

Kept to show what it loses, see `test_ordinary_app`. Nothing here is a caricature: the body of the agent is what
Faust's own guide recommends for concurrent work, acknowledgements and commits as they come.
"""

import asyncio
import json
import os
import ssl
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import faust

from streams.clock import Clock
from streams.sandbox.keys import CLIENT_ID
from streams.sandbox.signatures import load_private_key, sign

CONCURRENCY = 32
PAUSE_SECONDS = 1.0

_key = load_private_key(Path(os.environ["ORDINARY_KEY"]))
_clock = Clock()

app = faust.App(
    os.environ["ORDINARY_GROUP"],
    broker=f"kafka://{os.environ['ORDINARY_BROKERS']}",
    store="memory://",
    datadir=os.environ["ORDINARY_DATA"],
    topic_allow_declare=False,
    topic_disable_leader=True,
    web_enabled=False,
    broker_session_timeout=10.0,  # the default of a minute only makes the test longer
    broker_heartbeat_interval=3.0,
)
payments = app.topic(os.environ["ORDINARY_TOPIC"], value_type=bytes, value_serializer="raw")


@app.agent(payments, concurrency=CONCURRENCY)
async def notify(stream):
    """Tell the partner of each payment, and go on when it has been told."""
    trusted = ssl.create_default_context(cafile=os.environ["ORDINARY_CA"])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session:
        async for value in stream:
            event = json.loads(value)
            while not await told(  # noqa: ASYNC110  # nobody tells when the partner is well again
                session, event["notifyUrl"], json.dumps(event["payment"]).encode()
            ):
                await asyncio.sleep(PAUSE_SECONDS)


async def told(session, url, body):
    """POST once; return whether the partner took it."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}"
    now = datetime.fromtimestamp(_clock.now_seconds(), UTC).isoformat(timespec="seconds")
    headers = {
        "Client-Id": CLIENT_ID,
        "Request-Time": now,
        "Signature": sign(_key, path, CLIENT_ID, now, body),
        "Content-Type": "application/json; charset=UTF-8",
    }
    try:
        async with session.post(url, data=body, headers=headers) as answer:
            await answer.read()
            return answer.status == 200  # taken, as far as this program knows
    except aiohttp.ClientError:
        return False
