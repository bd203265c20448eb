"""What a later build does to the models and tables of an earlier one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from segmentation.warehouse.fingerprints import differing_tables

from .helpers import (
    OWN_INPUTS,
    THREE_CLUSTERS,
    Built,
    DbtRun,
    Project,
    copy_of,
    small_inputs,
    with_noise,
)

#: Stores of the first kind, of which there are 14, one more than of the others.
GONE: Final = ("S001", "S004", "S007", "S010")
_CLUSTERS: Final = "select scope, store_id, cluster from lanes.internal_clusters order by all"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of all projects of this file."""
    return tmp_path_factory.mktemp("rebuild")


@pytest.fixture(scope="module")
def working_directory(folder: Path) -> Path:
    """Where the first build is called from."""
    return folder / "elsewhere"


@pytest.fixture(scope="module")
def first(folder: Path, working_directory: Path) -> Built:
    """The first build, by the dbt command in a process of its own, called from elsewhere."""
    project = Project(folder / "first")
    project.folder.mkdir()
    variables = {**small_inputs().write(folder / "inputs"), "segmentation": THREE_CLUSTERS}
    working_directory.mkdir()
    process = subprocess.run(
        [
            str(Path(sys.executable).with_name("dbt")),
            *project.command("build", variables),
            *OWN_INPUTS,
        ],
        cwd=working_directory,
        env={**os.environ, **project.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    shown = process.stdout + process.stderr
    assert process.returncode == 0, shown
    return Built(project, variables, DbtRun(success=True, statuses={}, shown=shown))


@pytest.fixture(scope="module")
def changed_sales(first: Built, folder: Path) -> Built:
    """A later build: one category's sales have changed a little, and some stores no longer sell it.

    The stores that are gone come from the largest cluster, which is then the smallest one.
    """
    inputs = with_noise(small_inputs(), "Bread", 0.03)
    gone = pl.col("store_id").is_in(GONE) & pl.col("product_id").str.starts_with("1-")
    inputs = replace(inputs, sales=inputs.sales.filter(~gone))
    return first.continued(folder / "changed", **inputs.write(folder / "changed-inputs"))


def test_dbt_called_from_elsewhere_leaves_nothing_there(
    first: Built, working_directory: Path
) -> None:
    assert first.fitted_scopes() == {"Bread", "Cheese", "external"}
    assert list(working_directory.iterdir()) == []


def test_unchanged_inputs_give_the_same_tables_without_a_fit(first: Built, folder: Path) -> None:
    again = first.continued(folder / "again")
    assert again.fitted_scopes() == set()
    assert len(again.run.lines_with(": unchanged, model ")) == 3
    assert differing_tables(first.project.fingerprints(), again.project.fingerprints()) == []


def test_a_file_replaced_under_the_same_name_size_and_time_changes_the_result(
    first: Built, folder: Path
) -> None:
    variables = small_inputs().write(folder / "replaced-inputs")
    before = first.continued(folder / "before-replacement", **variables)
    sales = Path(variables["inputs"]["sales"])
    facts, text = sales.stat(), sales.read_text()
    total = "select sum(sales_amount) from features.int_sales_by_need_state"
    amount = text.splitlines()[1].split(",")[3]
    more = f"{int(amount[0]) % 9 + 1}{amount[1:]}"
    sales.write_text(text.replace(f",{amount},", f",{more},", 1))
    os.utime(sales, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert sales.stat().st_size == facts.st_size
    after = before.continued(folder / "after-replacement")
    assert after.project.value(total) != before.project.value(total)


def test_changed_sales_of_one_category_fit_that_category_only(
    first: Built, changed_sales: Built
) -> None:
    assert changed_sales.fitted_scopes() == {"Bread"}
    before, after = first.models(), changed_sales.models()
    assert after["Bread"][0] == before["Bread"][0]
    assert len(after["Bread"]) == 2
    assert changed_sales.in_force()["Bread"] == after["Bread"][1]
    assert {scope: after[scope] for scope in ("Cheese", "external")} == {
        scope: before[scope] for scope in ("Cheese", "external")
    }


def test_cluster_numbers_last_when_the_data_changes_and_the_order_of_sizes_with_it(
    first: Built, changed_sales: Built
) -> None:
    both = first.project.query(_CLUSTERS).join(
        changed_sales.project.query(_CLUSTERS),
        on=["scope", "store_id"],
        how="left",
        suffix="_after",
    )
    bread = both.filter((pl.col("scope") == "Bread") & pl.col("store_id").is_in(GONE).not_())
    assert bread.height == 40 - len(GONE)
    assert bread["cluster"].to_list() == bread["cluster_after"].to_list()
    sizes = bread.group_by("cluster").len().sort("cluster")["len"].to_list()
    assert sizes != sorted(sizes, reverse=True)


def test_the_same_inputs_as_earlier_bring_the_earlier_model_back_without_a_fit(
    first: Built, changed_sales: Built, folder: Path
) -> None:
    back = changed_sales.continued(folder / "back", inputs=first.variables["inputs"])
    assert back.fitted_scopes() == set()
    assert back.in_force() == first.in_force()
    for name in ("lanes.internal_clusters", "segments.store_segments", "segments.segment_summary"):
        assert back.project.table(name).equals(first.project.table(name)), name


def test_a_pinned_model_scores_although_a_newer_one_is_there(
    first: Built, changed_sales: Built, folder: Path
) -> None:
    earlier = first.in_force()["Bread"]
    pinned = changed_sales.continued(
        folder / "pinned", segmentation={**THREE_CLUSTERS, "pinned_models": {"Bread": earlier}}
    )
    assert pinned.fitted_scopes() == set()
    assert pinned.in_force()["Bread"] == earlier
    used = pinned.project.query(
        "select distinct internal_model_id from segments.store_segments where category = 'Bread'"
    )
    assert used.to_series().to_list() == [earlier]


@pytest.mark.parametrize("model_id", ["0000000000000000", "'; drop table x; --"])
def test_a_pinned_model_that_does_not_exist_stops_the_build_and_names_those_that_do(
    first: Built, tmp_path: Path, model_id: str
) -> None:
    project = copy_of(first.project, tmp_path / "unknown-pin")
    settings = {**THREE_CLUSTERS, "retrain": "never", "pinned_models": {"Bread": model_id}}
    run = project.dbt("build", *OWN_INPUTS, variables={**first.variables, "segmentation": settings})
    assert not run.success
    assert run.statuses == {}
    (line,) = run.lines_with("segmentation.pinned_models.Bread")
    assert f"'{model_id}'" in line
    assert first.in_force()["Bread"] in line
    assert "Traceback" not in run.shown


def test_a_changed_setting_fits_the_scopes_it_concerns(first: Built, folder: Path) -> None:
    scopes = {"Cheese": {"pca_variance": 0.9}}
    changed = first.continued(folder / "setting", segmentation={**THREE_CLUSTERS, "scopes": scopes})
    assert changed.fitted_scopes() == {"Cheese"}
    assert len(changed.models()["Cheese"]) == 2


def test_a_full_refresh_keeps_the_models_and_fits_nothing(first: Built, folder: Path) -> None:
    project = copy_of(first.project, folder / "refreshed")
    run = project.build("--full-refresh", *OWN_INPUTS, variables=first.variables)
    refreshed = Built(project, first.variables, run)
    assert refreshed.fitted_scopes() == set()
    assert refreshed.models() == first.models()
    assert len(run.lines_with(": unchanged, model ")) == 3
    assert differing_tables(first.project.fingerprints(), project.fingerprints()) == []


def test_a_build_without_data_does_not_empty_segments_and_history(
    first: Built, tmp_path: Path
) -> None:
    project = copy_of(first.project, tmp_path / "empty")
    before = project.value("select count(*) from segments.store_segments_history")
    run = project.dbt("build", "--empty", *OWN_INPUTS, variables=first.variables)
    assert not run.success
    (line,) = run.lines_with("--empty")
    assert "STORE_SEGMENTS_DB" in line
    assert project.value("select count(*) from segments.store_segments") > 0
    assert before == project.value(
        "select count(*) from segments.store_segments_history where dbt_valid_to is null"
    )


def test_retrain_never_scores_new_stores_with_the_models_that_are_there(
    first: Built, folder: Path
) -> None:
    inputs = small_inputs()
    names = [f"S{number:03d}" for number in range(1, 7)]
    twins = {
        field: pl.concat(
            [
                table,
                table.filter(pl.col("store_id").is_in(names)).with_columns(
                    pl.format("N{}", "store_id").alias("store_id")
                ),
            ]
        )
        for field, table in (("sales", inputs.sales), ("demographics", inputs.demographics))
    }
    never = first.continued(
        folder / "never",
        **replace(inputs, **twins).write(folder / "never-inputs"),
        segmentation={**THREE_CLUSTERS, "retrain": "never"},
    )
    assert never.models() == first.models()
    assert never.fitted_scopes() == set()
    rows = never.project.query(
        "select store_id, category, internal_cluster, external_cluster"
        " from segments.store_segments order by all"
    )
    new = rows.filter(pl.col("store_id").str.starts_with("N"))
    old = rows.filter(pl.col("store_id").is_in(names))
    assert new.height == len(names) * 2
    assert new.drop("store_id").equals(old.drop("store_id"))


@pytest.mark.parametrize("command", ["compile", "docs generate"])
def test_an_empty_database_can_be_compiled_and_documented(tmp_path: Path, command: str) -> None:
    project = Project(tmp_path)
    run = project.dbt(command)
    assert run.success, run.shown
    assert set(run.statuses.values()) <= {"success"}
    compiled = tmp_path / "target" / "compiled" / "store_segments" / "models"
    assert len(list(compiled.rglob("*_components.sql"))) == 2
