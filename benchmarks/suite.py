"""``make bench`` and ``make bench-large``: measure every target, keep the results, write tables.

``python -m benchmarks.suite [--large] [--only TARGET ...]`` replaces the lines of what it measures
in `benchmarks/results.json`, leaves the others, and writes `benchmarks/RESULTS.md` and the picture of
the growth curves from it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from benchmarks import fact_scale, k_search, many_scopes, python_models, rebuild, sql_scoring
from benchmarks.harness import ROOT, Suite
from benchmarks.tables import write_tables
from segmentation.run.facts import versions

RESULTS: Final = ROOT / "benchmarks" / "results.json"
TARGETS: Final[dict[str, ModuleType]] = {
    "rebuild": rebuild,
    "facts": fact_scale,
    "search": k_search,
    "scopes": many_scopes,
    "scoring": sql_scoring,
    "models": python_models,
}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": names[0] if names else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory),
        **versions(),
    }


def main() -> None:
    """Measure what was asked for and write it down after each target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--large", action="store_true", help="the big sizes")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS))
    given = parser.parse_args()
    suite: Suite = "bench-large" if given.large else "bench"
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": [], "curves": []}
    for name in given.only:
        module = TARGETS[name]
        started = time.perf_counter()
        rows, curves = module.results(suite)

        def others(
            lines: list[dict[str, Any]], target: str = module.TARGET
        ) -> list[dict[str, Any]]:
            return [line for line in lines if (line["target"], line["suite"]) != (target, suite)]

        order = [one.TARGET for one in TARGETS.values()]
        kept = {
            "machine": machine(),
            **{
                part: sorted(
                    [*others(kept[part]), *measured],
                    key=lambda line: (order.index(line["target"]), line["suite"]),
                )
                for part, measured in (("rows", rows), ("curves", curves))
            },
        }
        RESULTS.write_text(json.dumps(kept, indent=2) + "\n")
        write_tables(kept)
        sys.stderr.write(f"{name}: {time.perf_counter() - started:.0f} s\n")


if __name__ == "__main__":
    main()
