"""What the hooks write of every run, whether it succeeds or not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from dbt.version import __version__ as dbt_version

from .conftest import SeedsBuild
from .dbt_process import DbtProcess
from .helpers import REPOSITORY, Built, copy_of

#: The last thing that happens before a Python model has run for seconds.
_FITTING = ": fitting "


def git(*arguments: str) -> str:
    """Output of a git command in the repository."""
    return subprocess.run(
        ["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True, check=True
    ).stdout


def test_a_run_says_what_it_was_made_with(seeds_build: SeedsBuild) -> None:
    run = seeds_build.project.query("select * from governance.runs").to_dicts()[0]
    assert (run["command"], run["status"], run["message"]) == ("build", "success", None)
    assert run["git_revision"] == git("rev-parse", "HEAD").strip()
    versions = {entry["name"]: entry["value"] for entry in run["versions"]}
    assert versions["dbt-core"] == dbt_version
    assert versions["python"] == sys.version.split()[0]
    assert json.loads(run["vars"])["segmentation"]["max_clusters"] == 10
    assert run["started_at"] < run["finished_at"]
    assert run["n_nodes"] == len(seeds_build.run.statuses)


def test_every_node_of_a_run_is_a_row_with_its_outcome(seeds_build: SeedsBuild) -> None:
    nodes = seeds_build.project.query("select * from governance.run_nodes")
    statuses = dict(nodes.select("node_name", "status").iter_rows())
    assert statuses == seeds_build.run.statuses
    assert nodes["run_id"].n_unique() == 1
    assert nodes["seconds"].min() >= 0  # type: ignore[operator]


def test_the_rows_of_every_table_are_counted_and_those_of_views_are_not(
    seeds_build: SeedsBuild,
) -> None:
    project = seeds_build.project
    tables = dict(
        project.query(
            "select table_name, table_schema || '.' || table_name"
            " from information_schema.tables"
            " where table_type = 'BASE TABLE' and table_name not in"
            " ('runs', 'run_nodes', 'unread_inputs', 'unreadable_lines', 'profiled_columns',"
            " 'input_queries', 'input_remarks')"
        ).iter_rows()
    )
    counted = dict(
        project.query(
            "select node_name, n_rows from governance.run_nodes where n_rows is not null"
        ).iter_rows()
    )
    assert len(counted) >= 30
    assert counted == {
        name: project.value(f"select count(*) from {table}") for name, table in tables.items()
    }


def test_a_run_that_the_settings_stop_is_logged_with_the_reason(
    small_build: Built, tmp_path: Path
) -> None:
    project = copy_of(small_build.project, tmp_path / "stopped")
    run = project.dbt("build", variables={"segmentation": {"max_clusterz": 3}})
    assert not run.success
    last = project.query("select * from governance.runs order by started_at").to_dicts()[-1]
    assert last["status"] == "failed"
    assert "segmentation.max_clusterz" in last["message"]
    assert last["finished_at"] is not None


def test_a_failed_node_is_logged_and_the_run_with_it(small_build: Built, tmp_path: Path) -> None:
    project = copy_of(small_build.project, tmp_path / "failed")
    with duckdb.connect(str(project.database)) as connection:
        connection.execute("update lanes.int_store_segments set segment_id = 'alone'")
        connection.execute("update lanes.int_store_segments set store_id = 'S001'")
    name = "every_store_has_a_segment_where_it_sells"
    run = project.dbt("test", "--select", name, variables=small_build.variables)
    assert not run.success
    last = project.query("select * from governance.runs order by started_at").to_dicts()[-1]
    assert (last["command"], last["status"], last["n_failed"]) == ("test", "failed", 1)
    node = project.query(
        "select status, n_failures, message from governance.run_nodes where run_id = ?",
        [last["run_id"]],
    ).to_dicts()
    assert [(row["status"], row["n_failures"] > 0) for row in node] == [("fail", True)]
    assert "configured to fail" in node[0]["message"]


@pytest.mark.parametrize(
    "location",
    [
        "https://me:canary-password@localhost:1/sales.parquet?signature=canary-signature",
        "https://me:canary/pass#word@localhost:1/sales.parquet?signature=canary-signature",
        "https://localhost:1/sales.parquet#token=canary-token",
        "postgres:host=localhost PASSWORD='canary password' sslpassword=canary dbname=sales.csv",
        "md:sales.csv?motherduck_token=canary-token",
    ],
)
def test_no_secret_of_a_location_is_shown_or_logged(
    small_build: Built, tmp_path: Path, location: str
) -> None:
    project = copy_of(small_build.project, tmp_path / "secret")
    run = project.dbt(
        "build",
        variables={"inputs": {"sales": location, "products": location}, "external_sources": []},
    )
    assert not run.success
    logged = str(project.query("select vars, message from governance.runs").rows())
    assert "***" in logged
    log = project.folder / "logs" / "dbt.log"
    for text in (logged, run.shown, log.read_text()):
        assert "canary" not in text


def killed_while_fitting(process: DbtProcess) -> Iterator[str]:
    """Lines of a process, which gets SIGKILL after the one in which a fit begins."""
    for line in process.stdout:
        yield line
        if _FITTING in line:
            os.kill(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def interrupted(small_build: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A build that is killed while it fits, and a test run after it."""
    project = copy_of(small_build.project, tmp_path_factory.mktemp("interrupted") / "build")
    variables = {**small_build.variables, "segmentation": {"seed": 7}}
    with project.process(variables) as process:
        shown = "".join(killed_while_fitting(process))
    assert _FITTING in shown
    run = project.dbt(
        "test",
        "--select",
        "no_segment_is_smaller_than_the_minimum",
        variables=small_build.variables,
    )
    return Built(project, variables, run)


def test_a_killed_run_is_found_out_by_the_next_one(interrupted: Built) -> None:
    assert interrupted.run.success, interrupted.run.shown
    runs = interrupted.project.query(
        "select command, status, finished_at is null as is_open from governance.runs"
        " order by started_at"
    ).rows()
    assert runs == [
        ("build", "success", False),
        ("build", "interrupted", True),
        ("test", "success", False),
    ]
