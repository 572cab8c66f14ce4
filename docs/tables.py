"""Tables of facts for pages that are otherwise written by hand: the chart's values, capacity, Kafka's rights.

Such a page holds a pair of comments, `<!-- table: NAME -->` and `<!-- end of table -->`; what stands between is ours.
"""

import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import yaml

from streams.kafka import patches
from streams.kafka.admin.rights import RIGHTS
from streams.notification.profile import FByCode
from streams.notification.profiles import PROFILES
from streams.operator.capacity import Load, plan
from streams.operator.commands.capacity import size

ROOT: Final = Path(__file__).resolve().parent.parent
CHART: Final = ROOT / "helm" / "payment-notifier"
_PLACES: Final = {
    "source": "source topics",
    "tiers": "`<prefix>-retry-*`, each of the 15",
    "replay": "`<prefix>-replay`",
    "dead-letter": "`<prefix>-dead-letter`",
    "attempts": "`<prefix>-attempts`",
    "group": "group `NOTIFIER_GROUP_ID`",
    "retry-group": "group `NOTIFIER_GROUP_ID`-retry",
}


def with_table(
    path: str, name: str, head: str, rows: Iterator[str] | list[str], text: str | None = None
) -> str:
    """Return a page with one table anew; of several on a page, each is given the text that the last returned.

    Raises:
        ValueError: the page has no place for it.
    """
    text = (ROOT / path).read_text(encoding="utf-8") if text is None else text
    rule = " | ".join("---" for _ in head.split(" | "))
    lines = "\n".join(f"| {row} |" for row in (head, rule, *rows))
    between = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end of table -->)", re.DOTALL)
    new, times = between.subn(lambda m: f"{m[1]}\n{lines}\n\n{m[2]}", text)
    if times != 1:
        message = f"{path}: seen {times} places for the table {name}, expected one"
        raise ValueError(message)
    return new


