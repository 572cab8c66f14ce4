"""Draw a dashboard from what a running worker really shows: a sketch, since no Grafana can be had as a package.

A demo runs, and a Prometheus of its own (which must be installed) scrapes its worker for a minute. Then every query of
the dashboard is asked as Grafana would ask it; a third of the panels without data, and this ends with an error.
"""

import argparse
import json
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
FILES = ROOT / "helm/payment-notifier/files/dashboards"
DEMO = [
    *(sys.executable, "-u", "-m", "streams.sandbox.demo"),
    *("--scale", "1", "--payments", "160", "--time-limit", "5", "--keep"),
]
STAND_INS = {"$__rate_interval": "15s", "$namespace": ".*", "$job": ".*", "$partner": ".*"}
COLUMN, ROW, LEFT, TOP = 55, 26, 12, 44
COLOURS = ("#3274d9", "#37872d", "#c4162a", "#b877d9", "#e0752d", "#0a437c", "#6d6d6d", "#8f6a00")
STEPS = 60  # points of a line

Lines = dict[str, list[tuple[float, float]]]


class Prometheus:
    """A Prometheus that scrapes one address once a second, in a directory that goes with it."""

    def __init__(self, program: str, scraped: str, directory: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        target = urlsplit(scraped)
        job = {
            "job_name": "payment-notifier",
            "metrics_path": target.path,
            "static_configs": [{"targets": [target.netloc]}],
        }
        content = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
            "scrape_configs": [job],
        }
        file = directory / "prometheus.yml"
        file.write_text(json.dumps(content), encoding="utf-8")  # JSON is YAML
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(  # noqa: S603  # the program that was found
            [
                program,
                f"--config.file={file}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, path: str, **parameters: object) -> Any:  # noqa: ANN401  # JSON
        """Return an answer's data."""
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout=10) as answer:  # noqa: S310  # our own address
            return json.load(answer)["data"]

    def lines(self, query: str, begin: float, end: float) -> list[tuple[dict[str, str], Any]]:
        """Return the series of a query over a time, as labels and points."""
        found = self.ask(
            "query_range", query=query, start=begin, end=end, step=max(1, (end - begin) / STEPS)
        )
        return [(one["metric"], one["values"]) for one in found["result"]]


def asked(panel: dict[str, Any], server: Prometheus, begin: float, end: float) -> Lines:
    """Return a panel's series by their legends."""
    lines: Lines = {}
    for target in panel["targets"]:
        query = target["expr"]
        for variable, value in STAND_INS.items():
            query = query.replace(variable, value)
        for labels, values in server.lines(query, begin, end):
            legend = target["legendFormat"]
            for label, value in labels.items():
                legend = legend.replace(f"{{{{{label}}}}}", value)
            if panel["type"] == "table":
                legend = f"{labels.get('partner', '')}: {legend}"
            points = [(float(at), float(value)) for at, value in values if value != "NaN"]
            if points:
                lines[legend] = points
    return lines


def spelled(value: float, unit: str) -> str:
    """Write a number with its unit."""
    if unit == "percentunit":
        return f"{value * 100:.4g} %"
    if unit == "bytes":
        return f"{value / 1048576:.4g} MiB"
    if unit == "s":
        return f"{value * 1000:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
    return f"{value:.4g}{'/s' if unit == 'ops' else ''}"


def drawn(panel: dict[str, Any], lines: Lines) -> Iterator[str]:
    """Draw a panel."""
    place, unit = panel["gridPos"], panel["fieldConfig"]["defaults"].get("unit", "short")
    x, y = LEFT + place["x"] * COLUMN, TOP + place["y"] * ROW
    width, height = place["w"] * COLUMN - 8, place["h"] * ROW - 8
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="#fff" stroke="#d0d4da"/>'
    yield f'<text x="{x + 10}" y="{y + 18}" font-weight="bold">{escape(panel["title"])}</text>'
    if not lines:
        yield f'<text x="{x + 10}" y="{y + 40}" fill="#666">no data</text>'
    elif panel["type"] == "stat":
        value = next(iter(lines.values()))[-1][1]
        yield f'<text x="{x + 10}" y="{y + height - 16}" font-size="30">{spelled(value, unit)}</text>'
    elif panel["type"] == "table":
        for row, (legend, points) in enumerate(sorted(lines.items())[: (height - 30) // 16]):
            text = escape(f"{legend}: {points[-1][1]:.4g}")
            yield f'<text x="{x + 10}" y="{y + 38 + row * 16}">{text}</text>'
    else:
        yield from _curves(lines, unit, (x + 10, y + 28, width - 20, height - 28))


def _curves(lines: Lines, unit: str, box: tuple[int, int, int, int]) -> Iterator[str]:
    x, y, width, height = box
    shown = sorted(lines.items(), key=lambda line: -line[1][-1][1])[: len(COLOURS)]
    room = height - 13 * len(shown) - 22
    times = [at for _, points in shown for at, _ in points]
    values = [value for _, points in shown for _, value in points]
    begin, end, low, high = min(times), max(times), min([*values, 0.0]), max([*values, 1e-9])
    yield f'<text x="{x}" y="{y + 8}" fill="#666" font-size="10">{spelled(max(values), unit)}</text>'
    for number, (legend, points) in enumerate(shown):
        colour = COLOURS[number]
        places = " ".join(
            f"{x + (at - begin) / max(end - begin, 1) * width:.1f},"
            f"{y + 12 + room - (value - low) / (high - low) * room:.1f}"
            for at, value in points
        )
        yield f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        below = y + 12 + room + 16 + number * 13
        text = escape(f"{legend}: {spelled(points[-1][1], unit)}")
        yield f'<text x="{x}" y="{below}" fill="{colour}" font-size="11">{text}</text>'


def picture(page: dict[str, Any], found: dict[str, Lines], caption: list[str]) -> str:
    """Return the whole picture."""
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in page["panels"])
    width, height = LEFT * 2 + 24 * COLUMN, TOP + bottom * ROW + 18 * len(caption) + 12
    said = escape(f"Sketch of the dashboard {page['title']}, from a running worker's metrics")
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{said}" font-family="sans-serif" font-size="13">'
        ),
        f'<rect width="{width}" height="{height}" fill="#f4f5f7"/>',
        f'<text x="{LEFT}" y="28" font-size="18" font-weight="bold">{escape(page["title"])} (sketch)</text>',
    ]
    for panel in page["panels"]:
        parts += drawn(panel, found[panel["title"]])
    for number, line in enumerate(caption):
        y = TOP + bottom * ROW + 18 * (number + 1)
        parts.append(f'<text x="{LEFT}" y="{y}" fill="#444">{escape(line)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def scraped(
    metrics: str, program: str, name: str, seconds: int
) -> tuple[dict[str, Any], list[str]]:
    """Return the dashboard's series by panel, and the caption."""
    page = json.loads((FILES / f"{name}.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as directory:
        server = Prometheus(program, metrics, Path(directory))
        try:
            time.sleep(seconds)
            version = server.ask("status/buildinfo")["version"]
            (last,) = server.ask("query", query="max(timestamp(notifier_build_info))")["result"]
            end = float(last["value"][1])
            begin = end - seconds + 5
            found = {panel["title"]: asked(panel, server, begin, end) for panel in page["panels"]}
        finally:
            server.process.terminate()
            server.process.wait()
    empty = [title for title, lines in found.items() if not lines]
    day = time.strftime("%d %B %Y", time.gmtime(end)).lstrip("0")
    return found, [
        (
            f"Not Grafana: drawn by docs/dashboard_picture.py from files/dashboards/{name}.json and a Prometheus {version}"
            f" that scraped the worker of a demo for {seconds} s, rates over 15 s."
        ),
        (
            f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {day}."
            f" Panels without data: {', '.join(empty) or 'none'}."
        ),
    ]


@contextmanager
def demo() -> Iterator[str]:
    """Run a demo whose waits are the real ones; gives the address of its worker's metrics."""
    with subprocess.Popen(DEMO, stdout=subprocess.PIPE, text=True, cwd=ROOT) as running:  # noqa: S603  # our own demo
        try:
            said = ""
            for line in running.stdout or ():
                said += line
                if found := re.search(r"metrics +(http\S+)", line):
                    yield found[1]
                    break
            else:
                message = f"the demo did not come up:\n{said}"
                raise SystemExit(message)
        finally:
            running.send_signal(signal.SIGINT)


def main() -> int:
    """Scrape, ask, draw; return the exit code."""
    parser = argparse.ArgumentParser(description="Draw a dashboard from a running worker.")
    parser.add_argument("dashboard", choices=sorted(path.stem for path in FILES.glob("*.json")))
    parser.add_argument("metrics", nargs="?", help="a worker's metrics; a demo's unless named")
    parser.add_argument("--seconds", type=int, default=75, help="how long to scrape")
    options = parser.parse_args()
    program = shutil.which("prometheus")
    if program is None:
        print("no Prometheus: install one (Debian: apt-get install prometheus)")
        return 1
    name: str = options.dashboard
    if options.metrics:
        found, caption = scraped(options.metrics, program, name, options.seconds)
    else:
        with demo() as metrics:
            found, caption = scraped(metrics, program, name, options.seconds)
    page = json.loads((FILES / f"{name}.json").read_text(encoding="utf-8"))
    target = ROOT / f"docs/pictures/dashboard-{name}.svg"
    target.parent.mkdir(exist_ok=True)
    target.write_text(picture(page, found, caption), encoding="utf-8")
    empty = sum(not lines for lines in found.values())
    print(f"wrote docs/pictures/{target.name}; {empty} of {len(found)} panels have no data")
    return 1 if empty > len(found) // 3 else 0


if __name__ == "__main__":
    sys.exit(main())
