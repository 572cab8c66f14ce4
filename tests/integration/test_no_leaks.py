"""Nothing leaks: what must stay inside is marked, everything is broken, and what came out is searched for the marks.

Marked are keys, passwords, tokens, bodies, customers' ids, paths of notify URLs and partners' answers. Searched are the
log (with every attempt in it), the metrics, the attempts topic, the details of dead letters, faults of settings and of
the partners file, and the dump of a process that is aborted. The tiers and the dead-letter topic hold bodies: that is
what they are for.
"""

import signal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from streams.clock import Clock
from streams.sandbox.client import encode
from streams.sandbox.payments import order_id, payment_event
from tests.support.bad_records import bad_events, bad_notifications, notification_headers
from tests.support.guarded import USERS
from tests.support.kafka import producer, read_topic
from tests.support.notifier import NOTIFIER, WorkerProcess
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

PROFILE = "mpp-to-alipay-plus"
MARK = "CANARY"
"""Stands in everything that must not come out."""

ENDS = {
    "well": "S",
    "slow": "U,S",
    "garbage": "garbage,S",
    "forged": "wrong-signature,S",
    "unsigned": "unsigned,S",
    "broken": "drop,S",
    "refused": "F:RISK_REJECT",
    "ours": "F:KEY_NOT_FOUND,S",
    "reset": "refuse,S",
    "busy": "http:503,S",
}


class Spill:
    """What must not come out, and where it was looked for."""

    def __init__(self, secrets):
        self._secrets = {secret for secret in secrets if len(secret) >= 6}
        assert len(self._secrets) > 30
        self.searched = {}

    def search(self, where, text):
        """Look for every secret in a text."""
        data = text.encode() if isinstance(text, str) else text
        self.searched[where] = len(data)
        assert [secret for secret in self._secrets if secret.encode() in data] == [], where


def of_key(path):
    """Return what would give a private key away: its lines, and its numbers."""
    pem = Path(path).read_text()
    lines = {line for line in pem.splitlines() if not line.startswith("-----") and len(line) > 20}
    key: Any = load_pem_private_key(pem.encode(), None)
    numbers = key.private_numbers()
    value = getattr(numbers, "d", None) or numbers.private_value
    return lines | {str(value), f"{value:x}"}


def marked(deployment, name, **more):
    """Return an event whose every value of the payment that may be free text is marked."""
    event = payment_event(PROFILE, rng=deployment.rng, partner_id=name, **more)
    payment = event["payment"]
    for member in ("customerId", "acquirerId", "pspId", "mppPaymentId", "walletBrandName"):
        if member in payment:
            payment[member] = f"{MARK}-{member}"
    payment["customerId"] = f"{MARK}-customer-{name}"
    payment["secretMember"] = f"{MARK}-unsent"
    event["resultMessage"] = f"{MARK} insufficient funds of {name}"
    return event


def prepare(deployment, directory):
    """Give every way to end a partner of its own, all with a token, most with a mark in their URL."""
    token = directory / "agent.token"
    token.touch(0o600)
    token.write_text(f"{MARK}-agent-token")
    for name, script in ENDS.items():
        deployment.add_partner(name, PROFILE, script, agent_token_file=str(token))
    entries = deployment.partners
    for name in ENDS:
        entries[name]["notify_url"] += f"&token={MARK}-url"
    entries["untrusted"] = entries["well"] | {"tls": {}}
    entries["blocked"] = entries["well"] | {"notify_url": f"https://10.0.0.1/{MARK}-blocked"}
    entries["nowhere"] = entries["well"] | {
        "notify_url": f"https://nowhere.invalid/{MARK}-nowhere?x={MARK}"
    }
    deployment.write_partners(entries)
    return ["untrusted", "blocked", "nowhere", *ENDS]


