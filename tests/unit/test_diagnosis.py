"""What `notifier send-test` advises."""

import pytest

from streams.notification.outcome import Failure, NoResult
from streams.operator.commands.diagnosis import _MEND, _mend
from tests.unit.admission.desk import ended


@pytest.mark.parametrize("failure", Failure)
def test_every_failure_has_its_advice(failure):
    """None is left without a word on what to mend."""
    assert _mend(ended(NoResult(failure), 0.0), (), "")
    assert len(_MEND) == len(Failure)
