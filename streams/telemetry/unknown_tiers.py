"""Looks, while a worker runs, for retry topics that its version does not know."""

import asyncio
import logging

from streams.kafka.admin.preflight import look_for_unknown_tiers
from streams.settings import Settings
from streams.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_LOOK_SECONDS = 60.0


async def watch_unknown_tiers(settings: Settings, metrics: Metrics) -> None:
    """Look once a minute until cancelled; count such topics and their records, and log each topic once."""
    known: set[str] = set()
    while True:
        try:
            # All topics of a large cluster take long to read: in a thread of its own that holds up nobody.
            tiers = await asyncio.to_thread(asyncio.run, look_for_unknown_tiers(settings))
        except Exception:  # whatever it is, the next look must come
            log.exception("looking for retry topics that this version does not know failed")
            tiers = None
        if tiers is not None:
            metrics.unknown_tiers.set(len(tiers))
            metrics.stranded_records.set(sum(tier.unsettled for tier in tiers if tier.is_stranded))
            for tier in tiers:
                if tier.topic not in known:
                    log.error("%s", tier)
            known = {tier.topic for tier in tiers}
        await asyncio.sleep(_LOOK_SECONDS)
