"""Plots as small SVG files that follow the reader's light or dark theme: bars, lines over a logarithmic axis, long runs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2937 }
.title { font-weight: 600; font-size: 14px }
.quiet { fill: #6b7280; font-size: 12px }
.axis { stroke: #d1d5db; stroke-width: 1 }
.ours { fill: #2563eb } .theirs { fill: #9ca3af }
.whisker { stroke: #1f2937; stroke-width: 1.2 }
.line { fill: none; stroke: #2563eb; stroke-width: 2 } .dot { fill: #2563eb }
@media (prefers-color-scheme: dark) {
text { fill: #e5e7eb } .quiet { fill: #9ca3af } .axis { stroke: #4b5563 }
.ours, .dot { fill: #60a5fa } .theirs { fill: #6b7280 } .line { stroke: #60a5fa } .whisker { stroke: #e5e7eb }
}
</style>"""
_WIDTH = 760
_LABELS, _VALUES = 150, 110
_ROW, _BAR = 30, 18
_TOP = 40
_PANEL, _HEIGHT = 370, 250
_LEFT, _RIGHT, _BOTTOM = 52, _PANEL - 16, _HEIGHT - 44


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        span: lowest and highest of the rounds, drawn as a line over the bar's end.
        ours: stands out.
    """

    label: str
    value: float
    text: str
    span: tuple[float, float]
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One line over a logarithmic axis.

    Attributes:
        points: x and y.
        show: how a value of y is written.
    """

    title: str
    x_label: str
    points: Sequence[tuple[float, float]]
    show: Callable[[float], str]


@dataclass(frozen=True, slots=True)
class LinearPanel:
    """One line of many points over a linear axis that begins at 0.

    Attributes:
        points: x and y.
        show: how a value of either axis is written.
    """

    title: str
    x_label: str
    points: Sequence[tuple[float, float]]
    show: Callable[[float], str]


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Return horizontal bars that begin at 0."""
    height = _TOP + _ROW * len(rows) + 8
    most = max(max(row.value, row.span[1]) for row in rows)
    scale = (_WIDTH - _LABELS - _VALUES) / most
    parts = [f'<text class="title" x="0" y="18">{escape(title)}</text>']
    for number, row in enumerate(rows):
        y = _TOP + number * _ROW
        middle = y + _BAR / 2
        low, high = (_LABELS + value * scale for value in row.span)
        end = max(high, _LABELS + row.value * scale)
        kind = "ours" if row.ours else "theirs"
        parts += [
            f'<text x="{_LABELS - 10}" y="{middle + 4.5:.1f}" text-anchor="end">{escape(row.label)}</text>',
            f'<rect class="{kind}" x="{_LABELS}" y="{y}" width="{row.value * scale:.1f}" height="{_BAR}" rx="2"/>',
            f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
            f'<text x="{end + 8:.1f}" y="{middle + 4.5:.1f}">{escape(row.text)}</text>',
        ]
    return _document(title, _WIDTH, height, parts)


def lines(title: str, panels: Sequence[Panel]) -> str:
    """Return panels side by side."""
    parts: list[str] = []
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * (_PANEL + 20)} 0)">', *_panel(panel), "</g>"]
    return _document(title, len(panels) * (_PANEL + 20) - 20, _HEIGHT, parts)


def long_runs(title: str, panels: Sequence[LinearPanel]) -> str:
    """Return panels of long runs, two in a row."""
    parts: list[str] = []
    for number, panel in enumerate(panels):
        x, y = number % 2 * (_PANEL + 20), number // 2 * (_HEIGHT + 10)
        parts += [f'<g transform="translate({x} {y})">', *_linear_panel(panel), "</g>"]
    rows = math.ceil(len(panels) / 2)
    return _document(title, 2 * _PANEL + 20, rows * (_HEIGHT + 10) - 10, parts)


def _panel(panel: Panel) -> list[str]:
    logs = [math.log10(x) for x, _ in panel.points]
    span = (logs[-1] - logs[0]) or 1.0
    xs = [_LEFT + 12 + (value - logs[0]) / span * (_RIGHT - _LEFT - 24) for value in logs]
    parts, height = _frame(panel)
    places = [(x, height(y)) for x, (_, y) in zip(xs, panel.points, strict=True)]
    parts.append(_polyline(places))
    for (x, y), (value, _) in zip(places, panel.points, strict=True):
        parts += [
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>',
            _below(x, short(value)),
        ]
    return parts


def _linear_panel(panel: LinearPanel) -> list[str]:
    parts, height = _frame(panel)
    most = max(x for x, _ in panel.points)

    def across(value: float) -> float:
        return _LEFT + value / most * (_RIGHT - _LEFT - 12)

    parts.append(_polyline([(across(x), height(y)) for x, y in panel.points]))
    parts += [
        _below(across(tick), panel.show(tick)) for tick in _ticks(most) if tick <= most * 1.001
    ]
    return parts


def _frame(panel: Panel | LinearPanel) -> tuple[list[str], Callable[[float], float]]:
    """Return title, horizontal lines and labels of a panel, and where a value of y stands in it."""
    ticks = _ticks(max(y for _, y in panel.points))

    def height(value: float) -> float:
        return _BOTTOM - value / ticks[-1] * (_BOTTOM - _TOP)

    parts = [f'<text class="title" x="0" y="18">{escape(panel.title)}</text>']
    for tick in ticks:
        y = height(tick)
        parts += [
            f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<text class="quiet" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{panel.show(tick)}</text>',
        ]
    middle = (_LEFT + _RIGHT) / 2
    parts.append(
        f'<text class="quiet" x="{middle}" y="{_BOTTOM + 36}" text-anchor="middle">{escape(panel.x_label)}</text>'
    )
    return parts, height


def _polyline(places: Sequence[tuple[float, float]]) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline class="line" points="{joined}"/>'


def _below(x: float, text: str) -> str:
    return f'<text class="quiet" x="{x:.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{text}</text>'


def _ticks(most: float) -> list[float]:
    """Return round numbers from 0 to at least the most, four to six of them."""
    magnitude = 10.0 ** math.floor(math.log10(most))
    step = next(
        step * magnitude / 10
        for step in (1, 2, 2.5, 5, 10, 20, 25)
        if most <= 5 * step * magnitude / 10
    )
    return [number * step for number in range(math.ceil(most / step - 1e-9) + 1)]


def short(value: float) -> str:
    """Write a number of an axis: 250, 1,024, 4k, 1.5M."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size and value % (size / 10) == 0:
            return f"{value / size:g}{unit}"
    return f"{value:,g}"


def _document(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    size = f'width="{width}" height="{height}" role="img" aria-label="{escape(title)}"'
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size}>',
            _STYLE,
            *parts,
            "</svg>\n",
        )
    )
