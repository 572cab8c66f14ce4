"""Who is admitted when: one destination's limits, its line, and what comes back when a record lets go."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from streams.admission.admission import Admission
from streams.admission.limits import IDLE_SECONDS, PATIENCE_SECONDS, PROBE_SECONDS
from streams.admission.queue import Permit
from streams.notification.outcome import Answered, Failure, NoResult, Status
from tests.unit.admission.desk import Desk, answered, blocked, ended, partner, refused, timed_out
from tests.unit.webhook.virtual_time import in_virtual_time

A = "https://a.example.com"


@in_virtual_time
async def test_who_waits_is_served_in_order():
    """Room that comes free goes to the front of the line, not to who asks just then."""
    desk = Desk()
    permits = await desk.fill()
    line, served = desk.line_up(calls=3), []
    for number, task in enumerate(line):
        task.add_done_callback(lambda _, number=number: served.append(number))
    await asyncio.sleep(0.1)
    for held in permits[:3]:
        desk.give_back([held], blocked())
        late = desk.line_up()
        await asyncio.sleep(0.01)
        late[0].cancel()
    assert served == [0, 1, 2]
    assert all(isinstance(task.result(), Permit) for task in line)


@in_virtual_time
async def test_patience_runs_out_after_a_second():
    """Then the record is parked, and nothing of it stays behind."""
    desk = Desk()
    permits = await desk.fill()
    desk.give_back(permits[:1], answered())  # it answers, so that it is full, not silent
    await desk.take()
    await desk.take()  # an answer raised the limit by one
    line = desk.line_up(calls=3)
    assert await desk.refusal() == ("in-flight", PATIENCE_SECONDS, PATIENCE_SECONDS)
    assert [(await task).reason for task in line] == ["in-flight"] * 3
    assert not any(desk.admission._destinations["shop", A].queues)


@in_virtual_time
async def test_a_line_that_would_take_too_long_takes_nobody():
    """A place in it would be a place that others need: the record is told at once when there may be room."""
    desk = Desk()
    who = partner(most=2)
    for _ in range(20):  # so that its usual time is known: half a second
        permit = await desk.take(who=who)
        await asyncio.sleep(0.5)
        desk.give_back(permit, answered(seconds=0.5))
    await desk.fill(who=who)
    line = desk.line_up(calls=4, who=who)
    await asyncio.sleep(0.1)
    why, after, expected = await desk.refusal(who=who)
    assert (why, after) == ("in-flight", 0)
    assert expected == pytest.approx(1.25, rel=0.01)
    for task in line:
        task.cancel()


@in_virtual_time
async def test_a_short_line_that_moves_is_worth_more_patience():
    """Where calls end fast and yet the line is slow, the worker is out of breath: parking would cost it more."""
    desk = Desk()
    who = partner(most=1)
    held = await desk.take(who=who)
    line = desk.line_up(calls=3, who=who)
    for task in line:
        await asyncio.sleep(0.9)
        desk.give_back(held, answered(seconds=0.01))
        held = [await task]
    assert all(isinstance(task.result(), Permit) for task in line)


@in_virtual_time
async def test_the_workers_own_slowness_is_not_the_destinations():
    """What signing took, and as much again for the way back, is taken off before a call counts as slow."""
    desk = Desk()
    for _ in range(20):
        desk.give_back(await desk.take(), answered(seconds=0.02))
    before = desk.state(A).limit
    desk.give_back(await desk.take(), answered(seconds=2.0, signing=0.9))
    assert desk.state(A).limit >= before
    desk.give_back(await desk.take(), answered(seconds=2.0))
    assert desk.state(A).limit < before


@in_virtual_time
async def test_before_a_hung_destination_nobody_waits_in_vain():
    """Once it is known to be silent, records are parked at once."""
    desk = Desk()
    await desk.fill()
    assert await desk.refusal() == ("in-flight", PATIENCE_SECONDS, PATIENCE_SECONDS)
    await asyncio.sleep(0.01)
    assert (await desk.take()) != []  # the first probe
    assert await desk.refusal() == ("silent", 0.0, PROBE_SECONDS)


@in_virtual_time
async def test_a_cancelled_record_gives_back_what_it_took():
    """Wherever it was: in the line, handed a call, waiting for a retry's share, or for the worker."""
    desk = Desk(most=20)
    for name in "abcdefgh":
        await desk.prove(f"https://{name}.example.com")
    permits = await desk.fill()
    in_line, handed = desk.line_up(calls=2)
    await asyncio.sleep(0.1)
    in_line.cancel()
    desk.give_back(permits[:1])
    handed.cancel()  # its turn has come, but it has not heard of it
    await asyncio.wait([in_line, handed])
    assert in_line.cancelled()
    assert handed.cancelled()
    assert desk.state(A).in_flight == len(permits) - 1
    desk.give_back(permits[1:])

    retries = await desk.take("https://b.example.com", calls=5, retry=True)
    retries += await desk.take("https://h.example.com", calls=5, retry=True)
    no_share = desk.line_up("https://c.example.com", retry=True)
    first = await desk.take("https://d.example.com", calls=10)
    no_worker = desk.line_up("https://e.example.com")
    await asyncio.sleep(0.1)
    for task in (*no_share, *no_worker):
        assert not task.done()
        task.cancel()
    await asyncio.wait([*no_share, *no_worker])
    desk.give_back([*retries, *first])
    assert desk.is_clean()
    await desk.take("https://f.example.com", calls=5, retry=True)
    await desk.take("https://h.example.com", calls=5, retry=True)
    await desk.take("https://g.example.com", calls=10)


