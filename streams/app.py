"""For `faust -A streams.app worker`: the application of role `main` or `retry`, by Faust's own command.

Role `all` needs two applications in one process, which is what `notifier worker` runs. The application is built when it is
asked for: importing this module does nothing.
"""

import sys
from functools import cache

from streams.clock import Clock
from streams.kafka.consumer.app import NotifierApp
from streams.kafka.patches import patch_workers
from streams.mapping.file import MappingFileError
from streams.mapping.mapping import mapping_of
from streams.partners import PartnersFile, PartnersFileError
from streams.settings import SettingsError, load_settings
from streams.worker.starting import check_brokers, refuse
from streams.worker.wiring import build_worker

_USAGE = 2


def __getattr__(name: str) -> NotifierApp:
    if name == "app":
        return _application()
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


@cache
def _application() -> NotifierApp:
    patch_workers()
    try:
        settings = load_settings()
        if settings.role == "all":
            print(
                "NOTIFIER_ROLE is all, which is two Faust applications in one process; expected main or retry here."
                " Use `notifier worker` for all.",
                file=sys.stderr,
            )
            sys.exit(_USAGE)
        partners = PartnersFile(
            settings.partners_file, Clock().now_seconds(), allow_http=settings.allow_http
        )
        mapping = mapping_of(settings)
    except (SettingsError, PartnersFileError, MappingFileError) as error:
        refuse(error.faults)
    (app,) = build_worker(settings, partners, check_brokers, mapping)
    return app
