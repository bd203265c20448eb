"""`make demo`: The Complete Journey, from the package's files to segments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from .helpers import REPOSITORY, DbtRun, Project


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, DbtRun]:
    """Prepare the panel and build it with the vars of the demo, data tests included."""
    folder = tmp_path_factory.mktemp("demo")
    subprocess.run(
        [
            sys.executable,
            str(REPOSITORY / "scripts/prepare_complete_journey.py"),
            "--output",
            str(folder / "data"),
        ],
        check=True,
        capture_output=True,
    )
    variables: dict[str, Any] = yaml.safe_load((REPOSITORY / "demo/vars.yml").read_text())
    variables["inputs"] = {
        name: str(folder / "data" / Path(location).name)
        for name, location in variables["inputs"].items()
    }
    project = Project(folder)
    run = project.dbt("build", variables=variables)
    return project, run


def test_the_panel_builds_and_passes_every_data_test(demo: tuple[Project, DbtRun]) -> None:
    _, run = demo
    assert run.success, run.shown
    assert run.lines_with("430 stores, 430 with sales, 268 with external data")


def test_thin_stores_are_scored_and_do_not_learn(demo: tuple[Project, DbtRun]) -> None:
    project, _ = demo
    thin = project.query(
        """
        select count(*) as n_thin, count(cluster) as n_scored
        from lanes.internal_clusters
        where is_thin_history
        """
    )
    assert thin["n_thin"].item() > 1000
    assert thin["n_scored"].item() == thin["n_thin"].item()
    trained, scored = project.query(
        """
        select n_stores, (select count(*) from lanes.internal_clusters where scope = 'Grocery')
        from governance.model_registry where scope = 'Grocery'
        """
    ).row(0)
    assert trained < scored / 2


@pytest.mark.parametrize("scope", ["Grocery", "Produce"])
def test_a_department_without_groups_says_so(demo: tuple[Project, DbtRun], scope: str) -> None:
    project, _ = demo
    status, reason, k = project.query(
        "select status, reason, k from governance.model_registry where scope = ?", [scope]
    ).row(0)
    assert (status, k) == ("no_structure", 1)
    assert "one cluster describes the stores best" in reason


def test_departments_have_verdicts_on_the_second_half_of_the_year(
    demo: tuple[Project, DbtRun],
) -> None:
    project, run = demo
    found = project.query("select * from segments.segment_validity")
    own = found.filter(pl.col("predictor") == "own mix, shrunken")
    assert own.height == 8
    # the panel's households come back to their stores, so the past of a store says something
    assert set(own["verdict"]) == {"holds"}
    assert own["skill"].is_between(0.05, 0.4).all()
    clusters = found.filter(pl.col("predictor") == "internal clusters")
    assert set(clusters["verdict"]) <= {"holds", "does not hold", "not possible"}
    assert found.filter(pl.col("predictor") == "segments")["verdict"].unique().to_list() == [
        "not possible"
    ]
    for sentence in clusters.filter(pl.col("verdict") != "not possible")["explanation"]:
        assert run.lines_with(sentence)


def test_the_first_half_is_fitted_once(demo: tuple[Project, DbtRun]) -> None:
    project, _ = demo
    rows = project.query("select scope, count(*) as n from lanes.first_half_models group by all")
    assert rows["n"].to_list() == [1] * 8
    in_force = project.query("select model_id from governance.current_cluster_models")
    first = project.query("select model_id from lanes.first_half_models")
    assert set(in_force["model_id"]).isdisjoint(first["model_id"])


def test_periods_have_the_money_of_the_need_states(demo: tuple[Project, DbtRun]) -> None:
    project, _ = demo
    by_period, by_need_state, n_periods = project.query(
        """
        select
            (select sum(sales_amount) from features.int_sales_by_period)::decimal(18, 2),
            (select sum(sales_amount) from features.int_need_state_net_sales)::decimal(18, 2),
            (select count(distinct period_start) from features.int_sales_by_period)
        """
    ).row(0)
    assert by_period == by_need_state
    assert n_periods in {26, 27}


def test_room_is_compared_with_what_chance_gives(demo: tuple[Project, DbtRun]) -> None:
    project, _ = demo
    sums = project.query("select * from segments.segment_room where segment_id is null")
    assert sums.height == 8
    assert sums["null_bound_share"].is_between(0, 0.02).all()
    assert (sums["room_low"] <= sums["room"]).all()
    assert (sums["room"] <= sums["room_high"]).all()


def test_every_store_has_one_group_and_one_expected_mix(demo: tuple[Project, DbtRun]) -> None:
    project, _ = demo
    n_stores = project.value("select count(distinct store_id) from segments.store_segments")
    assert project.value("select count(*) from segments.store_groups") == n_stores
    losses = project.query("select * from segments.store_group_losses")
    assert losses.height == 8
    sums = project.query(
        "select category, store_id, sum(expected_share) as total from segments.expected_shares"
        " group by all"
    )
    assert sums["total"].to_list() == pytest.approx([1.0] * len(sums))
