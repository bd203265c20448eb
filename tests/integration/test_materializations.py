"""How models, seeds, a snapshot and data tests come into the database, on a small project."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from .helpers import REPOSITORY, Project, write_files

#: Files of a project that has nothing but the materialisations of the repository.
FILES: Final = {
    "dbt_project.yml": """
name: small
profile: small
config-version: 2
flags: {send_anonymous_usage_stats: false}
vars: {shape: table, number: 1, text: "1", hook: "0"}
""",
    "profiles.yml": """
small:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: "{{ env_var('STORE_SEGMENTS_DB') }}", threads: 1}
""",
    "models/models.yml": """
models:
  - name: agreed
    config: {materialized: table, contract: {enforced: true}}
    columns:
      - {name: n, data_type: integer, constraints: [{type: not_null}]}
      - {name: parts, data_type: "struct(a varchar, b double)[]"}
  - name: headed
    config: {materialized: table, contract: {enforced: true}}
    columns: [{name: n, data_type: integer}]
  - name: hooked
    description: Made between hooks.
    columns: [{name: n, description: A number.}]
  - name: shaped
    columns:
      - name: n
        data_tests: [{accepted_values: {arguments: {values: [1], quote: false}}}]
""",
    "models/shaped.sql": """
{{ config(materialized=var('shape')) }}
select {{ var('number') }} as n
""",
    "models/agreed.sql": """
select [{'a': 'x', 'b': 0.5::double}] as parts, {{ var('number') }} as n
-- a comment at the end
""",
    "models/headed.sql": """
{{ config(sql_header='create or replace temp macro more(n) as n + 1;') }}
select more(0)::integer as n
""",
    "models/looking.sql": """
{{ config(materialized='table') }}
select
    {% for column in adapter.get_columns_in_relation(ref('shaped')) %}{{ column.name }}{% endfor %}
from {{ ref('shaped') }}
""",
    "models/hooked.sql": """
{{ config(
    materialized='table',
    persist_docs={'relation': true, 'columns': true},
    pre_hook=[
        "create table if not exists notes (note varchar)",
        "insert into notes values ('before')",
    ],
    post_hook="insert into notes select 'after ' || n || '{{ var('hook') }}'::int from {{ this }}"
) }}
select '{{ var('text') }}'::integer as n
""",
    "models/written.py": """
def model(dbt, session):
    dbt.config(materialized="table")
    return session.sql("select 1 as n")
""",
    "models/added.sql": """
{{ config(
    materialized='incremental',
    unique_key=['number'],
    on_schema_change='append_new_columns',
    pre_hook="create or replace macro one() as 1",
    post_hook="select '{{ var('hook') }}'::integer"
) }}
select {{ var('number') }} as number, '{{ var('text') }}'::integer * one() as n
{%- if is_incremental() %}, (select count(*) from {{ this }}) as n_before{% endif %}
""",
    "models/added_by_python.py": """
def model(dbt, session):
    dbt.config(materialized="incremental", unique_key="number")
    return session.sql(
        f"select count(*) + 1 as number, 'new' as text from {dbt.this}"
        if dbt.is_incremental
        else "select 1 as number, 'first' as text"
    )
""",
    "snapshots/history.yml": """
snapshots:
  - name: history
    relation: ref('shaped')
    config: {strategy: check, unique_key: n, check_cols: [n], hard_deletes: invalidate}
""",
    "seeds/planted.csv": "id,amount\n1,2.5\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The small project, not built yet."""
    source = tmp_path / "project"
    write_files(source, FILES)
    (source / "macros").mkdir()
    for name in ("materializations.sql", "settings.sql"):
        shutil.copy(REPOSITORY / "macros" / name, source / "macros")
    return Project(tmp_path / "build", source=source)


def kind(project: Project, name: str) -> str:
    """Whether a name is that of a table or a view."""
    query = "select table_type from information_schema.tables where table_name = ?"
    return str(project.value(query, [name]))


def test_everything_is_made_and_made_again(project: Project) -> None:
    for _ in range(2):
        project.build()
    assert project.value("select n from shaped") == 1
    assert project.value("select n from written") == 1
    assert project.table("planted").rows() == [(1, 2.5)]
    names = project.query("select table_name from information_schema.tables order by all")
    assert names["table_name"].to_list() == [
        *("added", "added_by_python", "agreed", "headed", "history", "hooked"),
        *("looking", "notes", "planted", "shaped", "written"),
    ]


def test_a_table_becomes_a_view_and_a_view_a_table(project: Project) -> None:
    for shape, shown in (("table", "BASE TABLE"), ("view", "VIEW"), ("table", "BASE TABLE")):
        project.build(variables={"shape": shape})
        assert kind(project, "shaped") == shown
        assert project.value("select n from shaped") == 1


def test_hooks_run_around_a_model_and_what_they_did_stays(project: Project) -> None:
    project.build()
    assert project.table("notes")["note"].to_list() == ["after 10", "before"]


def test_descriptions_are_kept_as_comments_where_that_is_asked_for(project: Project) -> None:
    project.build()
    comments = "select comment from duckdb_{}s() where table_name = 'hooked'"
    assert project.value(comments.format("table")) == "Made between hooks."
    assert project.value(comments.format("column")) == "A number."


