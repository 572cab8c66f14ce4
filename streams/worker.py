"""One worker process: a Faust worker over one application or two."""

import asyncio
import sys
from typing import Any, NoReturn

import faust
import uvloop

from streams.operate.logs import logging_config
from streams.runtime import Runtime


class NotifierWorker(faust.Worker):
    """Runs the applications of a role, and ends with 130 on Ctrl-C."""

    interrupted = False

    def _on_sigint(self) -> None:
        self.interrupted = True
        self._on_sigterm()

    def on_init_dependencies(self) -> Any:
        """Mark every application as run by a worker; Faust marks its own one only."""
        for service in (*self.services, self.app):
            service.in_worker = True
        return super().on_init_dependencies()

    def execute(self) -> NoReturn:
        """Run until a signal or a crash. Exits with 0, 130 after Ctrl-C, 1 after a crash."""
        try:
            self.execute_from_commandline()
        except SystemExit as done:
            sys.exit(130 if self.interrupted and not done.code else done.code)


def run_worker(runtime: Runtime) -> NoReturn:
    """Run the worker until it is told to stop."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    first, *others = runtime.apps
    worker = NotifierWorker(
        first, *others, loop=loop, quiet=True, loglevel="INFO", logging_config=logging_config(), redirect_stdouts=False
    )
    worker.spinner = None
    worker.execute()
