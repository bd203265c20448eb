"""What is reported of one run after another: moves, model uses, transitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from .helpers import OWN_INPUTS, Built, copy_of, small_inputs, with_noise

#: Stores that stop selling bread, and stores that begin to.
GONE = ("S002", "S005")
NEW = ("N001", "N002", "N003")
#: Six stores of one kind that exchange their sales of bread with six stores of another kind.
EXCHANGED = {f"S{number:03d}": f"S{number + 1:03d}" for number in range(13, 31, 3)}


@pytest.fixture(scope="module")
def second(small_build: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A second build: bread sells differently, some stores are gone and some are new."""
    folder = tmp_path_factory.mktemp("changes")
    inputs = with_noise(small_inputs(), "Bread", 0.3)
    other = {**EXCHANGED, **{second: first for first, second in EXCHANGED.items()}}
    exchanged = (
        pl.when(pl.col("product_id").str.starts_with("1-"))
        .then(pl.col("store_id").replace(other))
        .otherwise("store_id")
    )
    inputs = replace(inputs, sales=inputs.sales.with_columns(store_id=exchanged))
    gone = pl.col("store_id").is_in(GONE) & pl.col("product_id").str.starts_with("1-")
    twins = inputs.sales.filter(pl.col("store_id").is_in(["S010", "S011", "S012"])).with_columns(
        pl.col("store_id").replace_strict(dict(zip(["S010", "S011", "S012"], NEW, strict=True)))
    )
    inputs = replace(inputs, sales=pl.concat([inputs.sales.filter(~gone), twins]))
    return small_build.continued(folder / "second", **inputs.write(folder / "inputs"))


