"""Broken input in bulk: no crash, no hang, nothing lost, nothing told that was not said.

`make fuzz` runs 100,000 cases; `make test` some thousand. What was found once is kept in `seeds` and tried every time.
"""

import faulthandler
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random  # noqa: TID251  # seeded

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.exchanges import Exchanges
from tests.fuzz.forms import Forms
from tests.fuzz.kafka_records import Events, Replays, TierRecords
from tests.fuzz.partners_files import PartnersFiles
from tests.fuzz.signed_answers import Answers
from tests.fuzz.targets import Target
from tests.support.events import EVENTS

SEEDS = Path(__file__).parent / "seeds"
CASES = int(os.environ.get("FUZZ_CASES", "2000"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
HANG_SECONDS = 60
SHARES = {
    "events": 0.35,
    "tier-records": 0.2,
    "replays": 0.1,
    "answers": 0.2,
    "exchanges": 0.05,
    "forms": 0.02,
    "partners": 0.1,
}
"""How the cases are shared out: exchanges over a connection, forms and partners files cost ten times as much."""

pytestmark = pytest.mark.timeout(max(900, CASES // 20))


@pytest.fixture(params=SHARES)
async def target(request, tmp_path):
    """Each kind of input."""
    kinds: dict[str, Callable[[], Target]] = {
        "events": Events,
        "tier-records": TierRecords,
        "replays": Replays,
        "answers": Answers,
        "exchanges": Exchanges,
        "forms": lambda: Forms(tmp_path),
        "partners": lambda: PartnersFiles(tmp_path),
    }
    made = kinds[request.param]()
    yield request.param, made
    await made.close()


async def test_good_input_is_taken(target):
    """What the broken variants are made of is right, or they would all fail at the same place."""
    _, feed = target
    for case in await feed.seeds():
        await feed.try_one(case)


async def test_former_finds(target):
    """Each input that once broke something."""
    name, feed = target
    for path in sorted((SEEDS / name).glob("*")):
        await feed.try_one(path.read_bytes())


async def test_mutated_input(target):
    """Thousands of variants; one that breaks something is kept as a file and named."""
    name, feed = target
    rng = Random(f"{SEED} {name}")  # noqa: S311  # no secret; the same number, the same cases
    mutator = feed.mutator(rng, await feed.seeds())
    try:
        for number in range(int(CASES * SHARES[name])):
            if number % 100 == 0:
                faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
            case = mutator.next()
            try:
                await feed.try_one(case)
            except Exception as exc:
                kept = SEEDS / name / hashlib.sha256(case).hexdigest()[:16]
                kept.parent.mkdir(exist_ok=True)
                kept.write_bytes(case)
                message = f"case {number} of {name} is kept as tests/fuzz/seeds/{name}/{kept.name}"
                raise AssertionError(message) from exc
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture
async def event_feed():
    """One bench for all examples."""
    return Events()


@pytest.fixture
async def partners_feed(tmp_path):
    """One folder for all examples."""
    return PartnersFiles(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4)
    ),
    max_leaves=12,
)


def strange(share):
    """Let Hypothesis draw so many of the cases."""
    return settings(
        max_examples=max(50, int(CASES * share)),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@st.composite
def events(draw):
    """Draw an event in which some members have anything for a value."""
    event = json.loads(json.dumps(EVENTS[draw(st.sampled_from(sorted(EVENTS)))]))
    for _ in range(draw(st.integers(1, 3))):
        place = (
            draw(st.sampled_from([event, event["payment"]]))
            if isinstance(event.get("payment"), dict)
            else event
        )
        name = draw(st.sampled_from(sorted(place)) | st.text(max_size=10)) if place else "x"
        place[name] = draw(JSON)
    return json.dumps(event, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@strange(0.05)
@given(case=events() | JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200))
async def test_strange_events(event_feed, case):
    """Well-formed JSON that means something else: one call or one dead letter."""
    await event_feed.try_one(case)


@strange(0.01)
@given(case=st.dictionaries(st.text(max_size=10), JSON, max_size=3) | st.just({}), data=st.data())
async def test_strange_partners_files(partners_feed, case, data):
    """Well-formed YAML that is no partners file, or nearly one: sentences, no exception."""
    entry = {
        "profiles": ["alipay-to-merchant"],
        "client_id": "C",
        "private_key_file": "sender_private_pkcs8.pem",
    }
    name = data.draw(
        st.sampled_from([*entry, "tls", "proxy", "reasons", "signing_keys", "allowed_hosts"])
    )
    entry[name] = data.draw(JSON)
    text = json.dumps({"partners": {"one": entry} | case}).encode("utf-8", "surrogatepass")
    await partners_feed.try_one(text)
