"""What contracts are played on."""

from functools import partial

import pytest

from tests.simulation.clients import on_the_model, on_the_real_one


@pytest.fixture(
    params=["model", pytest.param("broker", marks=[pytest.mark.kafka])],
)
def play(request):
    """Plays a contract on the model, or on the real broker."""
    if request.param == "model":
        return on_the_model
    return partial(on_the_real_one, request.getfixturevalue("broker").bootstrap)
