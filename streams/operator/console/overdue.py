"""What is overdue: due for longer than the settings allow and any call takes, and not attempted. That is ours."""

from typing import Final

from streams.operator.console.read_model import ReadModel

OVERDUE: Final = (
    "(NOT ended AND due_at_ms < :late_ms AND (status <> 'accepted' OR due_at_ms >= :arriving_ms))"
)
"""A condition on `notifications`, with `overdue_values`. An event that a group has passed without a record about it, as it
began later (`NOTIFIER_START_FROM`), waits for nobody."""

_NEVER_MS: Final = 1 << 62


def overdue_values(read_model: ReadModel) -> dict[str, int]:
    """Return the values of `OVERDUE`."""
    reconciliation = read_model.ingest.reconciliation
    arriving_ms = None if reconciliation is None else reconciliation.oldest_arriving_ms
    return {
        "late_ms": read_model.overdue_before_ms,
        "arriving_ms": _NEVER_MS if arriving_ms is None else arriving_ms,
    }
