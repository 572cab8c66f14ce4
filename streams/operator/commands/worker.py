"""`notifier worker`."""

import logging
import logging.config
import os

from streams.clock import Clock
from streams.operator.commands.common import fail, mapping_or_fail, settings_or_fail
from streams.operator.commands.ports import port_fault
from streams.partners import PartnersFile, PartnersFileError
from streams.settings import CONSOLE_FILES, unknown_variables
from streams.telemetry.logs import logging_config

log = logging.getLogger(__name__)


def worker() -> None:
    """Consume, notify, retry. Runs until SIGTERM or Ctrl-C."""
    settings = settings_or_fail(*CONSOLE_FILES)
    taken = port_fault("NOTIFIER_WEB_PORT", settings.web_bind, settings.web_port)
    if taken is not None:
        fail(taken)
    from streams.kafka.consumer.worker import run_worker
    from streams.worker.starting import check_brokers
    from streams.worker.wiring import build_worker

    logging_as_set = logging_config(settings.log_level, settings.log_format)
    logging.config.dictConfig(logging_as_set)
    for name in unknown_variables(os.environ):
        log.warning("%s: there is no such setting; it is ignored", name)
    try:
        partners = PartnersFile(
            settings.partners_file, Clock().now_seconds(), allow_http=settings.allow_http
        )
    except PartnersFileError as error:
        fail(*error.faults)
    mapping = mapping_or_fail(settings)
    for warning in (*settings.warnings(), *partners.current.warnings):
        log.warning("%s", warning)
    if settings.ladder_scale != 1:
        log.warning(
            "NOTIFIER_LADDER_SCALE is %g: EVERY WAIT IS SHORTENED, for rehearsals only",
            settings.ladder_scale,
        )
    run_worker(build_worker(settings, partners, check_brokers, mapping), logging_as_set)
