"""For `faust -A streams.app worker`: the application of role `main` or `retry`, by Faust's own command.

Role `all` needs two applications in one process, which is what `notifier worker` runs.
"""

import sys
from collections.abc import Iterable
from typing import NoReturn

from streams.clock import Clock
from streams.kafka.preflight import Unusable, prepare_start
from streams.partners import PartnersFile, PartnersFileError
from streams.runtime import Runtime
from streams.settings import Settings, SettingsError, load_settings

_FAULT = 1
_USAGE = 2


def _runtime() -> Runtime:
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
    except (SettingsError, PartnersFileError) as error:
        _refuse(error.faults)
    return Runtime(settings, partners, before_start=_check)


async def _check(settings: Settings) -> None:
    try:
        await prepare_start(settings)
    except Unusable as error:
        _refuse(error.faults)


def _refuse(faults: Iterable[str]) -> NoReturn:
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    sys.exit(_FAULT)


(app,) = _runtime().apps
