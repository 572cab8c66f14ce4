"""A worker on a broker in memory, for each test."""

import pytest

from schemas.attempt_record import AttemptRecord
from tests.unit.bench import Bench


@pytest.fixture
def new_bench():
    """Makes benches; every attempts record that a test leaves behind has the published shape."""
    made = []

    def make(*args, **kwargs):
        made.append(Bench(*args, **kwargs))
        return made[-1]

    yield make
    for bench in made:
        for record in bench.broker.on("pn-attempts"):
            AttemptRecord.model_validate_json(record.value or b"")
