"""Small drawings as SVG. They take numbers only, so nothing in them needs escaping; each says its numbers in words too."""

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from streams.operator.history.time_breakdown import Part, TimeBreakdown

_STYLES: Final[dict[Part, str]] = {
    "upstream": "fill-due",
    "agreed": "fill-wait",
    "partner": "fill-them",
    "parked": "fill-park",
    "us": "fill-ours",
    "set_aside": "fill-wait",
}


def trend(percents: Sequence[int | None]) -> Markup:
    """Draw the success of the last hour in twelfths."""
    known = [percent for percent in percents if percent is not None]
    label = (
        f"Acknowledged in the last hour: lowest {min(known)} %, now {known[-1]} %"
        if known
        else "No attempts in the last hour"
    )
    bars = []
    for index, percent in enumerate(percents):
        if percent is None:
            bars.append(f'<rect class="fill-wait" x="{index * 8}" y="22" width="6" height="2"/>')
            continue
        height = max(2, round(percent * 24 / 100))
        bars.append(
            f'<rect class="fill-ours" x="{index * 8}" y="0" width="6" height="{24 - height}"/>'
            f'<rect class="fill-good" x="{index * 8}" y="{24 - height}" width="6" height="{height}"/>'
        )
    return Markup(  # noqa: S704  # numbers only
        f'<svg class="spark" viewBox="0 0 96 24" width="96" height="24" role="img" aria-label="{label}">'
        f"{''.join(bars)}</svg>"
    )


def spent_parts(spent: TimeBreakdown) -> list[tuple[str, str, int]]:
    """Return the parts that took any time: class, text, milliseconds."""
    return [(_STYLES[part], text, ms) for part, text, ms in spent.parts()]


def spent_bar(spent: TimeBreakdown) -> Markup:
    """Draw where the time went."""
    rects, x = [], 0.0
    for style, _, milliseconds in spent_parts(spent):
        width = milliseconds * 1000 / spent.total
        rects.append(f'<rect class="{style}" x="{x:.1f}" y="0" width="{width:.1f}" height="20"/>')
        x += width
    return Markup(  # noqa: S704  # numbers, and text of ours
        f'<svg class="bar-chart" viewBox="0 0 1000 20" preserveAspectRatio="none" role="img"'
        f' aria-label="{spent.text()}">{"".join(rects)}</svg>'
    )


def due_chart(counts: Sequence[int]) -> Markup:
    """Draw how many notifications are due in each of the coming minutes."""
    most = max(counts, default=0)
    bars = [
        f'<rect class="fill-due" x="{index * 12 + 1}" y="{100 - height}" width="10" height="{height}"/>'
        for index, count in enumerate(counts)
        if (height := round(count * 92 / most) if most else 0) or count
    ]
    marks = "".join(
        f'<text class="axis" x="{minute * 12}" y="118">{minute} min</text>'
        for minute in range(0, 60, 10)
    )
    first = next((minute for minute, count in enumerate(counts) if count), None)
    label = (
        f"{sum(counts):,} notifications are due within the hour, at most {most:,} in one minute, the first in {first} minutes"
        if first is not None
        else "Nothing is due within the hour"
    )
    return Markup(  # noqa: S704  # numbers only
        f'<svg class="due-chart" viewBox="0 0 720 122" role="img" aria-label="{label}">'
        f'<line class="rule" x1="0" y1="100.5" x2="720" y2="100.5"/>{"".join(bars)}{marks}</svg>'
    )
