"""Write every generated file, or name those that are stale (`--check`).

A further one is one more entry of `GENERATED`: its path from the root, and what returns its text.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # this checkout's packages, whatever is installed

from docs.asyncapi import asyncapi_text  # noqa: E402  # after the path is set
from docs.dashboards import DASHBOARDS  # noqa: E402
from docs.dependencies import dependencies_page  # noqa: E402
from docs.protocol_pages import protocol_index, protocol_page  # noqa: E402
from docs.reference_pages import metrics_page, settings_page  # noqa: E402
from docs.tables import PAGES  # noqa: E402
from docs.topics_page import topics_page  # noqa: E402
from schemas.acknowledgement import Acknowledgement  # noqa: E402
from schemas.attempt_record import AttemptRecord  # noqa: E402
from schemas.event import Event  # noqa: E402
from schemas.json_schema import json_schema  # noqa: E402
from streams.notification.profile import Profile  # noqa: E402
from streams.notification.profiles import PROFILES  # noqa: E402


def as_json(schema: dict[str, Any]) -> str:
    """Render a schema as a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def event_schema() -> str:
    """Return the event's JSON Schema; which profiles there are, the registry knows."""
    schema = json_schema(Event, "Upstream event: a payment became final")
    schema["properties"]["profile"]["enum"] = list(PROFILES)
    return as_json(schema)


def body_schema(profile: Profile) -> str:
    """Return the JSON Schema of a profile's request body."""
    return as_json(json_schema(profile.body, f"Request body: {profile.title}"))


GENERATED: Final[dict[str, Callable[[], str]]] = {
    "schemas/json/event.json": event_schema,
    "schemas/json/acknowledgement.json": lambda: as_json(
        json_schema(Acknowledgement, "A partner's answer")
    ),
    "schemas/json/attempt-record.json": lambda: as_json(
        json_schema(AttemptRecord, "Record of the attempts topic")
    ),
    "schemas/asyncapi.yaml": asyncapi_text,
    **{f"schemas/json/{p.name}.json": partial(body_schema, p) for p in PROFILES.values()},
    **{f"docs/protocol/{p.name}.md": partial(protocol_page, p) for p in PROFILES.values()},
    "docs/protocol/README.md": protocol_index,
    "docs/settings.md": settings_page,
    "docs/metrics.md": metrics_page,
    "docs/topics.md": topics_page,
    "docs/dependencies.md": dependencies_page,
    **PAGES,
    **{
        f"helm/payment-notifier/files/dashboards/{name}.json": partial(str, text)
        for name, text in DASHBOARDS.items()
    },
}
"""Every generated file: its path from the root, and what returns its text."""


def stale() -> dict[str, str]:
    """Return the generated files that differ from what stands on disk, each with its text."""
    fresh = {path: render() for path, render in GENERATED.items()}
    return {path: text for path, text in fresh.items() if not _holds(ROOT / path, text)}


def _holds(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text


def main() -> int:
    """Write or check; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if any is stale"
    )
    check = parser.parse_args().check
    changed = stale()
    for path, text in changed.items():
        print(f"stale: {path}" if check else f"written: {path}")
        if not check:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(text, encoding="utf-8")
    if check and changed:
        print("run python docs/generate.py")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