def test_a_hook_that_fails_leaves_everything_as_it_was(project: Project) -> None:
    project.build()
    run = project.dbt("build --select hooked", variables={"text": "2", "hook": "two"})
    assert run.statuses["hooked"] == "error"
    assert project.value("select n from hooked") == 1
    assert project.table("notes")["note"].to_list() == ["after 10", "before"]


def test_a_model_that_fails_leaves_the_table_as_it_was(project: Project) -> None:
    project.build()
    run = project.dbt("build", variables={"text": "two", "number": 3})
    assert run.statuses["hooked"] == "error"
    assert "Could not convert string 'two'" in run.shown
    assert project.value("select n from hooked") == 1
    assert "LINE " in run.shown  # where in the query
    # the others went on
    assert project.value("select n from shaped") == 3
    assert project.build("--select", "hooked").success


def test_rows_are_added_or_take_the_place_of_those_with_their_key(project: Project) -> None:
    project.build()
    assert project.table("added").rows() == [(1, 1)]
    project.build("--select", "added", variables={"number": 2})
    project.build("--select", "added", variables={"text": "7"})
    added = "select number, n, n_before from added order by all"  # a column more than at first
    assert project.query(added).rows() == [(1, 7, 2), (2, 1, 1)]
    project.build("--full-refresh")
    assert project.table("added").rows() == [(1, 1)]


def test_a_python_model_adds_rows(project: Project) -> None:
    for _ in range(3):
        project.build("--select", "added_by_python")
    assert project.table("added_by_python").sort("number").rows() == [
        (1, "first"),
        (2, "new"),
        (3, "new"),
    ]
    project.build("--select", "added_by_python", "--full-refresh")
    assert project.table("added_by_python").rows() == [(1, "first")]


@pytest.mark.parametrize("wrong", ["text", "hook"])
def test_a_model_that_fails_adds_no_row_and_no_column(project: Project, wrong: str) -> None:
    project.build()
    run = project.dbt("build --select added", variables={"number": 2, wrong: "two"})
    assert run.statuses["added"] == "error"
    assert project.table("added").rows() == [(1, 1)]
    project.build("--select", "added", variables={"number": 2})
    assert project.value("select count(*) from added") == 2


def test_a_view_of_that_name_becomes_a_table_to_add_to(project: Project) -> None:
    project.build("--select", "added")
    project.execute("drop table added; create view added as select 8 as number")
    project.build("--select", "added")
    assert project.table("added").rows() == [(1, 1)]


def test_history_has_a_row_for_each_change(project: Project) -> None:
    for number in (1, 1, 2):
        project.dbt(
            "build --select shaped history --exclude-resource-type test",
            variables={"number": number},
        )
    history = "select n, dbt_valid_to is null from history order by all"
    assert project.query(history).rows() == [(1, False), (2, True)]


@pytest.mark.parametrize(
    ("number", "problem"),
    [
        ("1::bigint", "data type mismatch"),
        ("1 as more, 1", "missing in contract"),
        ("1 as other --", "missing in definition"),
    ],
)
def test_columns_other_than_agreed_are_named_and_leave_the_table_as_it_was(
    project: Project, number: str, problem: str
) -> None:
    project.build()
    run = project.dbt("build --select agreed", variables={"number": number})
    assert run.statuses["agreed"] == "error"
    assert "This model has an enforced contract that failed." in run.shown
    assert problem in run.shown
    assert project.value("select n from agreed") == 1


def test_a_null_that_is_not_agreed_leaves_the_table_as_it_was(project: Project) -> None:
    project.build()
    run = project.dbt("build --select agreed", variables={"number": "null::integer"})
    assert "NOT NULL constraint failed: agreed.n" in run.shown
    assert project.value("select n from agreed") == 1


def test_what_a_killed_build_left_behind_is_no_hindrance(project: Project) -> None:
    project.build()
    for name in ("written", "added", "added_by_python"):
        project.execute(f"create table {name}__dbt_tmp as select 7 as n")
    project.build()
    assert project.value("select n from written") == 1
    assert project.value("select count(*) from added_by_python") == 2
    assert not project.query(
        "select * from duckdb_tables() where table_name like '%dbt_tmp'"
    ).rows()


@pytest.mark.parametrize(("shape", "shown"), [("table", "BASE TABLE"), ("view", "VIEW")])
def test_failing_rows_are_stored_where_that_is_asked_for(
    project: Project, shape: str, shown: str
) -> None:
    properties = project.source / "models" / "models.yml"
    properties.write_text(
        properties.read_text().replace(
            "quote: false}}}", f"quote: false}}, config: {{store_failures_as: {shape}}}}}}}"
        )
    )
    for number in (2, 3):
        run = project.dbt("build --select shaped", variables={"number": number})
        assert "fail" in run.statuses.values()
        (name,) = (name for name in run.statuses if name.startswith("accepted_values"))
        assert kind(project, name) == shown
        assert project.value(f"select value_field from main_dbt_test__audit.{name}") == number


def test_the_answer_of_a_data_test_is_not_stored_otherwise(project: Project) -> None:
    run = project.dbt("build --select shaped", variables={"number": 2})
    assert "fail" in run.statuses.values()
    assert project.query("show all tables")["name"].to_list() == ["shaped"]
