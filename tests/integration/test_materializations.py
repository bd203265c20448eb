"""dbt's own materializations with the macros of this project: none of them is overridden."""

from __future__ import annotations

import shutil
from typing import Final

import pytest

from .helpers import REPOSITORY, DbtRun, Project, write_files

FILES: Final = {
    "dbt_project.yml": """
name: store_segments
version: "1.0"
profile: store_segments
flags: {send_anonymous_usage_stats: false}
""",
    "profiles.yml": """
store_segments:
  target: dev
  outputs:
    dev: {type: duckdb, path: "{{ env_var('STORE_SEGMENTS_DB') }}"}
""",
    "models/_models.yml": """
version: 2
models:
  - name: stores
    config:
      materialized: table
      indexes: [{columns: [store_id], unique: true}, {columns: [city, store_id]}]
      grants: {select: [analysts]}
  - name: visits
    config:
      materialized: incremental
      unique_key: store_id
      indexes: [{columns: [store_id]}]
""",
    "models/stores.sql": "select 's1' as store_id, 'Bern' as city",
    "models/visits.sql": "select store_id, 1 as n_visits from {{ ref('stores') }}",
}
INDEXES: Final = """
    select table_name, expressions, is_unique
    from duckdb_indexes()
    order by all
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with two models and the macros of this one."""
    source = tmp_path_factory.mktemp("project")
    write_files(source, FILES)
    shutil.copytree(
        REPOSITORY / "macros", source / "macros", ignore=shutil.ignore_patterns("*.yml")
    )
    return Project(tmp_path_factory.mktemp("built"), source=source)


@pytest.fixture(scope="module")
def runs(project: Project) -> list[DbtRun]:
    """Two builds; in the second one the tables have indexes already."""
    return [project.build(), project.build()]


def test_indexes_are_made_and_survive_the_next_build(project: Project, runs: list[DbtRun]) -> None:
    assert len(runs) == 2
    assert project.query(INDEXES).rows() == [
        ("stores", "[city, store_id]", False),
        ("stores", "[store_id]", True),
        ("visits", "[store_id]", False),
    ]


def test_grants_have_no_effect_but_a_warning(runs: list[DbtRun]) -> None:
    # dbt-duckdb warns once per process
    assert any(run.lines_with("Grants for relations are not supported by DuckDB") for run in runs)
    assert [run.statuses for run in runs] == [{"stores": "success", "visits": "success"}] * 2
