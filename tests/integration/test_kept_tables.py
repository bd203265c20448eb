"""What a build keeps because nothing it is made from has changed, on a small project."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from .helpers import REPOSITORY, Project, write_files

#: Files of a project that has the run log and the materialisations of the repository. Each table
#: says when it was made, or when the last row was added.
FILES: Final = {
    "dbt_project.yml": """
name: small
profile: small
config-version: 2
flags: {send_anonymous_usage_stats: false}
vars: {inputs: {}, external_sources: [], segmentation: {}, meanwhile: ""}
on-run-start: ["{{ log_run_start() }}", "{{ keep_unchanged_tables() }}"]
on-run-end:
  - "{{ log_run_end(results) }}"
  - "{{ print_summary(results) }}"
  - "{{ refuse_changed_inputs() }}"
models:
  +materialized: table
  small:
    model_registry: {+schema: governance}
    internal_cluster_models: {+schema: lanes}
    external_cluster_models: {+schema: lanes}
""",
    "profiles.yml": """
small:
  target: duckdb
  outputs:
    duckdb: &duckdb
      type: duckdb
      path: "{{ env_var('STORE_SEGMENTS_DB') }}"
      threads: 1
      plugins: [{module: segmentation.run.plugin, alias: segmentation}]
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
    "models/by_query.sql": """
{{ config(pre_hook=var('meanwhile')) }}
select get_current_timestamp() as made_at
""",
    "models/of_the_run.sql": "select get_current_timestamp() as made_at",
    "models/partly_of_the_run.sql": "select get_current_timestamp() as made_at",
    "models/by_python.py": """
def model(dbt, session):
    return session.sql("select get_current_timestamp() as made_at")
""",
    "models/added_by_query.sql": """
{{ config(materialized='incremental') }}
select get_current_timestamp() as made_at
""",
    "models/added_by_python.py": """
def model(dbt, session):
    dbt.config(materialized="incremental")
    return session.sql("select get_current_timestamp() as made_at")
""",
    "models/added_by_the_run.sql": """
{{ config(materialized='incremental', meta={'run_specific': true}) }}
select get_current_timestamp() as made_at
""",
    "models/as_view.sql": """
{{ config(materialized='view') }}
select 1 as number, get_current_timestamp() as made_at
""",
    "snapshots/history.yml": """
snapshots:
  - name: history
    relation: ref('as_view')
    config: {strategy: check, unique_key: number, check_cols: [made_at]}
    columns:
      - name: dbt_valid_from
        config: {meta: {run_specific: true}}
""",
    "models/internal_cluster_models.sql": """
select 'Bread' as scope, 'b1' as model_id, 1 as in_force_order, 'fitted' as status
""",
    "models/external_cluster_models.sql": """
select 'external' as scope, 'e1' as model_id, 1 as in_force_order, 'fitted' as status
""",
    "models/model_registry.sql": """
select 'internal' as lane, * from {{ ref('internal_cluster_models') }}
union all
select 'external' as lane, * from {{ ref('external_cluster_models') }}
""",
    "seeds/names.csv": "name\nThe first\n",
}
TABLES: Final = (
    "by_query",
    "by_python",
    "of_the_run",
    "partly_of_the_run",
    "added_by_query",
    "added_by_python",
    "added_by_the_run",
    "history",
)
#: Those that tell nothing of the run, and those that get rows only where something has changed.
LASTING: Final = {
    "by_query",
    "by_python",
    "added_by_query",
    "added_by_python",
    "as_view",
    "history",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The small project, built once, with one input."""
    source = tmp_path / "project"
    write_files(source, FILES)
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


def made(project: Project) -> dict[str, Any]:
    """What is another value once a table or view was made anew or has got a row."""
    found = {name: project.value(f"select max(made_at) from {name}") for name in TABLES}
    view = project.value("select comment from duckdb_views() where view_name = 'as_view'")
    return {**found, "as_view": view}


def kept(project: Project, *arguments: str, given: Mapping[str, Any] | None = None) -> set[str]:
    """Tables and views that a build leaves as they are."""
    project.execute("comment on view as_view is 'not made anew'")
    before = made(project)
    run = project.build(*arguments, variables=variables(project) if given is None else given)
    stayed = {name for name, value in made(project).items() if value == before[name]}
    said = project.query(
        "select node_name from governance.run_nodes where message = 'KEPT'"
        " and run_id = (select arg_max(run_id, started_at) from governance.runs)"
    )["node_name"]
    assert set(said) & set(before) == stayed
    assert len(run.lines_with("[KEPT in")) == len(said)
    return stayed


def test_a_build_from_the_same_keeps_what_does_not_tell_of_the_run(project: Project) -> None:
    assert kept(project) == LASTING
    assert kept(project) == LASTING
    assert kept(project, "--full-refresh") == set()
    assert kept(project) == LASTING


def test_whatever_the_tables_are_made_from_is_looked_at(project: Project) -> None:
    os.utime(project.folder.parent / "sales.csv", ns=(1, 1))
    assert kept(project) == set()
    (project.source / "models" / "by_query.sql").write_text("select now() as made_at")
    assert kept(project) == set()
    (project.source / "macros" / "more.sql").write_text("{% macro more() %}{% endmacro %}")
    assert kept(project) == set()
    given = variables(project, seed=2)
    assert kept(project, given=given) == set()
    assert kept(project, "--target", "other", given=given) == set()
    # as if a library had been updated since
    project.execute("update governance.runs set made_from = sha256(made_from)")
    assert kept(project, "--target", "other", given=given) == set()
    assert kept(project, "--target", "other", given=given) == LASTING


def test_a_table_that_is_gone_is_made_again_and_the_others_stay(project: Project) -> None:
    project.execute("create table other as from by_query; drop table by_query")
    project.execute("create view by_query as from other")
    assert kept(project) == LASTING - {"by_query"}


def test_only_a_whole_build_is_gone_by(project: Project) -> None:
    for command in ("run --select of_the_run", "build --select of_the_run", "run", "seed"):
        assert project.dbt(command, variables=variables(project)).success
        assert kept(project) == set(), command
    # data tests that passed have changed nothing
    assert project.dbt("test", variables=variables(project)).success
    assert kept(project) == LASTING


def test_a_data_test_that_failed_has_the_tables_made_anew(project: Project) -> None:
    project.execute("insert into by_query from by_query")
    assert not project.dbt("test", variables=variables(project)).success
    assert kept(project) == set()
    assert project.value("select count(*) from by_query") == 1


def test_a_build_that_failed_is_not_gone_by(project: Project) -> None:
    project.execute("insert into by_query from by_query")
    run = project.dbt("build", variables=variables(project))
    assert not run.success
    assert run.lines_with("the next build makes everything anew")
    assert kept(project) == set()
    assert project.value("select count(*) from by_query") == 1


def test_an_input_that_changed_is_told_also_where_a_model_failed(project: Project) -> None:
    given = variables(project)
    writes = f"copy (select 22 as store_id) to '{given['inputs']['sales']}' (format csv)"
    run = project.dbt("build", variables={**given, "meanwhile": f"{writes}; select 'x'::integer"})
    assert run.lines_with("Could not convert string 'x'")
    assert run.lines_with("inputs.sales changed while the build read it")


def test_a_build_without_rows_is_not_gone_by(project: Project) -> None:
    run = project.build("--empty", variables=variables(project))
    assert not run.lines_with("[KEPT in")
    assert kept(project) == set()


def test_a_seed_that_was_left_out_is_not_taken_for_loaded(project: Project) -> None:
    (project.source / "seeds" / "names.csv").write_text("name\nThe second\n")
    without = ("--exclude-resource-type", "seed")
    assert kept(project, *without) == set()
    assert kept(project, *without) == LASTING
    assert kept(project) == set()


def test_a_clock_that_was_set_back_does_not_bring_an_earlier_run_back(project: Project) -> None:
    project.execute("update governance.runs set started_at = started_at + interval 1 day")
    project.build(variables=variables(project, seed=2))
    assert kept(project) == set()


def test_after_a_failed_fit_everything_is_tried_again(project: Project) -> None:
    def add(order: int, status: str) -> None:
        row = f"'Bread', 'b{order}', {order}, '{status}'"
        project.execute(
            f"insert into lanes.internal_cluster_models values ({row});"
            f"insert into governance.model_registry values ('internal', {row})"
        )

    add(2, "failed")
    assert kept(project) == set()
    add(2, "failed")
    add(3, "fitted")
    assert kept(project) == LASTING


def test_a_model_deleted_by_hand_is_seen(project: Project) -> None:
    project.execute("delete from lanes.external_cluster_models")
    assert kept(project) == set()
    assert kept(project) == LASTING


def test_after_an_input_could_not_be_read_everything_is_tried_again(project: Project) -> None:
    project.execute(
        "insert into governance.unread_inputs select run_id, 'demographics', 'forbidden'"
        " from governance.runs"
    )
    assert kept(project) == set()
    assert kept(project) == LASTING


def test_a_table_of_another_database_cannot_be_told_to_be_the_same(project: Project) -> None:
    given = {
        "inputs": {"sales": "shop.main.sales", "products": variables(project)["inputs"]["sales"]}
    }
    assert kept(project, given=given) == set()
    assert kept(project, given=given) == set()
