"""Every system does the work that is measured: a small run each, on a real broker and over TLS."""

import json

import pytest

from benchmarks.backlog import mixed_moulds, plain_moulds
from benchmarks.open_loops import OPEN_SCENARIOS
from benchmarks.receiver import Manner
from benchmarks.results import Results, Run
from benchmarks.run import OpenLoad, Window
from benchmarks.scenarios import SCENARIOS
from benchmarks.systems import GO, NAMES, ONE_DUTY, WITH_DUTIES, System

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

BRIEFLY = Window(0.0, 15.0)  # it ends when the backlog has been delivered


@pytest.fixture(scope="session")
def sparing():
    """Systems without their longer warm-up: nothing is timed here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.systems._SLOW_STARTS", {})
        yield


@pytest.fixture(params=[name for name in NAMES if name not in ONE_DUTY])
def system(request):
    """Each system in turn but for the peer with a single duty, without its longer warm-up; the one in Go where it can be built."""
    request.getfixturevalue("sparing")
    if request.param == GO:
        request.getfixturevalue("built_go_peer")
    return System.parse(request.param)


async def test_a_system_delivers_signed_and_settles(running_bench, system):
    """Each system tells every order of a backlog once, with a right signature, and commits all of it when it is ended."""
    backlog = await running_bench.backlog(plain_moulds(running_bench.url), 120)
    figures = await running_bench.run(system, backlog, window=BRIEFLY, in_flight=8)
    assert figures.settled == backlog.count
    assert (figures.repeats, figures.waiting, figures.lost, figures.wrongly_signed) == (0, 0, 0, 0)
    assert 0 < figures.deliveries <= backlog.count
    assert figures.cpu_ms > 0
    assert figures.peak_memory_mb > 5  # Go takes 13, Python four times that
    assert figures.body_bytes > 200


async def test_what_is_not_accepted_is_written_down(running_bench, system):
    """With answers U and F each system verifies, keeps what is not settled on a topic, and loses nothing."""
    backlog = await running_bench.backlog(mixed_moulds(running_bench.url), 240)
    manner = Manner(unknown_of_1000=200, refused_of_1000=100)
    figures = await running_bench.run(
        system,
        backlog,
        window=BRIEFLY,
        in_flight=8,
        manner=manner,
        verifies=True,
    )
    assert figures.settled > 0
    assert figures.waiting > 0
    assert (figures.lost, figures.wrongly_signed) == (0, 0)


@pytest.mark.parametrize("name", ONE_DUTY)
async def test_a_peer_with_a_single_duty_delivers_and_settles(running_bench, name):
    """Each duty can be measured alone."""
    backlog = await running_bench.backlog(plain_moulds(running_bench.plain_url), 120)
    figures = await running_bench.run(
        System.parse(name), backlog, window=BRIEFLY, in_flight=8, plain=True
    )
    assert (figures.settled, figures.repeats, figures.wrongly_signed) == (backlog.count, 0, 0)


@pytest.fixture(params=[GO, WITH_DUTIES])
def peer(request):
    """A peer whose bodies are made in another way than those of `aiokafka-aiohttp`."""
    if request.param == GO:
        request.getfixturevalue("built_go_peer")
    return request.param


async def test_peers_send_the_same_bytes_over_plain_http(running_bench, peer):
    """All profiles and outcomes: the bodies of every peer are the same, byte for byte, and rightly signed."""
    backlog = await running_bench.backlog(mixed_moulds(running_bench.plain_url), 240)
    bodies = []
    for name in (peer, "aiokafka-aiohttp"):
        figures = await running_bench.run(
            System.parse(name), backlog, window=BRIEFLY, in_flight=8, plain=True
        )
        assert (figures.settled, figures.repeats, figures.wrongly_signed) == (backlog.count, 0, 0)
        bodies.append(running_bench.receipts().bodies_sha256)
    assert bodies[0] == bodies[1]


async def test_the_notifier_delivers_over_plain_http(running_bench):
    """Plain notify URLs are taken in such a scenario, and every order is told once."""
    backlog = await running_bench.backlog(plain_moulds(running_bench.plain_url), 120)
    figures = await running_bench.run(
        System.parse("notifier-1"), backlog, window=BRIEFLY, in_flight=8, plain=True
    )
    assert (figures.settled, figures.repeats, figures.lost) == (backlog.count, 0, 0)


async def test_two_workers_share_the_work(running_bench):
    """Two processes of the notifier are one system: what they settle together is the backlog."""
    backlog = await running_bench.backlog(plain_moulds(running_bench.url), 120)
    figures = await running_bench.run(
        System.parse("notifier-2"), backlog, window=BRIEFLY, in_flight=8
    )
    assert (figures.system, figures.settled) == ("notifier-2", backlog.count)
    assert (figures.repeats, figures.lost) == (0, 0)


async def test_an_open_load_is_offered_and_timed(running_bench, tmp_path):
    """Events at a fixed rate are all delivered, and each latency runs from the moment it was due; results survive a file."""
    moulds = plain_moulds(running_bench.url)
    backlog = await running_bench.backlog(moulds, 24)
    figures = await running_bench.run(
        System.parse("aiokafka-aiohttp"),
        backlog,
        window=Window(0.5, 1.0),
        in_flight=8,
        load=OpenLoad(100.0, moulds),
    )
    assert figures.settled == backlog.count + 150
    assert figures.latency is not None
    assert 0 < figures.latency.p50_ms <= figures.latency.p99_ms <= figures.latency.max_ms
    results = Results("open-loop", {"rounds": 1}, signature_ms=[0.3], runs=[Run(1, figures, 100.0)])
    results.save(tmp_path)
    assert json.loads((tmp_path / "open-loop.json").read_text())["runs"][0]["point"] == 100
    assert Results.load("open-loop", tmp_path) == results


async def test_the_receivers_own_limit_is_measured(running_bench):
    """It answers the sender that only sends, and says what that took."""
    per_second, milliseconds = await running_bench.receiver_limit()
    assert per_second > 0
    assert milliseconds > 0


def test_a_scenario_names_systems_that_exist():
    """Every system that a scenario names can be started."""
    scenarios = [scenario.systems for scenario in SCENARIOS.values()]
    scenarios += [scenario.systems for scenario in OPEN_SCENARIOS.values()]
    for systems in scenarios:
        assert [str(System.parse(name)) for name in systems] == list(systems)
