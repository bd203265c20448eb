"""dbt's own way to build only what new files feed, as `docs/rebuilds.md` describes it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import polars as pl

from .helpers import OWN_INPUTS, Built, Project, copy_of, is_listed, small_inputs


def test_only_what_a_newer_file_feeds_is_built(small_build: Built, tmp_path: Path) -> None:
    project = copy_of(small_build.project, tmp_path / "build")
    variables = {**small_build.variables, **small_inputs().write(tmp_path / "inputs")}
    state = tmp_path / "state"
    project.build(*OWN_INPUTS, variables=variables)
    assert project.dbt("source freshness", variables=variables).success
    shutil.copytree(project.folder / "target", state)

    # a part of a build has nothing to do while no file is newer
    part = ("--select", "source_status:fresher+", "state:modified+", "--state", str(state))
    assert project.dbt("source freshness", variables=variables).success
    assert project.build(*part, *OWN_INPUTS, variables=variables).statuses == {}

    path = Path(variables["inputs"]["demographics"])
    older = path.stat().st_mtime
    income = pl.col("median_income_usd").cast(pl.Float64)
    pl.read_csv(path, infer_schema=False).with_columns(income.sqrt()).write_csv(path)
    os.utime(path, (older + 60, older + 60))
    assert project.dbt("source freshness", variables=variables).success
    run = project.build(*part, *OWN_INPUTS, variables=variables)
    built = set(run.statuses)
    assert {"stg_external__demographics", "feat_external", "store_segments"} <= built
    # the gate judges the inputs together, so the sums of the sales behind it are made again
    assert "int_sales_by_need_state" in built
    assert built.isdisjoint({"stg_internal__products", "int_sales_outcomes"})
    largest = "select max(median_income_usd::double) from staging.stg_external__demographics"
    assert project.value(largest) < 1000


def test_a_part_of_a_new_database_says_what_to_build_first(
    small_build: Built, tmp_path: Path
) -> None:
    project = Project(tmp_path / "new")
    run = project.dbt("build", "--select", "segment_names", variables=small_build.variables)
    assert not run.success
    message = next(line for line in run.shown.splitlines() if "which no build has made" in line)
    assert is_listed(message.strip())
    assert "Catalog Error" not in run.shown


def test_a_retry_makes_what_failed_and_says_that_it_is_not_published(
    small_build: Built, tmp_path: Path
) -> None:
    project = copy_of(small_build.project, tmp_path / "build")
    # dbt cannot add to a history without this column
    project.execute("alter table segments.store_segments_history rename dbt_scd_id to hidden")
    assert not project.dbt("build", *OWN_INPUTS, variables=small_build.variables).success
    project.execute("alter table segments.store_segments_history rename hidden to dbt_scd_id")
    retried = project.dbt("retry", variables=small_build.variables)
    assert retried.success, retried.shown
    assert "store_segments_history" in retried.statuses
    assert "Not published: this run made a part of the tables" in retried.shown
    assert not project.published.exists()
