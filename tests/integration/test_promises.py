"""What `docs/promises.md` promises, broken on purpose: parts that fail, others at work, secrets."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import stat
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pytest

from segmentation.fitting.registry import CONTENT_HASH_SQL

from .helpers import (
    OWN_INPUTS,
    QUICK,
    REPOSITORY,
    THREE_CLUSTERS,
    Built,
    Project,
    copy_of,
    is_listed,
    small_inputs,
)

#: What nothing that the project writes may hold.
CANARY: Final = "canary-9d1c"


# --- one part fails ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def a_part_failed(small_build: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A build with a new category that may not be fitted, and without a folder for pictures."""
    folder = tmp_path_factory.mktemp("parts")
    more = small_inputs(categories=("Bread", "Cheese", "Wine")).write(folder / "inputs")
    (folder / "build").mkdir()
    project = copy_of(small_build.project, folder / "build" / "project")
    (project.folder / "pictures").write_text("a file where the folder should be")
    settings = {**small_build.variables["segmentation"], "retrain": "never"}
    variables = {**more, "segmentation": {**settings, "picture_formats": ["png"]}}
    return Built(project, variables, project.build(*OWN_INPUTS, variables=variables))


def test_a_scope_that_is_not_fitted_is_a_row_with_its_reason_and_the_rest_is_built(
    a_part_failed: Built,
) -> None:
    failed = a_part_failed.project.query(
        "select scope, reason from governance.model_registry where status = 'failed'"
    )
    assert failed.rows() == [("Wine", "retrain is never and the scope has no model yet")]
    stores = a_part_failed.project.query(
        "select category, count(*), count(segment_id), count(internal_cluster)"
        " from segments.store_segments group by 1 order by 1"
    )
    assert stores.rows() == [("Bread", 40, 40, 40), ("Cheese", 40, 40, 40), ("Wine", 40, 40, 0)]


def test_a_picture_that_cannot_be_drawn_is_a_row_with_its_reason(a_part_failed: Built) -> None:
    pictures = a_part_failed.project.query(
        "select status, reason from segments.segment_plots where status <> 'nothing to draw'"
    )
    assert set(pictures["status"]) == {"failed"}
    assert all("pictures" in reason for reason in pictures["reason"])


@pytest.mark.parametrize(("strict", "status"), [(False, "warn"), (True, "fail")])
def test_what_failed_is_named_by_tests_that_warn_or_with_strict_fail(
    a_part_failed: Built, strict: bool, status: str
) -> None:
    settings = {**a_part_failed.variables["segmentation"], "strict": strict}
    run = a_part_failed.project.dbt(
        "test",
        "--select",
        "every_scope_was_fitted",
        "every_picture_was_drawn",
        variables={**a_part_failed.variables, "segmentation": settings},
    )
    assert run.success is not strict
    assert run.statuses == {"every_scope_was_fitted": status, "every_picture_was_drawn": status}
    assert is_listed("every_scope_was_fitted")
    assert is_listed("every_picture_was_drawn")


def test_with_strict_an_input_that_cannot_be_read_fails_the_test_that_names_it(
    small_build: Built, tmp_path: Path
) -> None:
    project = copy_of(small_build.project, tmp_path / "project")
    inputs = {**small_build.variables["inputs"], "demographics": str(tmp_path / "absent.csv")}
    run = project.dbt(
        "test",
        "--select",
        "every_input_was_read",
        variables={**small_build.variables, "inputs": inputs, "segmentation": {"strict": True}},
    )
    assert run.statuses == {"every_input_was_read": "fail"}


