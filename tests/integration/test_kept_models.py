"""A model that stays in force while the data around it changes: `retrain: never`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from segmentation.features.vectors import Matrix, closure, log_shares
from segmentation.fitting.model import AffineModel

from .helpers import THREE_CLUSTERS, Built, Inputs, small_inputs

NEED_STATES = ("Basic", "Fancy", "Fresh", "Late", "Organic")
#: Bread is no longer sold late; toys are new in both categories, in a few stores.
VANISHED_PRODUCT = "1-4"
TOY_STORES = tuple(f"S{number:03d}" for number in range(1, 11))
#: One store so rich that the logarithm of the income is taken from now on.
RICH = "S040"


def later_inputs() -> Inputs:
    """Inputs of a later time: other need states, other columns, another level, other shapes."""
    inputs = small_inputs()
    toys = pl.DataFrame(
        {
            "store_id": [*TOY_STORES, *TOY_STORES],
            "product_id": ["1-6"] * len(TOY_STORES) + ["2-6"] * len(TOY_STORES),
            "sold_on": "2025-01-31",
            "sales_amount": "5000.00",
            "units": "1",
        }
    )
    toy_products = pl.DataFrame(
        {
            "product_id": ["1-6", "2-6"],
            "product_name": "Toy",
            "category": ["Bread", "Cheese"],
            "need_state": "Toys",
        }
    )
    income = pl.col("median_income_usd")
    return Inputs(
        sales=pl.concat([inputs.sales.filter(pl.col("product_id") != VANISHED_PRODUCT), toys]),
        products=pl.concat([inputs.products, toy_products]),
        demographics=inputs.demographics.drop("median_age_years").with_columns(
            pl.when(pl.col("store_id") == RICH)
            .then(pl.lit("9999999.0"))
            .otherwise(income)
            .alias("median_income_usd"),
            pl.col("area_type").replace("rural", "suburb"),
            pl.int_range(pl.len()).cast(pl.String).alias("noise_level"),
        ),
    )


@pytest.fixture(scope="module")
def kept(small_build: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A later build that scores with the existing models."""
    folder = tmp_path_factory.mktemp("kept")
    return small_build.continued(
        folder / "build",
        **later_inputs().write(folder / "inputs"),
        segmentation={**THREE_CLUSTERS, "retrain": "never"},
    )


def component_scores(built: Built, lane: str, scope: str) -> dict[str, list[float]]:
    """Component scores of every store of a scope."""
    rows = built.project.query(
        f"select store_id, z from lanes.{lane}_components where scope = ? order by 1", [scope]
    )
    return dict(rows.iter_rows())


def model(built: Built, lane: str, scope: str) -> AffineModel:
    """The model in force of a scope, as the package reads it."""
    row = built.project.query(
        f"select * from lanes.{lane}_cluster_models where model_id = ?", [built.in_force()[scope]]
    )
    return AffineModel.from_row(row.row(0, named=True))


def usage(built: Built, scope: str) -> dict[str, str]:
    """What scoring does with each feature of a scope."""
    rows = built.project.query(
        "select feature, usage from governance.feature_usage where scope = ?", [scope]
    )
    return dict(rows.iter_rows())


def amounts(inputs: Inputs, category_number: int) -> tuple[list[str], Matrix]:
    """Money per store and need state that the models know, computed from the inputs alone."""
    wide = (
        inputs.sales.filter(
            pl.col("product_id").is_in([f"{category_number}-{state}" for state in range(1, 6)])
        )
        .with_columns(pl.col("sales_amount").cast(pl.Float64))
        .pivot(on="product_id", index="store_id", values="sales_amount", aggregate_function="sum")
        .sort("store_id")
    )
    columns = [
        wide[name].to_numpy() if name in wide.columns else np.zeros(wide.height)
        for name in (f"{category_number}-{state}" for state in range(1, 6))
    ]
    return wide["store_id"].to_list(), np.column_stack(columns)


def test_no_model_is_fitted(small_build: Built, kept: Built) -> None:
    assert kept.models() == small_build.models()
    assert kept.fitted_scopes() == set()


def test_every_feature_that_vanished_changed_or_is_unknown_is_listed(kept: Built) -> None:
    bread = usage(kept, "Bread")
    assert (bread["Late"], bread["Toys"]) == ("vanished", "unknown to the model")
    assert usage(kept, "Cheese")["Toys"] == "unknown to the model"
    external = usage(kept, "external")
    assert external["demographics.median_age_years"] == "vanished"
    assert external["demographics.median_income_usd"] == "converted"
    assert external["demographics.area_type = rural"] == "level not seen"
    assert external["demographics.area_type = suburb"] == "unknown to the model"
    assert external["demographics.noise_level"] == "unknown to the model"


