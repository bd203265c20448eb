"""Results as a Markdown table and as a picture of the growth curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from benchmarks.harness import ROOT

TABLE: Final = ROOT / "benchmarks" / "RESULTS.md"
PICTURE: Final = ROOT / "docs" / "pictures" / "growth.png"
COLUMNS: Final = 3


def write_tables(results: dict[str, Any]) -> None:
    """Write `RESULTS.md` and the picture."""
    TABLE.write_text(_markdown(results))
    _draw(results["curves"], PICTURE)


def _markdown(results: dict[str, Any]) -> str:
    machine = results["machine"]
    where = ", ".join(f"{name} {value}" for name, value in machine.items() if name not in _HARDWARE)
    lines = [
        "# Results",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB; {where}.",
        "",
        "`make bench` and `make bench-large` write this page from `results.json`. Figures are medians of the runs,"
        " as many as the last column says, with the smallest and the largest behind them. A ratio compares each run with the peer's"
        " run next to it; the CPU ratio compares the CPU time of both and does not feel what else the"
        " machine does.",
        "",
        "## Targets",
        "",
        "| target | figure | limit | met | CPU ratio | ours | peer | memory | runs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in results["rows"]:
        cells = [
            f"**{line['target']}**: {line['name']}",
            f"{_number(line['value']['median'])}{_unit(line)} {_range(line['value'])}".strip(),
            "" if line["limit"] is None else f"{line['sense']} {_number(line['limit'])}",
            _MET[line["is_met"]],
            _number(line["cpu_ratio"]["median"]) if "cpu_ratio" in line else "",
            _seconds(line, "ours_seconds"),
            _seconds(line, "peer_seconds"),
            f"{line['peak_mb']['median'] / 1000:.2f} GB" if "peak_mb" in line else "",
            str(line["runs"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    notes = [
        f"- {line['target']}, {line['name']}: {line['note']}."
        for line in results["rows"]
        if line["note"]
    ]
    lines += ["", "What was compared:", "", *dict.fromkeys(notes)]
    if results["curves"]:
        lines += _growth(results["curves"])
    return "\n".join([*lines, ""])


def _growth(curves: list[dict[str, Any]]) -> list[str]:
    """Lines with the exponents of all curves and their picture."""
    lines = [
        "",
        "## Growth",
        "",
        "An exponent of 1 is twice the time for twice the size. Times are CPU time, so that they can"
        " be compared between runs; memory is the largest the process had, with Python and libraries"
        " in it.",
        "",
        "| curve | sizes | seconds of CPU | exponent of time | limit | exponent of memory |",
        "|---|---|---|---|---|---|",
    ]
    for one in curves:
        cells = [
            one["name"],
            ", ".join(f"{point['size']:,.0f}" for point in one["points"]),
            ", ".join(_number(point["cpu_seconds"]) for point in one["points"]),
            f"{one['exponents']['cpu_seconds']:.2f}",
            ""
            if one["limit"] is None
            else f"at most {one['limit']:g}: {'met' if one['is_met'] else '**missed**'}",
            f"{one['exponents']['peak_mb']:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, "", "![Time and memory against size](../docs/pictures/growth.png)"]


_MET: Final = {True: "yes", False: "**no**", None: ""}
_HARDWARE: Final = ("processor", "cores", "memory_gb")


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _unit(line: dict[str, Any]) -> str:
    return f" {line['unit']}" if line["unit"] not in {"", "x"} else ""


def _range(figure: dict[str, float]) -> str:
    if figure["min"] == figure["max"]:
        return ""
    return f"({_number(figure['min'])} to {_number(figure['max'])})"


def _seconds(line: dict[str, Any], side: str) -> str:
    return f"{_number(line[side]['median'])} s" if side in line else ""


def _draw(curves: list[dict[str, Any]], path: Path) -> None:
    """One panel per curve: CPU time on the left axis, logarithmic, memory on the right, from zero."""
    if not curves:
        return
    rows = -(-len(curves) // COLUMNS)
    figure = Figure(figsize=(4.6 * COLUMNS, 3.4 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for panel, one in zip(panels, curves, strict=False):
        sizes = [point["size"] for point in one["points"]]
        seconds = [point["cpu_seconds"] for point in one["points"]]
        gigabytes = [point["peak_mb"] / 1000 for point in one["points"]]
        exponents = one["exponents"]
        memory = panel.twinx()
        label = f"CPU time, exponent {exponents['cpu_seconds']:.2f}"
        (time_line,) = panel.loglog(sizes, seconds, "o-", color="#1f5a99", label=label)
        label = f"memory, exponent {exponents['peak_mb']:.2f}"
        (memory_line,) = memory.plot(sizes, gigabytes, "s--", color="#b3591d", label=label)
        panel.set_title(one["name"], fontsize=9)
        panel.set_xlabel(one["axis"])
        panel.set_xticks(sizes, [_short(size) for size in sizes])
        panel.set_xticks([], minor=True)
        panel.set_ylabel("seconds of CPU")
        panel.set_ylim(min(seconds) / 1.3, max(seconds) * 2.5)
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panel.yaxis.set_minor_locator(NullLocator())
        memory.set_ylabel("GB")
        memory.set_ylim(0, 1.6 * max(gigabytes))
        panel.legend(handles=[time_line, memory_line], fontsize=7, loc="upper left")
    for panel in panels[len(curves) :]:
        panel.set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _short(size: float) -> str:
    """Thousands and millions by letter."""
    for unit, letter in ((1e6, " M"), (1e3, "k")):
        if size >= unit:
            return f"{size / unit:g}{letter}"
    return f"{size:g}"
