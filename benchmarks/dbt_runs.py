"""Calls of dbt in the process of a measurement, with the time its models took."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import segmentation.run.plugin  # noqa: F401 (dbt imports it once, whatever a build does)
from benchmarks.harness import ROOT, Stopwatch
from tests.integration.helpers import close_database


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is deleted afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="store_segments_bench_"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def dbt(
    folder: Path,
    command: str,
    *arguments: str,
    variables: Mapping[str, Any] | None = None,
    project: Path = ROOT,
) -> dict[str, Any]:
    """Call dbt with everything it writes in `folder`.

    Returns
    -------
    dict
        `seconds` and `cpu_seconds` from the first model to the last model or data test, `nodes` with
        the seconds of each model by name, `n_tests` the number of data tests.

    Raises
    ------
    RuntimeError
        If dbt fails.
    """
    seen: dict[str, Any] = {}
    lock = threading.Lock()

    def watch(event: Any) -> None:
        with lock:
            if event.info.name == "NodeStart" and event.data.node_info.unique_id[:6] == "model.":
                seen.setdefault("watch", Stopwatch.start())
            elif (
                event.info.name == "NodeFinished"
                and "watch" in seen
                and event.data.node_info.unique_id.startswith(("model.", "test."))
            ):
                seen.update(seen["watch"].read())

    done = _invoke(folder, [*command.split(), *arguments], variables, watch, project)
    results = getattr(done.result, "results", ())
    return {
        "seconds": seen["seconds"],
        "cpu_seconds": seen["cpu_seconds"],
        "nodes": {
            result.node.name: result.execution_time
            for result in results
            if result.node.resource_type == "model"
        },
        "n_tests": sum(result.node.resource_type == "test" for result in results),
    }


def compiled(folder: Path, inline: str, variables: Mapping[str, Any]) -> str:
    """Give the SQL that dbt makes of a query with macros."""
    return str(
        _invoke(folder, ["compile", "--inline", inline], variables).result[0].node.compiled_code
    )


def _invoke(
    folder: Path,
    arguments: list[str],
    variables: Mapping[str, Any] | None,
    watch: Callable[[Any], None] = lambda _: None,
    project: Path = ROOT,
) -> Any:
    """Call dbt in this process and close the database afterwards.

    Raises
    ------
    RuntimeError
        If dbt fails.
    """
    from dbt.cli.main import dbtRunner  # noqa: PLC0415 (after the environment is set)

    os.environ["STORE_SEGMENTS_DB"] = str(folder / "bench.duckdb")
    os.environ["STORE_SEGMENTS_PICTURES"] = str(folder / "pictures")
    done = dbtRunner(callbacks=[watch]).invoke(
        [
            *arguments,
            "--quiet",
            "--project-dir",
            str(project),
            "--profiles-dir",
            str(project),
            "--target-path",
            str(folder / "target"),
            "--log-path",
            str(folder / "logs"),
            "--vars",
            json.dumps(dict(variables or {})),
        ]
    )
    close_database()
    if not done.success:
        raise RuntimeError(f"dbt {arguments[0]}: {done.exception or done.result}")
    return done
