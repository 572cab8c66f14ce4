"""What a worker logs while everything goes wrong that can: each line is JSON, and none quotes what it must not."""

import json
import os
import re
import signal

import pytest

from streams.clock import Clock
from streams.sandbox.payments import payment_event
from streams.telemetry.logs import FACTS
from tests.support.bad_records import PROFILE, bad_events, bad_notifications
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

CANARY = "canary"
ANSWERS = [
    *("S", "U", "F:RISK_REJECT", "F:KEY_NOT_FOUND", "unsigned", "wrong-signature", "http:500"),
    *("http:302", "retry-after:0", "refuse", "drop", "garbage", "oversized", "never"),
]
MEMBERS = {"time", "level", "logger", "message", "error", "traceback", *FACTS}


def planted(profile, deployment, script="S"):
    """Return an event with a canary wherever customers' data may stand, and in the URL."""
    url = deployment.partner.notify_url(profile, script)
    event = payment_event(
        profile, rng=deployment.rng, notify_url=f"{url}{'&' if '?' in url else '?'}who={CANARY}"
    )
    event["payment"] |= {"customerId": f"{CANARY}-customer", f"{CANARY}Member": f"{CANARY}-value"}
    return event


async def test_no_line_quotes_data_keys_or_bodies(make_deployment):
    """Every fault of partner and input, at the level debug and with every notification sampled."""
    settings = {
        "ladder_scale": 0.0005,
        "log_format": "json",
        "log_level": "debug",
        "log_sample": 1,
        "web_bind": "127.0.0.1",
    }
    async with make_deployment(partitions=1, settings=settings) as deployment:
        entries = deployment.partners
        for entry in entries.values():
            entry["attempt_timeout_seconds"] = 1
        deployment.write_partners(entries)
        worker = await deployment.ready_worker()
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            os.kill(worker.pid, number)
        await worker.said(r"SIGUSR1: where every thread and task stands:.*thread MainThread")
        await worker.said("SIGUSR2 is ignored")

        told = [planted("mpp-to-ant", deployment, script) for script in ANSWERS]
        told += [planted("alipay-to-merchant", deployment, script) for script in ("S", "U")]
        orders = await deployment.send(told)

        def make():
            return planted(PROFILE, deployment)

        bad = [one for one in bad_events(make) if one.reason != "oversized"]
        for one in bad:
            await deployment.write(
                deployment.source, one.value, f"{CANARY}-key", dict(one.headers) | {"x": CANARY}
            )
        replayed = bad_notifications(make, Clock().now_ms(), "replayed")
        for one in replayed:
            if None not in dict(one.headers).values():
                await deployment.write(
                    deployment.names.replay, one.value, one.key, dict(one.headers)
                )
        deployment.partners_file.write_text(f"partners: {{{CANARY}: [", "utf-8")
        await worker.said("the new partners file is not used")

        ended: set[str | None] = set()

        async def all_ended():
            ended.update(
                item.get("order_id")
                for item in await deployment.attempts()
                if item.get("decision") in {"delivered", "dead-letter"}
            )
            return ended.issuperset(orders)

        await eventually(all_ended, what="every notification's end", every_seconds=0.5)
        assert await worker.stop() == 0

        lines = [json.loads(line) for line in worker.log.splitlines()]
        assert all(set(line) <= MEMBERS for line in lines)
        attempts = [line for line in lines if line["message"].startswith("attempt ")]
        assert {line["order_id"] for line in attempts} >= set(orders)
        assert {line["decision"] for line in attempts} >= {
            *("acknowledged", "refused", "unknown", "unsigned_answer", "wrong_signature"),
            *("http_status", "broken_connection", "unreadable_answer", "oversized_answer"),
            "read_timeout",
        }
        assert any(line["message"].startswith("dead letter") for line in lines)
        unreadable = "unreadable_answer: body: HTML or XML, no JSON"
        assert any(line["message"].endswith(unreadable) for line in lines)
        assert "body: HTML or XML, no JSON" in {
            item.get("failure_detail") for item in await deployment.attempts()
        }
        assert [line for line in worker.log.splitlines() if CANARY in line] == []
        secrets = [
            text
            for path in deployment.keys.ca.parent.rglob("*.pem")
            for text in re.findall(r"[A-Za-z0-9+/=]{40,}", path.read_text("utf-8"))
        ]
        bodies = [
            request.body[start : start + 40].decode()
            for order in orders
            for request in deployment.requests(order)[:1]
            for start in (0, 40)
        ]
        assert len(secrets) > 20
        assert bodies
        assert [text for text in [*secrets, *bodies] if text in worker.log] == []