@in_virtual_time
async def test_a_cancelled_retry_that_waits_for_the_worker_gives_its_share_back():
    """Two permits are taken one after the other; the first must not leak."""
    desk = Desk(most=2)
    await desk.prove()
    first = await desk.take(calls=2)
    waiting = desk.line_up("https://b.example.com", retry=True)
    await asyncio.sleep(0.1)
    waiting[0].cancel()
    await asyncio.wait(waiting)
    desk.give_back(first)
    await desk.take("https://b.example.com", retry=True)


@in_virtual_time
async def test_a_last_waiter_cancelled_as_its_turn_came_leaves_nothing_to_trip_over():
    """Its destination is forgotten a minute later, and counting goes on."""
    desk = Desk()
    permits = await desk.fill(who=partner(most=1))
    waiting = desk.line_up(who=partner(most=1))
    await asyncio.sleep(0.1)
    desk.give_back(permits)
    waiting[0].cancel()
    await asyncio.wait(waiting)
    assert desk.is_clean()
    for _ in range(3):
        await asyncio.sleep(IDLE_SECONDS)
        await desk.take("https://b.example.com")
    assert len(desk.admission) == 1


@in_virtual_time
async def test_a_record_that_waits_for_the_worker_does_not_silence_its_destination():
    """Nobody can answer a call that has not gone out."""
    desk = Desk(most=4)
    await desk.prove("https://b.example.com")
    held = await desk.take("https://b.example.com", calls=4)
    waiting = desk.line_up()
    await asyncio.sleep(10)
    assert not desk.state(A).is_unresponsive(desk.now)
    desk.give_back(held, answered(10.0))
    assert isinstance(await waiting[0], Permit)


@in_virtual_time
async def test_a_call_that_was_blocked_tells_the_state_nothing():
    """The egress guard refused it, or it was never made: the destination is as unknown as before."""
    desk = Desk()
    desk.give_back(await desk.take(calls=16), blocked())
    desk.give_back(await desk.take(calls=16))
    state = desk.state(A)
    assert (state.limit, state.has_answered, state.is_unresponsive(desk.now)) == (
        16.0,
        False,
        False,
    )
    assert desk.is_clean()


@in_virtual_time
async def test_retry_after_parks_until_then_also_who_stands_in_line():
    """A destination that asks for a rest gets it at once."""
    desk = Desk()
    await desk.prove()
    permits = await desk.fill()
    line = desk.line_up(calls=5)
    await asyncio.sleep(0.1)
    desk.give_back(permits[:1], answered(retry_after=30.0, slow_down=True))
    away = []
    for task in line:
        denied = await task
        assert (denied.reason, denied.escalate) == ("closed", False)
        away.append(denied.expected_at - desk.now)
    why, waited, last = await desk.refusal()
    assert (why, waited) == ("closed", 0.0)
    # One after the other at the pace of the destination's answers: the first may be told to rest again.
    away.append(last)
    step = away[1] - away[0]
    assert 0 < step < 0.05
    assert away == pytest.approx([30 + number * step for number in range(6)])
    desk.give_back(permits[1:], answered())
    await asyncio.sleep(30)
    await desk.take()


