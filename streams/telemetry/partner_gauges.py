"""What is shown of the partners that there are: who is paused, which key signs and when the next one does, what expires.

Set when the partners file is read. With thousands of partners that takes a while, so a scrape sets again only what the
passing of time has changed.
"""

import math
from collections.abc import Iterable

from streams.partners import Partner
from streams.telemetry.metrics import PARTNER, Metrics


class PartnerGauges:
    """The gauges of partners.

    Those beyond the first of the file share a series, which shows of each of them what an alert must not miss: that one is
    paused, the next key, the first certificate to expire.

    Attributes:
        metrics: where they are shown.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._begins: dict[str, list[float]] = {}  # of the keys, by series
        self._changes_at = math.inf

    def show(self, partners: Iterable[Partner], now_seconds: float) -> None:
        """Show these partners, in the order of the file, and no others."""
        metrics, partners = self.metrics, tuple(partners)
        metrics.declare(PARTNER, (partner.partner_id for partner in partners))
        paused: dict[str, bool] = {}
        expiries: dict[tuple[str, str], float] = {}
        self._begins = {}
        for partner in partners:
            name = metrics.shown(PARTNER, partner.partner_id)
            paused[name] = paused.get(name, False) or partner.paused
            begins = self._begins.setdefault(name, [])
            begins += [key.from_seconds for key in partner.signing_keys]
            for held in partner.certificates:
                first = expiries.get((name, held.kind), math.inf)
                expiries[name, held.kind] = min(first, held.expires_at_seconds)
        metrics.partner_paused.clear()
        for name, is_paused in paused.items():
            metrics.partner_paused.labels(name).set(is_paused)
        metrics.certificate_expiry.clear()
        for (name, kind), expires_at in expiries.items():
            metrics.certificate_expiry.labels(name, kind).set(expires_at)
        metrics.signing_key_from.clear()
        self._show_keys(now_seconds)

    def refresh(self, now_seconds: float) -> None:
        """Show what time has changed; to be called before each scrape."""
        if now_seconds >= self._changes_at:
            self._show_keys(now_seconds)

    def _show_keys(self, now_seconds: float) -> None:
        self._changes_at = math.inf
        for name, begins in self._begins.items():
            current = max((begin for begin in begins if begin <= now_seconds), default=0.0)
            coming = min((begin for begin in begins if begin > now_seconds), default=math.inf)
            self._changes_at = min(self._changes_at, coming)
            series = self.metrics.signing_key_from
            series.labels(name, "current").set(max(current, 0.0))
            series.labels(name, "next").set(0.0 if coming == math.inf else coming)
