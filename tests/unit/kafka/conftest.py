"""A desk of lanes for each test."""

import pytest

from tests.support.lanes import Desk
from tests.unit.kit import turns


@pytest.fixture
async def new_desk():
    """Makes desks, and leaves nothing in flight behind."""
    made = []

    def make(*args, **kwargs):
        made.append(Desk(*args, **kwargs))
        return made[-1]

    yield make
    for desk in made:
        desk.lane.abandon()
        desk.lanes.close()
    await turns()
