"""A build that is killed or has no disk left: what readers have stays, and the next build is whole.

Every case starts from a build of the small inputs, goes on with other inputs, and is disturbed.
`make stress` kills at many more points than `make test` does.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from segmentation.fitting.registry import tampered_models
from segmentation.warehouse.fingerprints import Fingerprint, differing_tables, table_fingerprints

from .available import unavailable
from .helpers import (
    OWN_INPUTS,
    REPOSITORY,
    THREE_CLUSTERS,
    Project,
    copy_of,
    small_inputs,
    with_noise,
)

N_POINTS: Final = 32 if os.environ.get("STORE_SEGMENTS_STRESS") else 5
SETTINGS: Final = {**THREE_CLUSTERS, "stability_resamples": 2, "gap_references": 2}
#: What dbt prints when a node or hook begins or ends; a killed build dies at one of them.
STEPS: Final = (" START ", " OK ")
#: What `make build` has just shown when Ctrl-C is pressed; nothing while it imports dbt.
MOMENTS: Final = ("", "Running with dbt", "START hook", ": fitting", "Published:")
#: How dbt-duckdb shows any error of a Python model.
OF_A_PYTHON_MODEL: Final = "Python model failed:\n  Traceback"
#: Files below the folder of the project, the number of the write that fails, and how.
FAILING_WRITES: Final = (
    ("stores.duckdb", 1, errno.ENOSPC),
    ("stores.duckdb", 200, errno.EIO),
    ("stores.duckdb", 450, errno.ENOSPC),
    ("published/", 3, errno.EIO),
    *(
        ("stores.duckdb", number, error)
        for number in range(50, 500, 60)
        for error in (errno.ENOSPC, errno.EIO)
        if os.environ.get("STORE_SEGMENTS_STRESS")
    ),
)


def published_tables(project: Project) -> dict[str, Fingerprint]:
    """Fingerprints of the published tables."""
    manifest = json.loads((project.folder / "target" / "manifest.json").read_text())
    nodes = {
        key: node
        for key, node in manifest["nodes"].items()
        if node["schema"] in {"segments", "governance"}
    }
    return table_fingerprints(project.published, {"nodes": nodes})


@dataclass(frozen=True)
class Start:
    """A finished build, the vars of the next one, and what that one gives when left alone."""

    project: Project
    variables: dict[str, Any]
    before: dict[str, Fingerprint]
    after: dict[str, Fingerprint]
    n_steps: int

    def copy(self, folder: Path) -> Project:
        """The finished build once more, with its published file."""
        project = copy_of(self.project, folder)
        shutil.copy(self.project.folder / "target" / "manifest.json", folder / "target")
        shutil.copytree(self.project.folder / "published", folder / "published")
        return project

    def assert_readers_have_the_build_before(self, project: Project) -> None:
        """The published file is whole, and not newer than the last finished build."""
        assert published_tables(project) == self.before

    def assert_whole(self, project: Project) -> None:
        """The database opens, no model is half there, the next build is as if nothing had been."""
        with duckdb.connect(str(project.database)) as connection:
            for lane in ("internal", "external"):
                assert tampered_models(connection, lane) == []
                unfinished = connection.execute(
                    f"select count(*) from lanes.{lane}_cluster_models"
                    " where content_sha256 is null or (status = 'fitted' and len(centroids) <> k)"
                ).fetchone()
                assert unfinished == (0,)
        project.build(*OWN_INPUTS, variables=self.variables)
        assert differing_tables(self.after, project.fingerprints()) == []
        statuses = project.query("select status from governance.runs order by started_at")
        assert statuses["status"][-1] == "success"
        assert "running" not in statuses["status"].to_list()
        assert (
            published_tables(project)["segments.store_segments"]
            == (self.after["segments.store_segments"])
        )


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """The build that readers have, and an undisturbed next one on a copy of it."""
    folder = tmp_path_factory.mktemp("crashes")
    inputs = small_inputs(stores=24, categories=("Bread",), need_states=("a", "b", "c"))
    given = {**inputs.write(folder / "inputs"), "segmentation": SETTINGS}
    project = Project(folder / "before")
    project.build(*OWN_INPUTS, variables=given)
    changed = with_noise(inputs, "Bread", 0.05).write(folder / "changed")
    variables = {**changed, "segmentation": SETTINGS}
    before = published_tables(project)
    undisturbed = Start(project, variables, before, {}, 0).copy(folder / "after")
    run = undisturbed.build(*OWN_INPUTS, variables=variables)
    n_steps = sum(any(step in line for step in STEPS) for line in run.shown.splitlines())
    return Start(project, variables, before, undisturbed.fingerprints(), n_steps)


@pytest.mark.parametrize("point", range(N_POINTS))
def test_a_build_killed_at_any_point_leaves_nothing_behind(
    start: Start, point: int, tmp_path: Path
) -> None:
    project = start.copy(tmp_path / "killed")
    at_step = 1 + point * (start.n_steps - 1) // max(N_POINTS - 1, 1)
    process = project.process(start.variables)
    seen = 0
    for line in process.stdout:
        seen += any(step in line for step in STEPS)
        if seen == at_step:
            # also between two lines: in the middle of a statement or of a fit
            time.sleep(0.618 * point % 1 * 0.3)
            os.killpg(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    process.wait()
    was_killed = process.returncode == -signal.SIGKILL
    assert was_killed or point == N_POINTS - 1
    if at_step < start.n_steps - 1:
        start.assert_readers_have_the_build_before(project)
    start.assert_whole(project)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of some megabytes in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        unavailable(f"no small disk: {mounted.stderr.strip()}; mounting one takes root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("room", [64, 2048, 6144])
def test_a_full_disk_fails_in_words_and_loses_nothing(
    start: Start, small_disk: Path, room: int
) -> None:
    project = start.copy(small_disk / "full")
    filler = small_disk / "filler"
    free = shutil.disk_usage(small_disk).free - room * 1024
    filler.write_bytes(b"\0" * free)
    run = project.dbt("build", *OWN_INPUTS, variables=start.variables)
    assert not run.success
    assert "No space left on device" in run.shown
    assert "Logging error" not in run.shown
    start.assert_readers_have_the_build_before(project)
    filler.unlink()
    start.assert_whole(project)


@pytest.fixture(scope="module")
def failing_writes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Library that lets the n-th write to certain files fail (`failing_writes.c`)."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        unavailable("no failing writes: compiling them takes Linux and a C compiler (cc)")
    library = tmp_path_factory.mktemp("library") / "failing_writes.so"
    source = Path(__file__).with_name("failing_writes.c")
    warnings = ("-Wall", "-Wextra", "-Werror")
    subprocess.run(
        [compiler, "-shared", "-fPIC", *warnings, "-o", library, source, "-ldl"], check=True
    )
    return library


@pytest.mark.parametrize(("files", "number", "error"), FAILING_WRITES)
def test_a_write_that_fails_is_reported_and_loses_nothing(
    start: Start, failing_writes: Path, files: str, number: int, error: int, tmp_path: Path
) -> None:
    project = start.copy(tmp_path / "failing")
    dbt = Path(sys.executable).with_name("dbt")
    run = subprocess.run(
        [dbt, *project.command("build", start.variables), *OWN_INPUTS],
        cwd=project.folder,
        env={
            **os.environ,
            **project.environment_of_dbt,
            "LD_PRELOAD": str(failing_writes),
            "FAILING_WRITES_BELOW": str(project.folder / files),
            "FAILING_WRITES_AT": str(number),
            # a disk stays full, and a bad block is one
            "FAILING_WRITES_REPEAT": "0" if error == errno.ENOSPC else "1",
            "FAILING_WRITES_ERRNO": str(error),
            "FAILING_WRITES_LOG": str(tmp_path / "failed"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    shown = run.stdout + run.stderr
    assert f"{number} " in (tmp_path / "failed").read_text()
    assert run.returncode > 0
    assert os.strerror(error) in shown or "fsync failed" in shown
    assert "Traceback" not in shown.replace(OF_A_PYTHON_MODEL, "")
    start.assert_readers_have_the_build_before(project)
    start.assert_whole(project)


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_ends_make_build_at_once_and_in_one_line(
    start: Start, moment: str, tmp_path: Path
) -> None:
    project = start.copy(tmp_path / "interrupted")
    (tmp_path / "vars.yml").write_text(json.dumps(start.variables))
    process = subprocess.Popen(
        [
            *("make", "--directory", REPOSITORY, "--old-file=.venv/.installed"),
            *("build", "VERBOSE=1", f"VARS={tmp_path / 'vars.yml'}"),
            f"BIN={Path(sys.executable).parent}",
        ],
        env={
            **os.environ,
            **project.environment,
            "DBT_TARGET_PATH": str(project.folder / "target"),
            "DBT_LOG_PATH": str(project.folder / "logs"),
            "DBT_USE_COLORS": "false",
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    if moment:
        next(line for line in process.stdout if moment in line)
    else:
        time.sleep(1)  # dbt is being imported
    os.killpg(process.pid, signal.SIGINT)
    began = time.monotonic()
    with process.stdout:
        shown = process.stdout.read()
    assert process.wait() != 0
    assert time.monotonic() - began < 5
    assert "The build was interrupted: readers have the last complete build" in shown
    assert "Traceback" not in shown
    assert "KeyboardInterrupt" not in shown
    assert "resource_tracker" not in shown
    if moment == ": fitting":
        start.assert_whole(project)
    elif moment != "Published:":
        start.assert_readers_have_the_build_before(project)
