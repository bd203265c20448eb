"""Which tables a build keeps because nothing they are made from has changed, on a small project."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from .helpers import REPOSITORY, Project

#: Files of a project that has the run log and the materialisations of the repository. Each table
#: says when it was made.
FILES: Final = {
    "dbt_project.yml": """
name: small
profile: small
config-version: 2
flags: {send_anonymous_usage_stats: false}
vars: {inputs: {}, external_sources: [], segmentation: {}}
on-run-start: ["{{ log_run_start() }}", "{{ keep_unchanged_tables() }}"]
on-run-end: ["{{ log_run_end(results) }}"]
models: {+materialized: table, small: {model_registry: {+schema: governance}}}
""",
    "profiles.yml": """
small:
  target: duckdb
  outputs:
    duckdb: &duckdb
      type: duckdb
      path: "{{ env_var('STORE_SEGMENTS_DB') }}"
      threads: 1
      plugins: [{module: segmentation.duckdb_plugin, alias: segmentation}]
    other: *duckdb
""",
    "models/models.yml": """
models:
  - name: by_query
    columns:
      - name: made_at
        data_tests: [unique]
  - name: of_the_run
    config: {meta: {run_specific: true}}
  - name: partly_of_the_run
    columns:
      - name: made_at
        config: {meta: {run_specific: true}}
""",
    "models/by_query.sql": "select get_current_timestamp() as made_at",
    "models/of_the_run.sql": "select get_current_timestamp() as made_at",
    "models/partly_of_the_run.sql": "select get_current_timestamp() as made_at",
    "models/by_python.py": """
def model(dbt, session):
    return session.sql("select get_current_timestamp() as made_at")
""",
    "models/model_registry.sql": """
select 'internal' as lane, 'Bread' as scope, 1 as in_force_order, 'fitted' as status
""",
}
TABLES: Final = ("by_query", "by_python", "of_the_run", "partly_of_the_run")
#: Those that tell nothing of the run.
LASTING: Final = {"by_query", "by_python"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The small project, built once, with one input."""
    source = tmp_path / "project"
    for name, text in FILES.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip())
    shutil.copytree(REPOSITORY / "macros", source / "macros")
    (source / "macros" / "_macros.yml").unlink()
    (tmp_path / "sales.csv").write_text("store_id\n1\n")
    small = Project(tmp_path / "build", source=source)
    small.build(variables=variables(small))
    return small


def variables(project: Project, **segmentation: Any) -> dict[str, Any]:
    """Vars of a build on the one input."""
    return {
        "inputs": {"sales": str(project.folder.parent / "sales.csv")},
        "segmentation": segmentation,
    }


def kept(project: Project, *arguments: str, given: Mapping[str, Any] | None = None) -> set[str]:
    """Tables that a build leaves as they are."""
    made_at = {name: project.value(f"select max(made_at) from {name}") for name in TABLES}
    run = project.build(*arguments, variables=variables(project) if given is None else given)
    stayed = {
        name
        for name in TABLES
        if project.value(f"select max(made_at) from {name}") == made_at[name]
    }
    said = project.query(
        "select node_name from governance.run_nodes where message = 'KEPT'"
        " and run_id = (select arg_max(run_id, started_at) from governance.runs)"
    )["node_name"]
    assert set(said) - {"model_registry"} == stayed
    assert len(run.lines_with("[KEPT in")) == len(said)
    return stayed


def test_a_build_from_the_same_keeps_what_does_not_tell_of_the_run(project: Project) -> None:
    assert kept(project) == LASTING
    assert kept(project) == LASTING


def test_a_full_refresh_makes_every_table(project: Project) -> None:
    assert kept(project, "--full-refresh") == set()
    assert kept(project) == LASTING


@pytest.mark.parametrize("touched", ["input", "query", "macro", "setting", "target", "versions"])
def test_whatever_the_tables_are_made_from_is_looked_at(project: Project, touched: str) -> None:
    given, arguments = variables(project), []
    if touched == "input":
        os.utime(project.folder.parent / "sales.csv", ns=(1, 1))
    elif touched == "query":
        (project.source / "models" / "by_query.sql").write_text("select now() as made_at")
    elif touched == "macro":
        (project.source / "macros" / "more.sql").write_text("{% macro more() %}{% endmacro %}")
    elif touched == "setting":
        given = variables(project, seed=2)
    elif touched == "target":
        arguments = ["--target", "other"]
    else:  # as if a library had been updated since
        project.execute("update governance.runs set made_from = sha256(made_from)")
    assert kept(project, *arguments, given=given) == set()
    assert kept(project, *arguments, given=given) == LASTING


def test_a_table_that_is_gone_is_made_again_and_the_others_stay(project: Project) -> None:
    project.execute("create table other as from by_query; drop table by_query")
    project.execute("create view by_query as from other")
    assert kept(project) == {"by_python"}


@pytest.mark.parametrize(
    ("command", "select"),
    [("run", "of_the_run"), ("build", "of_the_run"), ("run", "*"), ("test", "by_query")],
)
def test_only_a_whole_build_is_gone_by(project: Project, command: str, select: str) -> None:
    assert project.dbt(f"{command} --select {select}", variables=variables(project)).success
    # data tests that passed have changed nothing
    assert kept(project) == (LASTING if command == "test" else set())


def test_a_data_test_that_failed_has_the_tables_made_anew(project: Project) -> None:
    project.execute("insert into by_query from by_query")
    assert not project.dbt("test", variables=variables(project)).success
    assert kept(project) == set()
    assert project.value("select count(*) from by_query") == 1


def test_a_build_that_failed_is_not_gone_by(project: Project) -> None:
    broken = project.source / "models" / "broken.sql"
    broken.write_text("select 'one'::integer as n")
    assert not project.dbt("build", variables=variables(project)).success
    broken.unlink()
    assert kept(project) == set()


def test_after_a_failed_fit_everything_is_tried_again(project: Project) -> None:
    failed = "insert into governance.model_registry values ('internal', 'Bread', {}, '{}')".format
    project.execute(failed(2, "failed"))
    assert kept(project) == set()
    project.execute(f"{failed(2, 'failed')}; {failed(3, 'fitted')}")
    assert kept(project) == LASTING


def test_after_an_input_could_not_be_read_everything_is_tried_again(project: Project) -> None:
    project.execute(
        "insert into governance.unread_inputs select run_id, 'demographics', 'forbidden'"
        " from governance.runs"
    )
    assert kept(project) == set()
    assert kept(project) == LASTING


def test_a_table_of_another_database_cannot_be_told_to_be_the_same(project: Project) -> None:
    given = {"inputs": {"sales": "shop.main.sales"}}
    assert kept(project, given=given) == set()
    assert kept(project, given=given) == set()
