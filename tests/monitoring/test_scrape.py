"""What a real worker shows at /metrics is what rules and dashboards ask for."""

import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.notification.profiles import PROFILES
from streams.operator.console.metrics import ConsoleMetrics
from streams.sandbox.payments import payment_event
from streams.telemetry.metrics import Metrics
from tests.monitoring.conftest import FILES
from tests.monitoring.queries import all_queries
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]

OF_THE_CONSOLE = {metric.name for metric in ConsoleMetrics.table().values()}
SELDOM = {
    "notifier_tls_certificate_not_after_timestamp_seconds",  # where an entry names one
    "notifier_kafka_certificate_not_after_timestamp_seconds",  # where Kafka is reached by TLS
    "notifier_kafka_credentials_current",  # where Kafka asks for any
}


@pytest.fixture
async def page(make_deployment, partner):
    """The text of a worker's /metrics, after deliveries, a retry that waits and a dead letter."""
    async with make_deployment(settings={"ladder_scale": 0.002}) as deployment:
        worker = await deployment.ready_worker()
        told = [payment_event(profile, rng=deployment.rng) for profile in PROFILES]
        unknown = payment_event("mpp-to-ant", rng=deployment.rng) | {"partnerId": "nobody"}
        refused = payment_event(
            "mpp-to-ant", rng=deployment.rng, notify_url=partner.notify_url("mpp-to-ant", "U")
        )
        orders = await deployment.send(told)
        await deployment.send([unknown, refused])
        await deployment.delivered(orders)
        await deployment.dead_letters(1)

        async def waits():
            return await worker.metric("notifier_pending_notifications") >= 1

        await eventually(waits, what="the notification on a retry topic to be seen")
        text = (await worker.get("/metrics")).text
        assert await worker.stop() == 0
        return text


async def test_a_worker_shows_what_is_asked_for(page):
    """Each series of each rule and panel is there, and Prometheus's own tool, where it is installed, likes the page."""
    names = {
        sample.name for family in text_string_to_metric_families(page) for sample in family.samples
    }
    asked = {one.metric for query in all_queries(FILES) for one in query.asked()}
    own = {name for name in asked if name.startswith("notifier_")}
    assert len(own) > 40
    assert own - names - SELDOM - OF_THE_CONSOLE == set()
    families = {family.name for family in text_string_to_metric_families(page)}
    assert {
        spec.name.removesuffix("_total") for spec in Metrics.table().values()
    } - families - SELDOM == set()
    promtool = shutil.which("promtool")
    if promtool is not None:
        checked = subprocess.run(  # noqa: S603, ASYNC221  # the tool that was found, and nothing else runs now
            [promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