@pytest.fixture(scope="module")
def third(second: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A third build in which nothing has changed."""
    return second.continued(tmp_path_factory.mktemp("changes") / "third")


def segments(built: Built) -> pl.DataFrame:
    """Segment of every store after a build."""
    return built.project.query(
        "select category, store_id, segment_id from segments.store_segments order by all"
    )


def both(before: Built, after: Built) -> pl.DataFrame:
    """Segments of every store before and after, null where it was not there."""
    return segments(before).join(
        segments(after), on=["category", "store_id"], how="full", coalesce=True, suffix="_after"
    )


def last_changes(built: Built) -> pl.DataFrame:
    """Rows that the last run added to `segment_changes`."""
    return built.project.query(
        "select * from segments.segment_changes"
        " qualify run_started_at = max(run_started_at) over () order by category"
    )


def test_the_first_run_has_no_retention_and_no_births(small_build: Built) -> None:
    changes = last_changes(small_build)
    assert changes["category"].to_list() == ["Bread", "Cheese"]
    assert changes["n_stores"].to_list() == [40, 40]
    assert changes["n_stores_before"].to_list() == [0, 0]
    assert changes["retention"].null_count() == 2
    assert changes["born_segments"].list.len().sum() == 0


def test_a_run_reports_who_stayed_moved_came_and_went(small_build: Built, second: Built) -> None:
    joined = both(small_build, second).filter(pl.col("category") == "Bread")
    stayed = joined.drop_nulls()
    kept = stayed.filter(pl.col("segment_id") == pl.col("segment_id_after")).height
    assert 0 < kept < stayed.height
    bread = last_changes(second).row(0, named=True)
    assert bread["n_stores_before"] == 40
    assert bread["n_new_stores"] == len(NEW)
    assert bread["n_gone_stores"] == len(GONE)
    assert bread["n_moved_stores"] == stayed.height - kept
    assert bread["retention"] == pytest.approx(kept / stayed.height)
    ids = [set(joined[column].drop_nulls()) for column in ("segment_id", "segment_id_after")]
    assert bread["born_segments"] == sorted(ids[1] - ids[0])
    assert bread["died_segments"] == sorted(ids[0] - ids[1])
    assert bread["internal_model_id"] == second.in_force()["Bread"]


def test_a_run_without_changes_reports_full_retention(third: Built) -> None:
    changes = last_changes(third)
    assert changes["retention"].to_list() == [1.0, 1.0]
    assert (
        changes.select("born_segments", "died_segments", "split_segments", "merged_segments")[
            "born_segments"
        ]
        .list.len()
        .sum()
        == 0
    )
    assert third.project.value("select count(distinct run_id) from segments.segment_changes") == 3


def test_transitions_between_any_two_runs_are_the_cross_table_of_both(
    small_build: Built, third: Built
) -> None:
    runs = third.project.query(
        "select distinct run_id, run_started_at from segments.segment_changes order by 2"
    )["run_id"]
    expected = (
        both(small_build, third)
        .group_by("category", "segment_id", "segment_id_after")
        .agg(pl.len().cast(pl.Int64).alias("n_stores"))
        .sort(pl.all())
    )
    for later in (runs[1], runs[2]):
        found = third.project.query(
            "select category, from_segment_id as segment_id, to_segment_id as segment_id_after,"
            " n_stores from segments.segment_transitions"
            " where from_run_id = ? and to_run_id = ?",
            [runs[0], later],
        ).sort(pl.all())
        assert found.equals(expected)
    pairs = third.project.value(
        "select count(distinct (from_run_id, to_run_id)) from segments.segment_transitions"
    )
    assert pairs == 3


def test_the_history_dates_its_rows_by_the_runs(second: Built) -> None:
    unknown = second.project.query(
        "select dbt_valid_from from segments.store_segments_history"
        " where dbt_valid_from not in (select started_at from governance.runs)"
        " or dbt_valid_to not in (select started_at from governance.runs)"
    )
    assert unknown.is_empty()
    assert (
        second.project.value(
            "select count(distinct dbt_valid_from) from segments.store_segments_history"
        )
        == 2
    )


def test_the_registry_says_when_each_model_was_used(small_build: Built, third: Built) -> None:
    runs = third.project.query("select started_at from governance.runs order by 1")["started_at"]
    used = {
        row["model_id"]: (row["n_runs"], row["first_used_at"], row["last_used_at"])
        for row in third.project.query("select * from governance.model_registry").to_dicts()
    }
    assert used[small_build.in_force()["Bread"]] == (1, runs[0], runs[0])
    assert used[third.in_force()["Bread"]] == (2, runs[1], runs[2])
    assert used[third.in_force()["external"]] == (3, runs[0], runs[2])


def test_a_full_refresh_keeps_changes_and_uses(third: Built, tmp_path: Path) -> None:
    project = copy_of(third.project, tmp_path / "refreshed")
    project.build("--full-refresh", *OWN_INPUTS, variables=third.variables)
    for table in ("segments.segment_changes", "governance.model_uses"):
        assert project.value(f"select count(distinct run_id) from {table}") == 4


@pytest.fixture(scope="module")
def noisy(small_build: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A second build with two stores fewer and an external column of noise."""
    folder = tmp_path_factory.mktemp("noise")
    inputs = small_inputs()
    remain = ~pl.col("store_id").is_in(GONE)
    noise = pl.Series("shelf_humidity", np.random.default_rng(7).normal(50, 5, 40).round(2))
    inputs = replace(
        inputs,
        sales=inputs.sales.filter(remain),
        demographics=inputs.demographics.with_columns(noise).filter(remain),
    )
    return small_build.continued(folder / "build", **inputs.write(folder / "inputs"))


def test_noise_and_stores_that_are_gone_change_no_segment_and_no_name(
    small_build: Built, noisy: Built
) -> None:
    assert set(noisy.in_force().values()).isdisjoint(small_build.in_force().values())
    stayed = both(small_build, noisy).drop_nulls("segment_id_after")
    assert stayed.height == 2 * (40 - len(GONE))
    assert stayed["segment_id"].to_list() == stayed["segment_id_after"].to_list()
    names = "select category, segment_id, segment_name from segments.segment_names order by all"
    assert noisy.project.query(names).equals(small_build.project.query(names))
    maps = "select distinct category, map_id from lanes.training_segments order by all"
    assert noisy.project.query(maps).equals(small_build.project.query(maps))