@pytest.mark.parametrize(
    "outcome", [Answered(Status.SUCCESS, "SUCCESS"), Answered(Status.FAILED, "PROCESS_FAIL")]
)
@in_virtual_time
async def test_retry_after_beside_what_ends_a_notification_closes_nothing(outcome):
    """It was taken, or never will be; the next one is another, and whatever is meant is no rest."""
    desk = Desk()
    desk.give_back(await desk.take(), ended(outcome, retry_after=30.0))
    await desk.take()


@pytest.mark.parametrize(
    ("outcome", "http_status"),
    [
        (NoResult(Failure.HTTP_STATUS), 500),
        (NoResult(Failure.HTTP_STATUS), 403),
        (NoResult(Failure.WRONG_SIGNATURE, claimed=Status.SUCCESS, code="SUCCESS"), 200),
        (Answered(Status.UNKNOWN, "UNKNOWN_EXCEPTION"), 200),
    ],
)
@in_virtual_time
async def test_retry_after_closes_beside_every_other_answer(outcome, http_status):
    """A destination that asks for a rest has it, whatever status it says it with; its limit is halved by too much traffic only."""
    desk = Desk()
    await desk.prove()
    limit = desk.state(A).limit
    call = replace(ended(outcome, retry_after=30.0), http_status=http_status)
    desk.give_back(await desk.take(), call)
    assert await desk.refusal() == ("closed", 0.0, 30.0)
    assert desk.state(A).limit >= limit
    await asyncio.sleep(30)
    await desk.take()


@in_virtual_time
async def test_retry_after_reaches_who_waits_for_a_slot():
    """A slot of the rate limit is no right to call a closed destination."""
    desk = Desk()
    desk.partner = partner(rate=2)
    permits = await desk.take()
    waiting = desk.line_up(calls=2)
    await asyncio.sleep(0.1)
    desk.give_back(permits, answered(retry_after=30.0, slow_down=True))
    assert [(await task).reason for task in waiting] == ["closed", "closed"]


@in_virtual_time
async def test_a_destination_that_refuses_gets_one_call_a_second():
    """Whoever asks in between is parked at once: until it may be probed, or for half of the time it has been silent."""
    desk = Desk()
    began = desk.now
    desk.give_back(await desk.take(), refused())
    calls = []
    for _ in range(1000):
        answer = await desk.ask()
        if isinstance(answer, Permit):
            calls.append(desk.now)
            desk.give_back([answer], refused())
        else:
            assert answer.reason == "silent"
            assert answer.escalate
            half = (desk.now - began) / 2
            assert desk.now + half <= answer.expected_at <= desk.now + max(half, PROBE_SECONDS)
        await asyncio.sleep(0.01)
    assert len(calls) == 10
    assert all(b - a >= PROBE_SECONDS for a, b in itertools.pairwise(calls))


@in_virtual_time
async def test_a_line_is_sent_away_when_its_destination_falls_silent():
    """Failures that come fast would else let it through one by one."""
    desk = Desk()
    await desk.prove()
    permits = await desk.fill()
    await asyncio.sleep(0.9)
    line = desk.line_up(calls=50)
    await asyncio.sleep(0.2)
    desk.give_back(permits[:1], refused(1.1))
    assert {(await task).reason for task in line} <= {"silent", "in-flight"}
    assert desk.state(A).in_flight == len(permits) - 1


@in_virtual_time
async def test_an_answer_lets_one_after_the_other_in():
    """After a silence the line moves again, a call at first."""
    desk = Desk()
    desk.give_back(await desk.take(), refused())
    probe = await desk.take()
    desk.give_back(probe, answered())
    permits = await desk.take()
    waiting = desk.line_up(calls=3)
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waiting[1:])
    desk.give_back(permits, answered())
    for _ in range(3):
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            waiting.remove(task)
            desk.give_back([task.result()], answered())
        if not waiting:
            break
    assert not waiting