def test_a_need_state_that_the_model_does_not_know_moves_no_store(
    small_build: Built, kept: Built
) -> None:
    before = component_scores(small_build, "internal", "Cheese")
    after = component_scores(kept, "internal", "Cheese")
    assert list(after) == list(before)
    for store, scores in before.items():
        np.testing.assert_allclose(after[store], scores, atol=1e-9)


def test_a_need_state_that_nobody_buys_any_more_counts_as_a_share_of_nothing(kept: Built) -> None:
    stores, money = amounts(later_inputs(), 1)
    x = log_shares(closure(money), 0.05)
    expected = model(kept, "internal", "Bread").transform(NEED_STATES, x)
    found = component_scores(kept, "internal", "Bread")
    assert list(found) == stores
    np.testing.assert_allclose(np.array(list(found.values())), expected, atol=1e-9)


def test_external_columns_are_read_in_the_form_that_the_model_knows(kept: Built) -> None:
    demographics = later_inputs().demographics.sort("store_id")
    columns: dict[str, Any] = {
        "demographics.median_income_usd": demographics["median_income_usd"].cast(pl.Float64)
    }
    for level in ("urban", "town", "rural"):
        indicator = (demographics["area_type"] == level).cast(pl.Float64)
        columns[f"demographics.area_type = {level}"] = indicator
    x = np.column_stack([column.to_numpy() for column in columns.values()])
    expected = model(kept, "external", "external").transform(list(columns), x)
    found = component_scores(kept, "external", "external")
    np.testing.assert_allclose(np.array(list(found.values())), expected, rtol=1e-9, atol=1e-9)


def test_what_drifted_is_named_by_tests_that_warn(kept: Built) -> None:
    drifted = kept.project.query(
        "select scope, feature from governance.drift where has_drifted and subject = 'feature'"
    ).rows()
    assert ("Bread", "Late") in drifted
    assert ("external", "demographics.median_age_years") in drifted
    assert ("Cheese", "Basic") not in drifted
    names = ("nothing_has_drifted", "kept_features_are_known_today")
    run = kept.project.dbt("test", "--select", *names, variables=kept.variables)
    assert run.success
    assert {run.statuses[name] for name in names} == {"warn"}
    (line,) = run.lines_with("WARN nothing_has_drifted: lane external, scope external")[:1]
    assert "feature demographics." in line
    assert run.lines_with("WARN kept_features_are_known_today: lane internal, scope Bread")


def test_the_terminal_names_what_drifted(kept: Built) -> None:
    (line,) = kept.run.lines_with("demographics.median_age_years")
    assert "drift" in line.lower()


def test_right_after_a_fit_nothing_has_drifted(small_build: Built) -> None:
    drift = small_build.project.query("select * from governance.drift")
    assert drift.height > 15
    assert drift["stability_index"].abs().max() == 0.0
    assert not drift["has_drifted"].any()


def test_a_pin_on_the_data_of_its_time_gives_the_segments_of_that_time(
    small_build: Built, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("pinned")
    later = small_build.continued(folder / "later", **later_inputs().write(folder / "inputs"))
    assert later.in_force() != small_build.in_force()
    pinned = later.continued(
        folder / "pinned",
        inputs=small_build.variables["inputs"],
        segmentation={**THREE_CLUSTERS, "pinned_models": small_build.in_force()},
    )
    assert pinned.fitted_scopes() == set()
    for table in ("store_segments", "segment_summary", "segment_profiles", "store_explanations"):
        assert pinned.project.table(f"segments.{table}").equals(
            small_build.project.table(f"segments.{table}")
        ), table


def test_a_pinned_model_scores_a_store_that_it_has_never_seen(
    small_build: Built, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("new-store")
    inputs = small_inputs()
    twin = inputs.sales.filter(pl.col("store_id") == "S007").with_columns(
        pl.lit("NEW").alias("store_id")
    )
    built = small_build.continued(
        folder / "build",
        **replace(inputs, sales=pl.concat([inputs.sales, twin])).write(folder / "inputs"),
        segmentation={**THREE_CLUSTERS, "pinned_models": small_build.in_force()},
    )
    rows = built.project.query(
        "select store_id, internal_cluster, internal_reason from segments.store_explanations"
        " where category = 'Bread' and store_id in ('NEW', 'S007') order by 1"
    ).rows()
    assert [row[1:] for row in rows] == [rows[0][1:]] * 2