async def broken_records(deployment):
    """Write what can't be read: events and tier records with marks in the wrong places."""

    def make():
        return marked(deployment, "well")

    events = [bad for bad in bad_events(make) if "huge" not in bad.name]
    wrong = make() | {"occurredAt": f"{MARK}-time", "resultCode": {MARK: MARK}}
    more = [encode(wrong), f'{{"{MARK}-name": '.encode(), f'"{MARK}"'.encode()]
    now_ms = Clock().now_ms()
    tiers = bad_notifications(make, now_ms, "on a tier")
    odd = notification_headers(make(), now_ms, attempt=f"{MARK}-attempt")
    async with producer(deployment.bootstrap) as client:
        for bad in events:
            await client.send_and_wait(
                deployment.source, bad.value, MARK.encode(), headers=bad.headers
            )
        for value in more:
            await client.send_and_wait(deployment.source, value, MARK.encode())
        for bad in tiers:
            tier = deployment.names.prefix + "-retry-1s"
            await client.send_and_wait(tier, bad.value, bad.key, headers=bad.headers)
        await client.send_and_wait(
            deployment.names.replay, f"{MARK}-body".encode(), b"key", headers=odd
        )
    return len(events) + len(more) + len(tiers) + 1


async def test_nothing_leaks(make_guarded, tmp_path, keys):
    """Over a run in which nearly everything fails, and a crash at its end, no mark comes out anywhere."""
    async with make_guarded(settings={"ladder_scale": 0.01}) as guarded:
        deployment = guarded.deployment
        await guarded.grant("all")
        names = prepare(deployment, tmp_path)
        spill = Spill(
            {MARK, *USERS.values(), *of_key(keys.sender.private), *of_key(keys.client.key)}
        )
        settings = deployment.settings(
            **guarded.access("all"), log_level="debug", log_format="json", log_sample=1
        )
        with WorkerProcess(settings | {"PYTHONFAULTHANDLER": "1"}, program=NOTIFIER) as worker:
            await worker.ready()
            events = [marked(deployment, name) for name in names]
            events.append(marked(deployment, "well", outcome="FAILED", reason=f"{MARK}-reason"))
            url = f"https://127.0.0.1:1?token={MARK}"  # nobody listens there
            events.append(marked(deployment, "nowhere", notify_url=url))
            url = f"https://10.0.0.1:22?token={MARK}"
            events.append(marked(deployment, "blocked", notify_url=url))
            await deployment.send(events)
            bad = await broken_records(deployment)
            told = [order_id(e) for e in events if e["partnerId"] in ENDS.keys() - {"refused"}]
            await deployment.delivered(told)
            letters = await deployment.dead_letters(bad + 3)
            good = deployment.partners
            deployment.write_partners(good | {"pasted": _pasted(keys)})
            await worker.said("the old one stays in force")
            spill.search("metrics", (await worker.get("/metrics")).content)
            spill.search("health", (await worker.get("/health/ready")).content)
            await _failed(deployment, {"untrusted", "nowhere"})
            check = await deployment.run("check", **guarded.access("all"))
            listed = await deployment.run("keys", "check", **guarded.access("all"))
            deployment.write_partners(good)
            worker._process.send_signal(signal.SIGABRT)
            assert await worker.ended() == -signal.SIGABRT
            assert "Fatal Python error" in worker.log
            spill.search("log", worker.log)
        refused = await deployment.run("check", **guarded.access("nobody"))
        for run in (check, listed, refused):
            assert run.returncode == 1
            spill.search(f"output of {run.args[1:]}", run.stdout + run.stderr)
        for record in await read_topic(deployment.bootstrap, deployment.names.attempts):
            known = [value for _, value in record.headers]
            spill.search("attempts", b"\n".join([record.value or b"", *known]))
        for letter in letters:
            details = dict(letter.headers)
            spill.search("details", details["dead-letter-reason"] + details["dead-letter-detail"])
    assert spill.searched["log"] > 10_000
    assert spill.searched["metrics"] > 10_000


def _pasted(keys):
    """Return an entry with keys and passwords in the wrong places."""
    return {
        "profiles": [PROFILE],
        "client_id": f"{MARK} with blanks and a password {MARK}" * 3,
        "private_key_file": keys.sender.private.read_text(),
        "agent_token_file": keys.client.key.read_text(),
        "peer_public_key_files": {1: keys.sender.private.read_text()},
        "notify_url": f"http://user:{MARK}@host/" + MARK * 20,
    }


async def _failed(deployment, partners):
    """Wait until each of these partners has had an attempt that failed."""

    async def seen():
        found = await deployment.attempts()
        return partners <= {item.get("partner_id") for item in found if item.get("failure")}

    await eventually(seen, what="failures")
