"""Exports as they come from tills and spreadsheets: right, or refused before anything changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from .helpers import OWN_INPUTS, QUICK, Built, Inputs, Project, is_listed, small_inputs

#: Tables that a refused build leaves as they are.
KEPT: Final = (
    "segments.store_segments",
    "segments.store_segments_history",
    "governance.model_registry",
    "features.int_sales_by_need_state",
    "features.feat_external",
)
UNKNOWN_PRODUCT: Final = "product_id has no accepted row in products"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build once, with a published file, a history and models."""
    folder = tmp_path_factory.mktemp("good")
    project = Project(folder / "build")
    variables = {**small_inputs().write(folder / "inputs"), "segmentation": dict(QUICK)}
    return Built(project, variables, project.build(*OWN_INPUTS, variables=variables))


def refusal(
    built: Built,
    inputs: Inputs,
    folder: Path,
    starts_with: str = "Invalid Input Error: inputs.",
    **settings: Any,
) -> str:
    """Build again with other inputs, which has to fail and change nothing; return the message."""
    project = built.project
    before = [project.table(name) for name in KEPT]
    published = project.published.read_bytes()
    variables = {
        **inputs.write(folder / "inputs"),
        "segmentation": {**QUICK, **settings},
    }
    run = project.dbt("build", *OWN_INPUTS, variables=variables)
    assert not run.success
    assert "Traceback" not in run.shown
    assert project.published.read_bytes() == published
    for name, table in zip(KEPT, before, strict=True):
        assert project.table(name).equals(table), name
    (line,) = dict.fromkeys(run.lines_with(starts_with))
    message = line.strip().removeprefix("Invalid Input Error: ")
    assert is_listed(message)
    return message


def test_dates_that_cannot_be_read_are_refused_and_change_nothing(
    good: Built, tmp_path: Path
) -> None:
    inputs = small_inputs()
    late = inputs.sales.with_columns(pl.lit("some day").alias("sold_on"))
    message = refusal(good, replace(inputs, sales=late), tmp_path, "inputs.sales: ")
    assert message.startswith("inputs.sales: 100 % of the sales, ")
    assert "sold_on is not a date, such as `some day`; dates have a year of four digits" in message


def test_dates_in_another_format_are_the_same_dates(good: Built, tmp_path: Path) -> None:
    inputs = small_inputs()
    german = inputs.sales.with_columns(pl.lit("31.01.2025").alias("sold_on"))
    variables = {**replace(inputs, sales=german).write(tmp_path / "inputs")}
    variables["segmentation"] = dict(QUICK)
    sums = "features.int_sales_by_need_state"
    before = good.project.table(sums)
    good.project.build("--select", f"+{sums.partition('.')[2]}", *OWN_INPUTS, variables=variables)
    assert good.project.table(sums).equals(before)


def test_more_lost_money_than_the_limit_is_refused_with_the_reasons(
    good: Built, tmp_path: Path
) -> None:
    inputs = small_inputs()
    products = inputs.products.filter(pl.col("product_id") != "1-1")
    message = refusal(good, replace(inputs, products=products), tmp_path)
    assert f"were rejected: {UNKNOWN_PRODUCT} (" in message
    assert "of the sales, such as `1-1`)" in message
    assert "segmentation.max_rejected_share (now 5.0 %)" in message
    rejected = good.project.query(
        "select reason, count(*) from governance.rejected_rows group by all"
    )
    assert rejected.rows() == [(UNKNOWN_PRODUCT, 40)]


def test_stores_without_a_common_id_are_refused_with_the_setting_that_would_match_them(
    good: Built, tmp_path: Path
) -> None:
    inputs = small_inputs()
    lower = inputs.demographics.with_columns(pl.col("store_id").str.to_lowercase())
    message = refusal(good, replace(inputs, demographics=lower), tmp_path)
    assert "none of the 40 ids, such as `s001`, is in sales" in message
    assert "set segmentation.ignore_in_ids: [case]" in message


def test_a_loss_that_a_setting_allows_is_built_and_listed(good: Built, tmp_path: Path) -> None:
    inputs = small_inputs()
    products = inputs.products.filter(pl.col("product_id") != "1-1")
    variables = {
        **replace(inputs, products=products).write(tmp_path / "inputs"),
        "segmentation": {**QUICK, "max_rejected_share": 1},
    }
    selected = ("--select", "+int_sales_by_need_state", "+rejected_rows")
    good.project.build(*selected, *OWN_INPUTS, variables=variables)
    verdict = good.project.query(
        "select n_rejected_rows, refusal from features.int_input_verdicts where input = 'sales'"
    )
    assert verdict.rows() == [(40, None)]


def staged(folder: Path, frames: Mapping[str, pl.DataFrame], **settings: Any) -> Project:
    """Build what comes before the models."""
    project = Project(folder)
    folder.mkdir(parents=True, exist_ok=True)
    locations = {}
    for name, frame in frames.items():
        locations[name] = str(folder / f"{name}.csv")
        frame.write_csv(locations[name])
    variables = {
        "inputs": locations,
        "external_sources": sorted(set(frames) - {"sales", "products"}),
        "segmentation": settings,
    }
    run = project.dbt(
        "build",
        "--select",
        "+feat_internal",
        "+feat_external",
        "+data_reconciliation",
        "+dim_stores",
        *OWN_INPUTS,
        variables=variables,
    )
    assert run.success, run.shown
    return project


