"""The console's own metrics: one table. What it says of notifications comes from the topics, whatever workers say."""

from prometheus_client import Counter, Gauge, GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from streams.notification.profiles import TIERS
from streams.operator.console.dead_letters import open_dead_letters
from streams.operator.console.read_model import ReadModel
from streams.operator.console.tiers import tiers
from streams.operator.console.tokens import AccessTokens
from streams.telemetry.families import Catalogue, Label, Many, Single

PART = Label(
    "part",
    ("accepted", "ended", "waiting", "arriving"),
    "what the reconciliation adds up; `arriving` is no part of the difference",
)
REST = Label("tier", ("replay", *(wait.label for wait in TIERS)), "the replay topic, or a wait")


class ConsoleMetrics(Catalogue):
    """The console's metrics."""

    # fmt: off
    difference = Single(Gauge, "notifier_reconciliation_difference", "Accepted minus ended minus waiting, from the topics alone: 0, or something is lost or counted twice.")
    units = Many(Gauge, "notifier_reconciliation_notifications", "What the difference is made of.", (PART,))
    made = Single(Gauge, "notifier_reconciliation_timestamp_seconds", "When the reconciliation was made last; 0 before the first.")
    pending = Many(Gauge, "notifier_console_pending_notifications", "Notifications at rest on a tier, those not yet due included, from the topics.", (REST,))
    overdue = Many(Gauge, "notifier_console_overdue_notifications", "Of them, due for longer than NOTIFIER_OVERDUE_AFTER and the longest attempt, and not attempted.", (REST,))
    letters = Single(Gauge, "notifier_console_open_dead_letters", "Dead letters that were neither put back nor delivered some other way.")
    caught_up = Single(Gauge, "notifier_console_caught_up_timestamp_seconds", "When the console last knew everything that stood on the topics; 0 before the first time.")
    behind = Single(Gauge, "notifier_console_behind_records", "Records that the console has not read yet.")
    replays = Single(Counter, "notifier_console_replays_total", "Replays begun from the console.")
    refused_sign_ins = Single(Counter, "notifier_console_refused_sign_ins_total", "Tries to sign in with a token that is not in the file.")
    tokens_valid = Single(Gauge, "notifier_console_tokens_valid", "1 when the tokens file can be used as it stands on disk; at 0 only tokens of before hold, of those who are still named in it.")
    # fmt: on

    def __init__(self) -> None:
        super().__init__()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def refresh(self, read_model: ReadModel, tokens: AccessTokens) -> None:
        """Bring the gauges up to date."""
        tokens.refresh()
        self.tokens_valid.set(tokens.fault is None)
        fresh, reconciliation = read_model.ingest.freshness, read_model.ingest.reconciliation
        self.caught_up.set(fresh.caught_up_ms / 1000)
        self.behind.set(fresh.behind)
        if reconciliation is not None:
            self.difference.set(reconciliation.difference)
            self.made.set(reconciliation.at_ms / 1000)
            for part in PART.values:
                self.units.labels(part).set(getattr(reconciliation, part))
        for tier in tiers(read_model):
            self.pending.labels(tier.wait).set(tier.waiting)
            self.overdue.labels(tier.wait).set(tier.overdue)
        self.letters.set(open_dead_letters(read_model))