def test_an_input_that_changes_during_the_build_fails_it_in_words_and_is_not_published(
    small_build: Built, tmp_path: Path
) -> None:
    project = copy_of(small_build.project, tmp_path / "project")
    variables = {**small_inputs().write(tmp_path / "inputs"), "segmentation": QUICK}
    process = project.process(variables)
    shown = []
    for line in process.stdout:
        shown.append(line)
        if "START sql table model features.int_sales_by_need_state" in line:
            with Path(variables["inputs"]["demographics"]).open("a") as stream:
                stream.write("S099,50000,40,town\n")
    assert process.wait() != 0
    (message,) = {line.strip() for line in shown if "changed during the build" in line}
    assert message.startswith("inputs.demographics changed")
    assert is_listed(message)
    assert not project.published.exists()
    status = project.value("select status from governance.runs order by started_at desc limit 1")
    assert status == "failed"


def test_other_names_of_the_stores_and_another_order_of_the_rows_change_nothing_but_the_names(
    small_build: Built, tmp_path: Path
) -> None:
    # the isolation forest and K-means draw by position: equal models must give equal results
    inputs = small_inputs()
    others = {
        store: f"Z{40 - number:03d}"
        for number, store in enumerate(sorted(set(inputs.sales["store_id"])))
    }

    def renamed(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.reverse().with_columns(pl.col("store_id").replace_strict(others))

    changed = replace(
        inputs, sales=renamed(inputs.sales), demographics=renamed(inputs.demographics)
    ).write(tmp_path / "inputs")
    settings = {**small_build.variables["segmentation"], "retrain": "never"}
    after = small_build.continued(tmp_path / "build", **changed, segmentation=settings)
    query = """
        select category, store_id, segment_id, internal_cluster, external_cluster, margin
        from segments.store_segments
    """
    expected = small_build.project.query(query).with_columns(
        pl.col("store_id").replace_strict(others)
    )
    assert (
        after.project.query(query)
        .sort("category", "store_id")
        .equals(expected.sort("category", "store_id"))
    )


# --- a model row that somebody changed --------------------------------------------------------

TAMPERING: Final = {
    "a number": "update lanes.internal_cluster_models set k = k + 1 where scope = 'Bread'",
    "its hash": "update lanes.internal_cluster_models set content_sha256 = null"
    " where scope = 'Bread'",
    "the hashes of all": "alter table lanes.internal_cluster_models drop column content_sha256",
}


@pytest.mark.parametrize("what", TAMPERING)
def test_a_model_that_was_changed_is_refused_with_its_id_before_anything_is_scored(
    small_build: Built, what: str, tmp_path: Path
) -> None:
    project = copy_of(small_build.project, tmp_path / "project")
    project.execute(TAMPERING[what])
    run = project.dbt("build", *OWN_INPUTS, variables=small_build.variables)
    assert not run.success
    assert run.statuses == {}
    (model_id,) = small_build.models()["Bread"]
    (line,) = run.lines_with(f"model {model_id} of Bread: its row")
    assert is_listed(line.strip())


def test_the_hash_of_a_row_can_be_computed_again_by_anyone(small_build: Built) -> None:
    rows = small_build.project.query(
        f"select content_sha256 = {CONTENT_HASH_SQL} as same from lanes.internal_cluster_models"
    )
    assert rows["same"].to_list() == [True] * len(rows)
    assert len(rows) >= 2


def test_nothing_reads_a_pickle_but_fits_on_an_engine_after_a_look_at_the_hash() -> None:
    verified = "segmentation/engine/calls.py"  # `read_verified`; test_calls tries to deceive it
    readers = {"pickle", "cloudpickle", "dill", "shelve", "marshal", "jsonpickle"}
    calls = {"load_model", "read_pickle", "load_experiment"}
    found = []
    for folder in ("segmentation", "models", "scripts", "benchmarks"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if path == REPOSITORY / verified:
                assert path.read_text().count("pickle.loads") == 1
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                names: set[str] = set()
                if isinstance(node, ast.Import):
                    names = {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    imported = {alias.name for alias in node.names}
                    if imported == {"register_pickle_by_value"}:
                        continue  # how a function is sent to an engine; it reads nothing
                    names = {*(node.module or "").split("."), *imported}
                    if node.module == "joblib":
                        names |= {f"joblib.{alias.name}" for alias in node.names}
                elif isinstance(node, ast.Attribute):
                    names = {node.attr}
                    if isinstance(node.value, ast.Name):
                        names.add(f"{node.value.id}.{node.attr}")
                if names & (readers | calls | {"joblib.load"}):
                    found.append(f"{path.name}: {sorted(names)}")
    assert found == []


def test_only_the_owner_may_write_to_what_a_build_makes(small_build: Built, tmp_path: Path) -> None:
    project = copy_of(small_build.project, tmp_path / "project")
    project.database.unlink()
    process = project.process(small_build.variables, umask=0)
    shown = process.rest()
    assert process.returncode == 0, shown
    modes = {
        str(path.relative_to(project.folder)): stat.S_IMODE(path.stat().st_mode)
        for path in (project.database, project.published)
    }
    assert modes == {"stores.duckdb": 0o644, "published/stores.duckdb": 0o444}


# --- secrets ----------------------------------------------------------------------------------

_PROFILE: Final = """
    plugins: [{module: segmentation.run.plugin, alias: segmentation}]
    attach:
      - {path: "{{ env_var('DBT_ENV_SECRET_SHOP') }}", alias: shop, read_only: true}
"""


@pytest.fixture(scope="module")
def with_secrets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """Build from the tables of a database whose address is secret; give it and all it showed.

    One table does not exist, so that a message has a reason to name the database.
    """
    folder = tmp_path_factory.mktemp("secrets")
    shop = folder / CANARY / "shop.duckdb"
    shop.parent.mkdir()
    with duckdb.connect(str(shop)) as connection:
        for name, frame in vars(small_inputs()).items():
            connection.register("frame", frame.to_arrow())
            connection.execute(f"create table {name} as from frame")
    profiles = folder / "profiles"
    profiles.mkdir()
    profile, _, _ = (REPOSITORY / "profiles.yml").read_text().partition("      plugins:")
    (profiles / "profiles.yml").write_text(profile + textwrap.indent(_PROFILE.strip("\n"), "  "))
    tables = {name: f"shop.main.{name}" for name in ("sales", "products", "demographics")}
    variables = {
        "inputs": {**tables, "competition": "shop.main.absent"},
        "external_sources": ["demographics", "competition"],
        "segmentation": THREE_CLUSTERS,
    }
    project = Project(folder / "project")
    project.folder.mkdir()
    process = project.process(
        variables,
        arguments=["--profiles-dir", str(profiles), "--log-level-file", "debug"],
        DBT_ENV_SECRET_SHOP=str(shop),
        PGPASSWORD=CANARY,
        AWS_SECRET_ACCESS_KEY=CANARY,
    )
    shown = process.rest()
    assert process.returncode == 0, shown
    return project, shown


def test_an_input_table_that_is_not_there_is_told_and_the_rest_is_built(
    with_secrets: tuple[Project, str],
) -> None:
    project, shown = with_secrets
    (line,) = [line for line in shown.splitlines() if "WARNING inputs.competition: " in line]
    assert is_listed(line[line.index("WARNING") :])
    assert project.value("select count(*) from segments.store_segments") == 80


def test_no_secret_of_the_environment_is_shown_or_written_anywhere(
    with_secrets: tuple[Project, str],
) -> None:
    project, shown = with_secrets
    report = project.folder / "report.html"
    subprocess.run(
        [sys.executable, REPOSITORY / "scripts" / "report.py", "--output", report],
        env={**os.environ, **project.environment, "PGPASSWORD": CANARY},
        check=True,
    )
    assert CANARY not in shown
    texts = [path for path in project.folder.rglob("*") if path.is_file()]
    assert {"dbt.log", "manifest.json", "report.html"} <= {path.name for path in texts}
    assert [str(path) for path in texts if CANARY.encode() in path.read_bytes()] == []
    for database in (project.database, project.published):
        with duckdb.connect(str(database), read_only=True) as connection:
            tables = connection.execute(
                "select schema_name, table_name from duckdb_tables() where not internal"
            ).fetchall()
            assert ("governance", "runs") in tables
            for schema, name in tables:
                held = connection.execute(
                    f'select count(*) from "{schema}"."{name}" as rows'
                    " where contains(rows::varchar, ?)",
                    [CANARY],
                ).fetchone()
                assert held == (0,), name


# --- readers and builders at the same time ----------------------------------------------------

#: Opens the published file over and over and writes down each state that it sees.
_READER: Final = """
import json, pathlib, sys, time
import duckdb
path, stop, query = sys.argv[1:]
states, n = set(), 0
while not pathlib.Path(stop).exists():
    with duckdb.connect(path, read_only=True, config={"threads": 1}) as connection:
        connection.execute("set enable_progress_bar = false")  # of a query of two seconds
        states.add(json.dumps(connection.execute(query).fetchall(), default=str))
        time.sleep(2)
        states.add(json.dumps(connection.execute(query).fetchall(), default=str))
    n += 1
print(json.dumps([n, sorted(states)]))
"""
#: What the minimum size of segments changes, and everything that is published.
_PUBLISHED: Final = ("path:models/segments", "path:models/marts", "path:snapshots")
#: Says of which build each of several tables is.
_STATE: Final = """
    select
        (select max(started_at) from governance.runs) as run,
        (select count(distinct segment_id) from segments.store_segments) as segments,
        (select count(*) from segments.segment_summary) as summaries,
        (select sum(hash(store_id, category, segment_id)) from segments.store_segments) as stores,
        (select sum(hash(segment_name, n_stores)) from segments.segment_summary) as names
"""


def state_of(path: Path) -> str:
    """The state that a reader sees who opens the file now."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return json.dumps(connection.execute(_STATE).fetchall(), default=str)


def test_sixteen_readers_see_only_whole_builds_while_five_builds_run(
    small_build: Built, tmp_path: Path
) -> None:
    project = copy_of(small_build.project, tmp_path / "project")
    settings = small_build.variables["segmentation"]

    def build(min_segment_size: int) -> str:
        changed = {**settings, "min_segment_size": min_segment_size}
        variables = {**small_build.variables, "segmentation": changed}
        project.build("--select", *_PUBLISHED, *OWN_INPUTS, variables=variables)
        return state_of(project.published)

    states = [build(5)]
    stop = tmp_path / "stop"
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", _READER, str(project.published), str(stop), _STATE],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(16)
    ]
    try:
        states += [build(size) for size in (20, 5, 40, 8, 20)]
    finally:
        stop.touch()
    outcomes = [reader.communicate(timeout=60) for reader in readers]
    assert [errors for _, errors in outcomes] == [""] * 16
    seen: set[str] = set()
    for output, _ in outcomes:
        n_readings, of_one = json.loads(output)
        assert n_readings > 0
        seen |= set(of_one)
    assert len(set(states)) == 6
    assert seen <= set(states)
    assert len(seen) >= 3


def test_of_two_builds_at_once_one_says_who_has_the_database_or_waits_for_it(
    small_build: Built, tmp_path: Path
) -> None:
    project = copy_of(small_build.project, tmp_path / "project")
    first = project.process(small_build.variables)
    for line in first.stdout:
        if " START " in line:
            break
    os.kill(first.pid, signal.SIGSTOP)  # or it might end before the second one asks
    try:
        waiting = project.process(small_build.variables, STORE_SEGMENTS_WAIT="300")
        second = project.process(small_build.variables)
        refused = second.rest()
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert second.returncode != 0
    (message,) = re.findall(r"another process has the database .*", refused)
    assert f"process {first.pid}" in message
    assert "Traceback" not in refused
    assert is_listed(message.strip())
    shown = first.rest()
    assert first.returncode == 0, shown
    shown = waiting.rest()
    assert waiting.returncode == 0, shown
    runs = project.query("select status from governance.runs order by started_at")
    assert runs["status"].to_list() == ["success"] * 3
