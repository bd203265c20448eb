"""Calls of functions in tasks of an engine, in processes with the code of the build."""

from __future__ import annotations

import hashlib
import math
import os
import pickle
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import fs

from segmentation.engine import tasks
from segmentation.engine.calls import call_file, write_pickle
from segmentation.engine.options import EngineError, EngineOptions
from segmentation.engine.session import Engine
from segmentation.engine.tasks import CODE, LIBRARIES, MARKER, Calls
from segmentation.warehouse.code import folder_sha256, package_archive
from tests.integration.sail import Sail

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sail() -> Iterator[Sail]:
    with Sail() as server:
        yield server


def engine_of(sail: Sail, shared: Path, **more: Any) -> Engine:
    options = EngineOptions.from_var(sail.engine(shared, **more))
    assert options is not None
    return Engine(options)


@pytest.mark.parametrize("partitions", ["auto", 1, 3])
def test_results_are_in_order_and_nothing_stays_in_the_shared_folder(
    sail: Sail, tmp_path: Path, partitions: int | str
) -> None:
    engine = engine_of(sail, tmp_path, partitions=partitions)
    found = [*engine.each(divmod, [(number, 3) for number in range(7)])]
    assert found == [divmod(number, 3) for number in range(7)]
    assert not any(tmp_path.iterdir())
    assert [*engine.each(divmod, [])] == []


def test_calls_run_in_other_processes_with_the_code_that_runs_here(
    sail: Sail, tmp_path: Path
) -> None:
    engine = engine_of(sail, tmp_path, partitions=2)
    found = {*engine.each(os.getpid, [()] * 4)}
    assert len(found) == 2
    assert not {os.getpid(), sail.pid} & found
    package = Path(tasks.__file__).parents[1]
    (there,) = engine.each(folder_sha256, [(package,)])
    assert there == folder_sha256(package)


def test_an_error_of_a_call_and_a_killed_process_end_the_job_with_one_line(
    sail: Sail, tmp_path: Path
) -> None:
    engine = engine_of(sail, tmp_path)
    with pytest.raises(EngineError, match=r"^ValueError: .*math domain|^ValueError: expected"):
        list(engine.each(math.sqrt, [(4,), (-1,)]))
    with pytest.raises(EngineError) as raised:
        list(engine.each(signal.raise_signal, [(signal.SIGKILL,)]))
    assert "a process with fits ended with signal 9" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not any(tmp_path.iterdir())


def test_a_worker_without_a_library_or_with_another_version_is_refused(
    tmp_path: Path,
) -> None:
    installed = tmp_path / "older" / "scikit_learn-1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Name: scikit-learn\nVersion: 1.0\n")
    with Sail(PYTHONPATH=str(installed.parent)) as server:
        engine = engine_of(server, tmp_path / "shared")
        engine.check()
        with pytest.raises(EngineError, match=r"a worker has scikit-learn 1\.0 instead of "):
            engine.check(["scikit-learn"])
        with pytest.raises(EngineError, match=r"a worker has scikit-learn 1\.0 instead of "):
            list(engine.each(divmod, [(1, 2)], ["scikit-learn"]))


@pytest.fixture
def job(tmp_path: Path) -> Calls:
    """A job with one call, as the build writes it."""
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / MARKER).touch()
    (folder / CODE).write_bytes(package_archive())
    filesystem = fs.LocalFileSystem()
    return Calls(
        folder=folder.as_uri(),
        code=hashlib.sha256((folder / CODE).read_bytes()).hexdigest(),
        hashes=[write_pickle(filesystem, f"{folder}/{call_file(0)}", (divmod, (7, 3)))],
        groups=[[0]],
        versions=tasks.versions(LIBRARIES),
    )


def reports(job: Calls) -> list[dict[str, Any]]:
    """What the task of the only group reports."""
    batch = pa.RecordBatch.from_pydict({"id": [0]})
    return [row for found in tasks.called(iter([batch]), job) for row in found.to_pylist()]


def test_a_task_reports_the_file_and_the_hash_of_each_result(job: Calls, tmp_path: Path) -> None:
    (report,) = reports(job)
    content = (tmp_path / "job" / report["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == report["sha256"]
    assert pickle.loads(content) == (2, 1)  # noqa: S301 (of this test)
    assert [*tasks.called(iter([]), job)] == []


def test_a_file_that_somebody_else_wrote_is_not_loaded(job: Calls, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    path = tmp_path / "job" / call_file(0)
    path.write_bytes(pickle.dumps((os.mkdir, (str(flag),))))
    (report,) = reports(job)
    assert "has been changed" in report["problem"]
    assert not flag.exists()


def test_code_that_somebody_else_wrote_is_not_run(
    job: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "own"))
    (tmp_path / "job" / CODE).write_bytes(b"other")
    with pytest.raises(RuntimeError, match="is not the one that the build wrote"):
        reports(job)
    home = next((tmp_path / "own").iterdir())
    home.chmod(0o777)
    with pytest.raises(RuntimeError, match="open to others; delete it"):
        reports(job)


def test_the_same_code_is_the_same_archive() -> None:
    assert package_archive() == package_archive()
