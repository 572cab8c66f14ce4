"""What other people's producers write is read: every client, codec and mode, through a real broker and a real worker.

`COMPATIBILITY_PAYMENTS=1000` writes so many payments in each cell instead of 20. franz-go is built where Go is, with its
modules that go.sum names; without Go (or without these modules) its cells are left out, and the test says so.
"""

import asyncio
import json
import os
import subprocess
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from streams.notification.profiles import PROFILES
from streams.sandbox.client import encode
from streams.sandbox.payments import order_id, payment_event
from tests.compatibility.work import CLIENTS, HERE, Cell, Header, Record, cells, command_of, to_line
from tests.support.waiting import eventually

PAYMENTS = int(os.environ.get("COMPATIBILITY_PAYMENTS", "20"))
MOST_SECONDS = 300 + PAYMENTS

pytestmark = [pytest.mark.kafka, pytest.mark.e2e, pytest.mark.timeout(2 * MOST_SECONDS + 300)]

HEADERS: tuple[tuple[Header, ...], ...] = (
    (),
    (("shop", b"7"),),
    (("none", None),),
    (("shop", b"7"), ("shop", b"8"), ("shop", b"7")),
    (("binary", b"\x00\xff\xfe\x80"), ("empty", b"")),
    (("traceparent", b"\xff\xff"),),
)
UNREADABLE = b"\xff this is no JSON"


def filled(cell, rng):
    """Give a cell its payments, one record that is none, and what is aborted; return the payments' orders."""
    orders = []
    for number in range(PAYMENTS):
        profile = list(PROFILES)[number % len(PROFILES)]
        event = payment_event(profile, rng=rng)
        orders.append(order_id(event))
        key = orders[-1].encode() if number % 2 else None
        cell.records.append(Record(key, encode(event), HEADERS[number % len(HEADERS)]))
    every = tuple(header for headers in HEADERS for header in headers)
    cell.records.append(Record(cell.name.encode(), UNREADABLE, every))
    if cell.mode == "transactional":
        again = [
            replace(record, value=encode(payment_event("mpp-to-ant", rng=rng)))
            for record in cell.records
        ]
        cell.aborted = again[: max(1, PAYMENTS // 10)]
    return orders


async def write(client, command, bootstrap, topic, work):
    """Run a producer to its end; where another one fails, end it."""
    running = await asyncio.create_subprocess_exec(
        *command,
        *(bootstrap, topic, str(work)),
        cwd=HERE.parents[1],
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _, said = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    assert running.returncode == 0, f"{client}: {said[-3000:].decode(errors='replace')}"


async def test_every_cell_is_read(make_deployment, tmp_path):
    """Each payment of each cell is acknowledged, each record that is none is dead-lettered as it came, none is lost."""
    commands = {client: command_of(client, tmp_path) for client in CLIENTS}
    matrix = [cell for cell in cells() if commands[cell.client] is not None]
    async with make_deployment(partitions=4) as deployment:
        orders: dict[str, str] = {}
        works: dict[str, Path] = {}
        for cell in matrix:
            orders |= dict.fromkeys(filled(cell, deployment.rng), cell.name)
            works.setdefault(cell.client, tmp_path / f"{cell.client}.jsonl")
            with works[cell.client].open("a") as lines:
                lines.write(to_line(cell) + "\n")
        assert len(orders) == len(matrix) * PAYMENTS
        worker = await deployment.ready_worker()
        begun = time.monotonic()
        async with asyncio.timeout(MOST_SECONDS + 200), asyncio.TaskGroup() as writing:
            for client, work in works.items():
                writing.create_task(
                    write(client, commands[client], deployment.bootstrap, deployment.source, work)
                )
        written = time.monotonic()
        await eventually(
            lambda: settled(worker, len(orders), len(matrix)), MOST_SECONDS, what="every cell"
        )
        ended = time.monotonic()
        assert await worker.stop() == 0
        attempts = await deployment.attempts()
        told = Counter(item["order_id"] for item in attempts if item.get("decision") == "delivered")
        missing = Counter(cell for order, cell in orders.items() if order not in told)
        assert missing == Counter()
        assert told == Counter(orders.keys())
        heard = Counter(request.order_id for request in deployment.partner.requests)
        assert [order for order in orders if not heard[order]] == []
        # On a busy machine an attempt may time out, and the payment is told again.
        again = sum(heard[order] - 1 for order in orders)
        assert {item["order_id"] for item in attempts if item.get("order_id")} == set(orders)
        check_letters(await deployment.dead_letters(len(matrix)), matrix)
    figures = {
        "cells": len(matrix),
        "acknowledged": len(told),
        "dead_letters": len(matrix),
        "told_again": again,
        "written_seconds": round(written - begun, 1),
        "settled_seconds": round(ended - begun, 1),
    }
    print(json.dumps(figures))  # noqa: T201  # pytest -s
    if commands["franz-go"] is None:
        pytest.skip(
            "franz-go was left out: no Go, or none of its modules, can be had here; all other cells are read"
        )


async def settled(worker, acknowledged, invalid):
    """Tell whether the worker has counted so many ends."""
    ends = "notifier_notifications_total"
    return (
        await worker.metric(ends, outcome="acknowledged") >= acknowledged
        and await worker.metric("notifier_dlq_total", reason="invalid-event") >= invalid
    )


def check_letters(letters, matrix: list[Cell]):
    """Hold each cell's record that is none to what was written: its bytes, and every header but the one that we judge."""
    wanted = {(cell.name.encode(), UNREADABLE): cell.records[-1].headers for cell in matrix}
    found = {(letter.key, letter.value): letter.headers for letter in letters}
    assert found.keys() == wanted.keys()
    for letter, headers in wanted.items():
        kept = [header for header in headers if header[0] != "traceparent"]
        own = [header for header in found[letter] if header[0] in {name for name, _ in kept}]
        assert own == kept, letter[0]
        assert dict(found[letter])["dead-letter-reason"] == b"invalid-event"
