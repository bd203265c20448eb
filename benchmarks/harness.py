"""A process per measurement: wall clock, CPU time, peak memory, for us and a peer in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

ROOT: Final = Path(__file__).resolve().parents[1]
#: Runs in turn from which a median is taken, where a run is short.
PAIRS: Final = 3

Task = Callable[..., dict[str, Any]]
Suite = Literal["bench", "bench-large"]


@dataclass(frozen=True)
class Stopwatch:
    """Seconds since it was made, by the wall and by the CPUs of this process."""

    wall: float
    cpu: float

    @classmethod
    def start(cls) -> Stopwatch:
        """Begin to measure."""
        return cls(time.perf_counter(), time.process_time())

    def read(self) -> dict[str, float]:
        """`seconds` and `cpu_seconds` until now."""
        return {
            "seconds": time.perf_counter() - self.wall,
            "cpu_seconds": time.process_time() - self.cpu,
        }


@dataclass(frozen=True)
class Measurement:
    """One run of a task in a process of its own.

    Attributes
    ----------
    seconds, cpu_seconds
        Of the part that the task measured itself, else of the whole process.
    peak_mb
        Largest resident memory of the process, 10^6 bytes, of everything in it.
    result
        What the task returned.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    result: dict[str, Any]


def measure(task: Task, **arguments: Any) -> Measurement:
    """Run a function of a module of this package in a new process.

    Parameters
    ----------
    task
        Returns a JSON object; if that has `seconds` and `cpu_seconds`, they count instead of those
        of the whole process, which also starts Python and imports libraries.
    arguments
        JSON values.

    Raises
    ------
    RuntimeError
        If the process fails; its output is shown.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        order = [f"{task.__module__}:{task.__name__}", json.dumps(arguments), str(answer)]
        output = Path(folder) / "output.txt"
        with output.open("wb") as stream:
            started = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "benchmarks.harness", *order],
                cwd=ROOT,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            shown = output.read_text(errors="replace")[-4000:]
            raise RuntimeError(f"{order[0]} {order[1]} failed:\n{shown}")
        result = json.loads(answer.read_text())
    return Measurement(
        seconds=float(result.get("seconds", wall)),
        cpu_seconds=float(result.get("cpu_seconds", usage.ru_utime + usage.ru_stime)),
        peak_mb=usage.ru_maxrss * 1024 / 1e6,
        result=result,
    )


def paired(
    ours: Callable[[], Measurement], peer: Callable[[], Measurement], pairs: int = PAIRS
) -> list[tuple[Measurement, Measurement]]:
    """Both in turn, so that whatever slows the machine down for a while slows down both."""
    return [(ours(), peer()) for _ in range(pairs)]


def scaled(part: Measurement, factor: float) -> Measurement:
    """Give the times of work of which `part` did only a part."""
    return replace(part, seconds=factor * part.seconds, cpu_seconds=factor * part.cpu_seconds)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
    }


def row(
    target: str,
    name: str,
    suite: Suite,
    value: Sequence[float],
    limit: float | None,
    sense: Literal["at most", "at least"],
    unit: str = "",
    note: str = "",
    **more: Any,
) -> dict[str, Any]:
    """One line of the table: a figure, its limit, and whether it is kept; context has no limit.

    `more` are further figures, such as the spread of seconds of both sides.
    """
    figure = spread(value)
    is_met = None
    if limit is not None:
        is_met = figure["median"] <= limit if sense == "at most" else figure["median"] >= limit
    return {
        "target": target,
        "name": name,
        "suite": suite,
        "runs": len(value),
        "value": figure,
        "unit": unit,
        "sense": sense,
        "limit": limit,
        "is_met": is_met,
        "note": note,
        **more,
    }


def ratio_row(
    target: str,
    name: str,
    suite: Suite,
    pairs: Sequence[tuple[Measurement, Measurement]],
    limit: float | None,
    sense: Literal["at most", "at least"],
    note: str = "",
) -> dict[str, Any]:
    """Line with the ratio of each pair: ours to the peer's, or the peer's to ours for `at least`."""

    def ratio(of: str) -> list[float]:
        ratios = [getattr(peer, of) / getattr(ours, of) for ours, peer in pairs]
        return ratios if sense == "at least" else [1 / one for one in ratios]

    return row(
        target,
        name,
        suite,
        ratio("seconds"),
        limit,
        sense,
        unit="x",
        note=note,
        cpu_ratio=spread(ratio("cpu_seconds")),
        ours_seconds=spread([ours.seconds for ours, _ in pairs]),
        peer_seconds=spread([peer.seconds for _, peer in pairs]),
        peak_mb=spread([ours.peak_mb for ours, _ in pairs]),
    )


def curve(
    target: str,
    name: str,
    axis: str,
    suite: Suite,
    points: Sequence[tuple[float, Measurement]],
    limit: float | None = None,
) -> dict[str, Any]:
    """Time and memory against one size, with exponents fitted to both on logarithmic scales."""
    sizes = np.log([size for size, _ in points])
    exponents = {
        of: float(np.polyfit(sizes, np.log([getattr(one, of) for _, one in points]), 1)[0])
        for of in ("seconds", "cpu_seconds", "peak_mb")
    }
    return {
        "target": target,
        "name": name,
        "axis": axis,
        "suite": suite,
        "limit": limit,
        "is_met": None if limit is None else exponents["cpu_seconds"] <= limit,
        "exponents": exponents,
        "points": [
            {
                "size": size,
                "seconds": one.seconds,
                "cpu_seconds": one.cpu_seconds,
                "peak_mb": one.peak_mb,
            }
            for size, one in points
        ],
    }


def _child(order: str, arguments: str, answer: str) -> None:
    """Run one task and write down what it returns."""
    module, _, name = order.partition(":")
    task = getattr(import_module(module), name)
    Path(answer).write_text(json.dumps(task(**json.loads(arguments))))


if __name__ == "__main__":
    _child(*sys.argv[1:])
