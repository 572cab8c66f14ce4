"""The pages of the settings and of the metrics."""

from collections.abc import Iterator
from typing import Any, Final

from docs.markdown import NOTE, table
from streams.kafka_settings import PREFIX
from streams.operator.console.metrics import ConsoleMetrics
from streams.setting_values import parse_duration
from streams.settings import Settings
from streams.telemetry.families import Catalogue, Label
from streams.telemetry.metrics import Metrics

_HOUR: Final = 3600


def settings_page() -> str:
    """Return the table of the settings."""
    return "\n".join(
        [
            NOTE,
            "# Settings\n",
            f"Environment variables with the prefix `{PREFIX}`, read once, at the start.",
            "An empty variable counts as one that is not set.",
            (
                "`notifier check` lists every fault at once, "
                "with the variable, what was seen and what was expected."
            ),
            (
                "A duration is a number and one of `ms`, `s`, `m`, `h`, `d`, "
                "like `250ms`, `5s` or `72h`.\n"
            ),
            *table("Variable | Default | Values | Meaning", setting_rows()),
            "What concerns one partner stands in the [partners file](partners-file.md).\n",
        ]
    )


def setting_rows() -> Iterator[str]:
    """Return a row for every setting."""
    schema = Settings.model_json_schema()["properties"]
    for name, field in Settings.model_fields.items():
        lasts = any(getattr(mark, "func", None) is parse_duration for mark in field.metadata)
        values = "a duration" if lasts else values_of(schema[name])
        default = "required" if field.is_required() else as_variable(field.default, lasts=lasts)
        yield f"`{PREFIX}{name.upper()}` | {default} | {values} | {field.description or '-'}"


def as_variable(value: object, *, lasts: bool) -> str:
    """Spell a default as the environment would hold it."""
    if value is None or value == ():
        return "-"
    if lasts and isinstance(value, float):
        return f"`{value / _HOUR:g}h`" if value >= _HOUR else f"`{value:g}s`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def values_of(member: dict[str, Any]) -> str:
    """Say what a setting may be, as far as its schema tells."""
    choices = member.get("anyOf", [])
    if choices[1:] == [{"type": "null"}]:
        member = choices[0]
    if "enum" in member:
        return ", ".join(f"`{value}`" for value in member["enum"])
    if member.get("type") == "boolean":
        return "`true`, `false`"
    if member.get("type") not in {"integer", "number"}:
        return "-"
    least = f"from {member['minimum']}" if "minimum" in member else "above 0"
    return f"{least} to {member['maximum']:g}" if "maximum" in member else least


def metrics_page() -> str:
    """Return the catalogue of the metrics."""
    return "\n".join(
        [
            NOTE,
            "# Metrics\n",
            "What a worker shows at `/metrics`, beside `process_*` and `python_*` of the client library.",
            "A histogram has the series `_bucket`, `_sum` and `_count`.",
            "A label says nothing but what stands here; anything else is `other`.\n",
            *table("Name | Type | Labels | Meaning", metric_rows(Metrics)),
            "## The console\n",
            "What `notifier console` shows at `/metrics`; it comes from the topics, whatever the workers say.\n",
            *table("Name | Type | Labels | Meaning", metric_rows(ConsoleMetrics)),
            "## Labels\n",
            *table("Label | Values", label_rows()),
        ]
    )


def metric_rows(catalogue: type[Catalogue]) -> Iterator[str]:
    """Return a row for every metric of a table."""
    for metric in catalogue.table().values():
        labels = ", ".join(f"`{label.name}`" for label in metric.names)
        kind = metric.kind.__name__.lower()
        yield f"`{metric.name}` | {kind} | {labels or '-'} | {metric.meaning}"


def label_rows() -> Iterator[str]:
    """Return a row for every label; one that means several things has several."""
    shown: dict[Label, list[str]] = {}
    for metric in (*Metrics.table().values(), *ConsoleMetrics.table().values()):
        for label in metric.names:
            shown.setdefault(label, []).append(metric.name)
    several = {label.name for label in shown if sum(one.name == label.name for one in shown) > 1}
    for label, metrics in shown.items():
        of = " of " + ", ".join(f"`{name}`" for name in metrics) if label.name in several else ""
        values = ", ".join(f"`{value}`" for value in label.values) if not label.seldom else ""
        yield f"`{label.name}`{of} | {'; '.join(filter(None, [label.meaning, values]))}"
