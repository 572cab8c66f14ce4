"""Write table and plot of the last long run into docs/reliability.md: `python -m benchmarks.endurance_report`."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.endurance import RESULTS
from benchmarks.flatness import Sample, picture, trends
from benchmarks.machine import when

_DOCS: Final = Path(__file__).parents[1] / "docs"
PAGE: Final = _DOCS / "reliability.md"
PICTURE: Final = _DOCS / "pictures" / "endurance.svg"
BEGIN, END = "<!-- figures of make endure -->", "<!-- end of endurance -->"


def section(found: dict[str, Any]) -> str:
    """Return what a run came to, as Markdown."""
    count, seconds = found["notifications"], found["seconds"]
    samples = [Sample(**sample) for sample in found["samples"]]
    on = found["machine"]
    summary = (
        f"{count:,} notifications in {seconds / 60:.0f} minutes, {count / seconds:,.0f} a second: "
        f"{found['requests']:,} requests, {found['wrongly_signed']:,} without a valid signature; "
        f"{found['lost']:,} lost, {found['repeats']:,} repeated, {found['dead_letters']:,} dead letters "
        f"({found['refused']:,} were refused)."
    )
    where = (
        f"{when(on)}, {on['cores']} cores, {on['system']}, Python {on['python']}, "
        f"payment-notifier {on['packages']['payment-notifier']}."
    )
    lines = [
        summary,
        "",
        f"![What one worker held during {count:,} notifications](pictures/{PICTURE.name})",
        "",
        "| | End of the first half | Mean of the second half | Most in it | Growth over it | May grow | Flat |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, trend in trends(samples).items():
        cells = (
            f"{trend.first_half_end:,.1f}",
            f"{trend.mean:,.1f}",
            f"{trend.most:,.1f}",
            f"{trend.growth:+,.1f}",
            f"{trend.may_grow:,.0f}",
            "yes" if trend.flat else "**no**",
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    command = f"`make endure NOTIFICATIONS={count}`"
    return "\n".join([*lines, "", where, command])


def main() -> int:
    """Replace what stands between the marks, and the plot."""
    if not RESULTS.exists():
        sys.stderr.write("no figures of a long run: run make endure first\n")
        return 1
    found = json.loads(RESULTS.read_text("utf-8"))
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{section(found)}\n{END}{after}", "utf-8")
    PICTURE.write_text(picture([Sample(**sample) for sample in found["samples"]]), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