def value_rows() -> Iterator[str]:
    """Return a row for every value of the chart: key, default, and the comment above it."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    path: list[str] = []
    meaning = ""
    for line in text.splitlines():
        if comment := re.match(r"\s*# -- (.*)", line):
            meaning = comment[1]
            continue
        if key := re.match(r"( *)([A-Za-z]\w*):", line):
            path = [*path[: len(key[1]) // 2], key[2]]
            if meaning:
                yield f"`{'.'.join(path)}` | {_default(values, path)} | {meaning.replace('|', chr(92) + '|')}"
        meaning = ""


def _default(values: dict[str, Any], path: list[str]) -> str:
    for name in path[:-1]:
        values = values[name]
    return f"`{json.dumps(values[path[-1]], ensure_ascii=False)}`"


def capacity_rows() -> Iterator[str]:
    """Return a row for loads from small to the largest, at the default options of `notifier capacity`."""
    for payments, latency, share in (
        (100, 0.1, 0.01),
        (1_000, 0.1, 0.01),
        (1_000, 1.0, 0.05),
        (10_000, 0.1, 0.01),
        (100_000, 0.1, 0.01),
        (100_000, 0.5, 0.05),
    ):
        c = plan(Load(payments, latency, share), PROFILES["mpp-to-alipay-plus"])
        yield " | ".join(
            (
                f"{payments:,}",
                f"{latency:g} s",
                f"{share:.0%}",
                f"{c.in_flight_main + c.in_flight_retry:,.0f}",
                f"{c.pods_main:,} + {c.pods_retry:,}",
                f"{c.partitions:,}",
                f"{c.cpu_cores_main + c.cpu_cores_retry:,.1f} ({c.cpu_cores_signing:,.1f})",
                f"{size(c.kafka_replicated_bytes_per_second)}/s",
                size(c.attempts_kept_bytes),
                f"{c.outage_parked:,.0f}",
                f"{c.outage_parks_per_second:,.0f}/s, {c.outage_pods_retry:,} pods",
            )
        )


def rights_rows() -> Iterator[str]:
    """Return a row for every place at the brokers: what each role must be allowed there."""
    for place, words in _PLACES.items():
        cells = [
            ", ".join(operations.get(place, ())) or "-"  # type: ignore[call-overload]  # the places are the table's own
            for operations in RIGHTS.values()
        ]
        yield " | ".join([words, *cells])


def patch_rows(*, of_process: bool) -> Iterator[str]:
    """Return a row for each patch of a library, from its docstring."""
    for found in pkgutil.iter_modules(patches.__path__):
        module = import_module(f"{patches.__name__}.{found.name}")
        if hasattr(module, "apply") == of_process:
            title, *paragraphs = [
                " ".join(text.split()) for text in (module.__doc__ or "").split("\n\n")
            ]
            upstream, removal = (
                next(text for text in paragraphs if text.startswith(word)).removeprefix(word)
                for word in ("Upstream: ", "Remove when: ")
            )
            replaced = ", ".join(f"`{name}`" for name in module.REPLACES)
            name = module.__name__.rpartition(".")[2]
            yield f"[`{name}`](../streams/kafka/patches/{name}.py) | {title} | {replaced} | {upstream} | {removal}"


def body_rows() -> Iterator[str]:
    """Return a row for each profile: where a partner finds the result and the order."""
    for profile in PROFILES.values():
        yield f"`{profile.name}` | `{profile.result_member}` | `{profile.order_id_member}`"


def ladder_rows() -> Iterator[str]:
    """Return a row for each profile: when a partner is told again, and what its answer does."""
    for profile in PROFILES.values():
        waits = " ".join(wait.label for wait in profile.ladder.waits)
        signed = "must be" if profile.signed_answer else "need not be"
        if isinstance(profile.on_f, FByCode):
            then = "ends"
        elif final := ", ".join(f"`{code}`" for code in sorted(profile.on_f.but)):
            then = f"ends at {final}, else comes again"
        else:
            then = "comes again"
        yield f"`{profile.name}` | {profile.ladder.attempts} | {waits} | {signed} | {then}"


_GUIDE: Final = "docs/partner-guide.md"


def partner_guide() -> str:
    """Return the partner's guide with its two tables of profiles."""
    page = with_table(_GUIDE, "bodies", "Profile | Result is in | Order id is", body_rows())
    head = "Profile | Attempts in all | Waits between them | Your answer is signed | `F` with another code"
    return with_table(_GUIDE, "ladders", head, ladder_rows(), page)


_PATCHES_PAGE: Final = "docs/library-patches.md"
_PATCH_HEAD: Final = "File | What it does | Replaces | Upstream | Remove when"


def patches_page() -> str:
    """Return the page of patches with its two tables."""
    page = with_table(_PATCHES_PAGE, "process patches", _PATCH_HEAD, patch_rows(of_process=True))
    return with_table(
        _PATCHES_PAGE, "object patches", _PATCH_HEAD, patch_rows(of_process=False), page
    )


PAGES: Final[dict[str, Callable[[], str]]] = {
    "helm/payment-notifier/README.md": lambda: with_table(
        "helm/payment-notifier/README.md", "values", "Key | Default | Meaning", value_rows()
    ),
    "docs/capacity.md": lambda: with_table(
        "docs/capacity.md",
        "capacity",
        "Payments/s | Latency | Repeated | In flight | Pods main + retry | Partitions | Cores (for signatures)"
        " | Kafka writes, 3 copies | Attempts topic, 30 days | Parked by a day's outage of a tenth | Parks at its end",
        capacity_rows(),
    ),
    "docs/kafka-acls.md": lambda: with_table(
        "docs/kafka-acls.md",
        "rights",
        " | ".join(["Where", *(f"`{role}`" for role in RIGHTS)]),
        rights_rows(),
    ),
    _GUIDE: partner_guide,
    _PATCHES_PAGE: patches_page,
}
"""The pages with a table of ours: the path from the root, and what returns the page's text."""