@in_virtual_time
async def test_slots_are_kept_to_the_second():
    """Calls go out a step apart, whoever asks; what must wait longer hears when."""
    desk = Desk()
    desk.partner = partner(rate=8)
    began, went, promised = desk.now, [], []

    async def record():
        answer = await desk.ask()
        if isinstance(answer, Permit):
            went.append(desk.now - began)
            desk.give_back([answer], answered())
        else:
            assert (answer.reason, answer.escalate) == ("rate-limit", False)
            promised.append(answer.expected_at - began)

    await asyncio.gather(*[record() for _ in range(40)])
    assert went == [n / 8 for n in range(9)]
    assert promised == [n / 8 for n in range(9, 40)]


@in_virtual_time
async def test_probes_keep_to_the_rate_too():
    """One call in four seconds was agreed, so no probe a second."""
    desk = Desk()
    desk.partner = partner(rate=0.25)
    desk.give_back(await desk.take(), refused())
    calls = []
    for _ in range(400):
        answer = await desk.ask()
        if isinstance(answer, Permit):
            calls.append(desk.now)
            desk.give_back([answer], refused())
        await asyncio.sleep(0.1)
    assert len(calls) >= 10
    assert all(b - a > 3.999 for a, b in itertools.pairwise(calls))


@pytest.mark.parametrize(
    ("share", "most", "rate"), [(1.0, 8, 8.0), (0.5, 4, 4.0), (0.01, 1, 0.08), (0.0, 1, 0.008)]
)
@in_virtual_time
async def test_this_worker_takes_its_share(share, most, rate):
    """Of the ceiling, never less than one call, and of the rate; also while it holds no partition any more."""
    desk = Desk()
    desk.partner = partner(most=8, rate=8)
    desk.admission.share = share
    await desk.take()
    state = desk.state(A)
    assert state.ceiling == most
    assert state.rate_per_second == pytest.approx(rate)


@in_virtual_time
async def test_a_new_share_counts_from_the_next_call():
    """After a rebalance."""
    desk = Desk()
    await desk.take()
    desk.admission.share = 0.25
    await desk.take()
    assert desk.state(A).ceiling == 16


@in_virtual_time
async def test_what_one_is_follows_from_partner_scheme_host_and_port():
    """Paths and queries don't make another destination, letter case neither; a partner does."""
    desk = Desk()
    for url in (A, f"{A}/x", f"{A}?y=/", "https://A.example.com/x"):
        await desk.take(url)
    assert len(desk.admission) == 1
    await desk.take(f"{A}:8443/x")
    await desk.take("http://a.example.com/x")
    await desk.take(A, who=partner("other"))
    assert len(desk.admission) == 4


@in_virtual_time
async def test_ten_thousand_seen_once_leave_nothing_behind():
    """A platform's merchants come and go."""
    desk = Desk()
    for number in range(10_000):
        url = f"https://m{number}.example.com"
        call = timed_out() if number % 10 == 0 else answered()
        desk.give_back(await desk.take(url), call)
    assert len(desk.admission) == 10_000
    assert desk.admission.unresponsive_destinations() == 1000
    await asyncio.sleep(IDLE_SECONDS + 1)
    await desk.take("https://m1.example.com")  # one that is known
    assert len(desk.admission) == 1
    assert desk.admission.unresponsive_destinations() == 0


@in_virtual_time
async def test_what_is_in_use_or_closed_is_not_forgotten():
    """A rest that was asked for is kept, and a call's end must find its destination."""
    desk = Desk()
    desk.give_back(
        await desk.take("https://closed.example.com"),
        answered(retry_after=3600.0, slow_down=True),
    )
    long = await desk.take("https://long.example.com")
    await asyncio.sleep(IDLE_SECONDS * 2)
    await desk.take()
    assert len(desk.admission) == 3
    desk.give_back(long, answered())
    assert (await desk.refusal("https://closed.example.com"))[0] == "closed"


