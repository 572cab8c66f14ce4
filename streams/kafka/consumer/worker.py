"""One worker process: a Faust worker over one application or two."""

import asyncio
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import faust
import uvloop
from mode.types import ServiceT

from streams.kafka.consumer.app import NotifierApp
from streams.kafka.patches import patch_workers

_CTRL_C = 130


class NotifierWorker(faust.Worker):
    """Runs the applications of a role, and ends with 130 on Ctrl-C."""

    interrupted = False

    def _on_sigint(self) -> None:
        self.interrupted = True
        self._on_sigterm()

    def on_init_dependencies(self) -> Iterable[ServiceT]:
        """Mark every application as run by a worker; Faust marks its own one only."""
        for service in (*self.services, self.app):
            service.in_worker = True  # type: ignore[attr-defined]  # they are applications
        return super().on_init_dependencies()


def run_worker(apps: Sequence[NotifierApp], logging_config: Mapping[str, Any]) -> NoReturn:
    """Run until a signal or a crash. Exits with 0, with 130 after Ctrl-C, with 1 after a crash."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    patch_workers()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    first, *others = apps
    worker = NotifierWorker(
        first,
        *others,
        loop=loop,
        quiet=True,
        loglevel="INFO",
        logging_config=dict(logging_config),
        redirect_stdouts=False,
    )
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    except SystemExit as done:
        sys.exit(_CTRL_C if worker.interrupted and not done.code else done.code)
