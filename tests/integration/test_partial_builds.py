"""dbt's own way to build only what new files feed, as `docs/rebuilds.md` describes it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import polars as pl

from .helpers import OWN_INPUTS, Built, copy_of, small_inputs


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