@in_virtual_time
async def test_retries_have_half_of_a_destination():
    """A backlog of them leaves room for new payments, which go out at once."""
    desk = Desk()
    await desk.prove()
    retries = await desk.take(calls=desk.state(A).most_retries, retry=True)
    line = desk.line_up(retry=True)
    await asyncio.sleep(0.1)
    first = await desk.take(calls=int(desk.state(A).limit) - len(retries))
    assert len(first) >= len(retries) - 1
    assert not line[0].done()
    desk.give_back(retries[:1])
    desk.give_back([await line[0], *first, *retries[1:]])
    assert desk.is_clean()


@in_virtual_time
async def test_first_attempts_and_retries_are_called_by_turns():
    """Neither line can keep the other one waiting, however many stand in it."""
    desk = Desk()
    desk.partner = partner(most=1)
    await desk.prove()
    last = (await desk.take())[0]
    order: list[tuple[str, Permit]] = []

    async def one(name, *, retry):
        permit = await desk.ask(retry=retry)
        assert isinstance(permit, Permit)
        order.append((name, permit))

    tasks = [asyncio.create_task(one(f"retry {n}", retry=True)) for n in range(3)]
    await asyncio.sleep(0.1)
    tasks += [asyncio.create_task(one(f"first {n}", retry=False)) for n in range(3)]
    await asyncio.sleep(0.1)
    for called in range(6):
        desk.give_back([last], answered())
        await asyncio.sleep(0.01)
        assert len(order) == called + 1
        last = order[-1][1]
    assert [name for name, _ in order] == [
        "first 0", "retry 0", "first 1", "retry 1", "first 2", "retry 2",
    ]  # fmt: skip
    desk.give_back([last])
    await asyncio.gather(*tasks)
    assert desk.is_clean()


@in_virtual_time
async def test_retries_have_all_of_a_destination_where_nothing_else_is_called():
    """A worker for retries alone has only its part of the limit as it is."""
    desk = Desk()
    desk.admission = Admission(512, desk.loop.time, first_attempts=False)
    await desk.prove()
    calls = int(desk.state(A).limit)
    assert calls > desk.state(A).most_retries
    desk.give_back(await desk.take(calls=calls, retry=True))
    assert desk.is_clean()


@in_virtual_time
async def test_a_rest_that_is_asked_for_again_and_again_costs_few_parks():
    """A hundred events a second for half a minute, and every hundredth answer asks for a rest of two seconds: who waits comes
    back at the pace of the answers. All at once, each rest would park the whole backlog again.
    """
    desk = Desk(64)
    await desk.prove()
    parks = calls = 0

    async def record():
        nonlocal parks, calls
        while not isinstance(permit := await desk.ask(), Permit):
            parks += 1
            await asyncio.sleep(permit.expected_at - desk.now)
        calls += 1
        asks = calls % 100 == 0
        await asyncio.sleep(0.05)
        result = answered(retry_after=2.0, slow_down=True) if asks else answered()
        desk.give_back([permit], result)

    async with asyncio.TaskGroup() as records:
        for _ in range(3000):
            records.create_task(record())
            await asyncio.sleep(0.01)
    assert (calls, parks < 8 * 3000) == (3000, True)


@in_virtual_time
async def test_who_waits_for_a_slot_of_a_lower_rate_is_called_at_the_new_one():
    """Once the rate has risen: its timer was for a slot that is far away."""
    desk = Desk()
    high, low = (partner(rate=rate, most=2) for rate in (5, 0.005))
    desk.partner = high
    permits = await desk.take()
    await asyncio.sleep(0.2)
    permits += await desk.take()
    desk.line_up(calls=2)
    await asyncio.sleep(0.7)
    desk.partner = low
    assert (await desk.refusal())[0] == "rate-limit"
    desk.give_back(permits, answered())
    await asyncio.sleep(30)
    desk.partner = high
    permits = await desk.take()
    await asyncio.sleep(0.2)
    permits += await desk.take()
    line = desk.line_up(calls=2)
    await asyncio.sleep(0.7)
    desk.give_back(permits, answered())
    await asyncio.sleep(0.5)
    assert [type(task.result()) for task in line if task.done()] == [Permit, Permit]
