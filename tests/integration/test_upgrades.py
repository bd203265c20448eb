"""A database that version 0.1.0 has built, built again with today's code.

`tests/data/built_by_0_1_0.duckdb.gz` is what commit 63d3d50 made of `small_inputs()`, without the
views that name its files.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from segmentation.run.log import LAYOUT

from .helpers import OWN_INPUTS, QUICK, REPOSITORY, Project, small_inputs

BUILT = REPOSITORY / "tests" / "data" / "built_by_0_1_0.duckdb.gz"
HISTORY = (
    "select category, store_id, segment_id, segment_name, dbt_valid_from"
    " from segments.store_segments_history order by all"
)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The database as version 0.1.0 left it."""
    project = Project(tmp_path_factory.mktemp("earlier"))
    project.database.write_bytes(gzip.decompress(BUILT.read_bytes()))
    return project


@pytest.fixture(scope="module")
def upgraded(earlier: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same database after a build of today."""
    folder: Path = tmp_path_factory.mktemp("upgraded")
    project = Project(folder / "build")
    project.folder.mkdir()
    project.database.write_bytes(earlier.database.read_bytes())
    variables = small_inputs().write(folder / "inputs") | {"segmentation": dict(QUICK)}
    project.build(*OWN_INPUTS, variables=variables)
    return project


def test_the_history_of_the_stores_goes_on(earlier: Project, upgraded: Project) -> None:
    before, after = earlier.query(HISTORY), upgraded.query(HISTORY)
    assert before.height == 80
    assert before.join(after, on=before.columns, how="anti").is_empty()
    is_open = "select category, store_id from segments.store_segments_history" + (
        " where dbt_valid_to is null order by all"
    )
    stores = "select category, store_id from segments.store_segments order by all"
    assert upgraded.query(is_open).equals(upgraded.query(stores))


def test_the_log_and_the_registry_keep_what_they_had(earlier: Project, upgraded: Project) -> None:
    (run_id,) = earlier.query("select run_id from governance.runs")["run_id"]
    runs = upgraded.query("select run_id, layout from governance.runs order by started_at")
    assert runs.rows()[0] == (run_id, None)
    assert runs["layout"].to_list()[1:] == [LAYOUT]
    models = "select model_id from governance.model_registry"
    assert set(earlier.query(models)["model_id"]) < set(upgraded.query(models)["model_id"])


def test_segments_keep_their_ids_where_the_stores_stay_together(
    earlier: Project, upgraded: Project
) -> None:
    ids = "select category, store_id, segment_id from segments.store_segments"
    both = earlier.query(ids).join(upgraded.query(ids), on=["category", "store_id"])
    together = both.group_by("category", "segment_id", "segment_id_right").agg(n=pl.len())
    for _, part in together.group_by("category", "segment_id"):
        ((_, before, after, n),) = part.sort("n").tail(1).rows()
        if n == part["n"].sum():
            assert before == after


def test_the_changes_since_then_are_told(upgraded: Project) -> None:
    changes = upgraded.query(
        "select n_stores, n_stores_before from segments.segment_changes"
        " qualify run_started_at = max(run_started_at) over () order by category"
    )
    assert changes.rows() == [(40, 40), (40, 40)]