def test_till_lines_that_repeat_each_other_all_count(tmp_path: Path) -> None:
    lines = [
        {"store_id": f"S{store:02d}", "product_id": product, "sales_amount": "2.50"}
        for store in range(1, 41)
        for product, n in (("coffee", 90 if store % 2 else 30), ("tea", 30 if store % 2 else 90))
        for _ in range(n)
    ]
    products = pl.DataFrame(
        {
            "product_id": ["coffee", "tea"],
            "category": ["Cafe", "Cafe"],
            "need_state": ["Coffee", "Tea"],
        }
    )
    frames = {"sales": pl.DataFrame(lines), "products": products}

    project = staged(tmp_path / "kept", frames)

    shares = project.query(
        "select store_id, round(shares[1], 4) as coffee from features.feat_internal order by 1"
    )
    assert shares["coffee"].to_list() == [0.75, 0.25] * 20
    assert project.query(
        "select n_rows, sales_amount::double, repeated_share"
        " from governance.data_reconciliation where input = 'sales'"
    ).rows() == [(len(lines), 2.5 * len(lines), 1 - 80 / len(lines))]
    once = staged(tmp_path / "once", frames, duplicate_sales="reject")
    assert once.value("select sum(n_rows) from features.int_sales_by_need_state") == 80


def test_ids_written_with_decimals_match_whole_numbers(tmp_path: Path) -> None:
    good = small_inputs()
    number = pl.col("store_id").str.slice(1).cast(pl.Int64)
    project = staged(
        tmp_path,
        {
            "sales": good.sales.with_columns(pl.format("{}.0", number).alias("store_id")),
            "products": good.products,
            "demographics": good.demographics.with_columns(number.alias("store_id")),
        },
    )
    both = project.value(
        "select count(*) from features.dim_stores where has_sales and has_external"
    )
    assert both == 40


def test_ids_that_lost_their_zeros_warn_and_match_on_request(tmp_path: Path) -> None:
    good = small_inputs()
    number = pl.col("store_id").str.slice(1)
    frames = {
        "sales": good.sales.with_columns(number.alias("store_id")),
        "products": good.products,
        "demographics": good.demographics.with_columns(
            pl.when(number != "040")
            .then(number.str.strip_chars_start("0"))
            .otherwise(number)
            .alias("store_id")
        ),
    }
    matched = "select count(*) from features.dim_stores where has_sales and has_external"

    project = staged(tmp_path / "text", frames)
    hint = project.value(
        "select id_hint from features.int_input_verdicts where input = 'demographics'"
    )
    assert project.value(matched) == 1
    assert hint == (
        "39 of the 40 store ids of demographics are not in sales, but 39 of them would be:"
        " `1` and `001`, for example; set segmentation.ignore_in_ids: [leading_zeros]"
    )
    assert is_listed(hint)

    project = staged(tmp_path / "numbers", frames, ignore_in_ids=["leading_zeros"])
    assert project.value(matched) == 40
    hints = project.query("select id_hint from features.int_input_verdicts")["id_hint"]
    assert hints.null_count() == len(hints)


def test_a_text_that_differs_in_every_store_is_no_feature_and_none_is_a_value(
    tmp_path: Path,
) -> None:
    good = small_inputs()
    stores = good.demographics.with_row_index("n").select(
        "store_id",
        pl.format("Manager {}", "n").alias("manager"),
        pl.when(pl.col("n") % 2 == 0)
        .then(pl.lit("none"))
        .otherwise(pl.lit("Aldi"))
        .alias("competitor"),
    )
    project = staged(
        tmp_path, {"sales": good.sales, "products": good.products, "demographics": stores}
    )
    features = project.query(
        "select feature from features.scope_features where lane = 'external' order by 1"
    )
    assert features["feature"].to_list() == [
        "demographics.competitor = Aldi",
        "demographics.competitor = none",
    ]
    identifiers = project.query(
        "select column_name from features.int_external_columns where is_identifier"
    )
    assert identifiers["column_name"].to_list() == ["manager"]


def test_weekly_facts_are_aggregated_as_asked(tmp_path: Path) -> None:
    good = small_inputs()
    weeks = pl.concat(
        [
            good.demographics.select(
                "store_id",
                pl.lit(visits).alias("visits"),
                pl.lit(visits).alias("newest"),
                pl.lit(weather).alias("weather"),
            )
            for visits, weather in ((10, "rain"), (30, "sun"), (20, "rain"))
        ]
    )
    project = staged(
        tmp_path,
        {"sales": good.sales, "products": good.products, "foot_traffic": weeks},
        external_aggregation={"foot_traffic.visits": "sum", "foot_traffic.new*": "last"},
    )
    cells = project.query(
        "select distinct column_name, cell from features.int_external_cells order by 1"
    )
    assert cells.rows() == [("newest", "20.0"), ("visits", "60.0"), ("weather", "rain")]


def test_the_gate_counts_no_row_that_a_setting_leaves_out(tmp_path: Path) -> None:
    good = small_inputs()
    old = good.sales.with_columns(pl.lit("2020-01-31").alias("sold_on"))
    returns = good.sales.with_columns(pl.lit("-1").alias("sales_amount"))
    project = staged(
        tmp_path,
        {"sales": pl.concat([good.sales, good.sales, old, returns]), "products": good.products},
        sales_window={"start": "2025-01-01"},
        duplicate_sales="reject",
        returns="reject",
    )
    verdict = project.query(
        "select n_rows, n_rejected_rows, refusal from features.int_input_verdicts"
        " where input = 'sales'"
    )
    assert verdict.rows() == [(len(good.sales), 0, None)]
    reasons = project.query("select reason from governance.rejected_rows group by all order by 1")
    assert reasons["reason"].to_list() == [
        "row repeats another one exactly",
        "sales_amount is negative",
        "sold_on is before the sales_window",
    ]
    assert json.loads(project.value("select min(input_row) from governance.rejected_rows"))
