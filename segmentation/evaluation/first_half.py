"""Clusters that could have been known before the second half of the sales."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import polars as pl

from segmentation.engine.session import Engine
from segmentation.evaluation.periods import Panel, halves, of_category, panels, too_little
from segmentation.features.vectors import (
    INTERNAL_SCHEMA,
    Matrix,
    has_few_rows,
    internal_features,
    to_matrix,
)
from segmentation.fitting.model import AffineModel
from segmentation.fitting.registry import fit_lane, training_data, training_data_sha256
from segmentation.settings import Settings
from segmentation.warehouse.parts import RowsBy, collected

_SCOPE_FEATURES: Final = pl.Schema(
    {
        "lane": pl.String(),
        "scope": pl.String(),
        "feature": pl.String(),
        "category_column": pl.String(),
        "position": pl.Int64(),
    }
)


@dataclass(frozen=True)
class FirstHalf:
    """What was known of one category when the first half ended.

    Attributes
    ----------
    features
        Rows of the category as `feat_internal` has them, from the first half alone.
    scope_features
        The need states sold in it, as `scope_features` has them.
    """

    features: pl.DataFrame
    scope_features: pl.DataFrame

    def learned_from(self) -> list[str]:
        """Stores with enough history to learn from, sorted."""
        return self.features.filter(~pl.col("is_thin_history"))["store_id"].sort().to_list()


@dataclass(frozen=True)
class FirstClusters:
    """Clusters of one category, fitted on the first half.

    Attributes
    ----------
    labels
        Cluster of each store that sold in the first half; empty without clusters.
    scores
        Stores x components, in the order of `stores`.
    stores
        Ids of these stores, sorted.
    problem
        Why there are no clusters; None if there are.
    """

    labels: dict[str, str]
    scores: Matrix
    stores: tuple[str, ...]
    problem: str | None


def first_half(
    sales: duckdb.DuckDBPyRelation, whole: Panel, category: str, settings: Settings
) -> FirstHalf:
    """Describe the stores of one category by the first half of its sales.

    Parameters
    ----------
    sales
        `int_sales_by_period`: store_id, category, need_state, period_start, sales_amount, n_rows.
    whole
        The same sales of the category as a panel.
    category
        The category.
    settings
        As for the whole time; half of `min_training_sales` and `min_training_rows` is enough for
        half of the time.

    Returns
    -------
    FirstHalf
        Without rows if there is too little data to compare two halves (`periods.too_little`).
    """
    first, second = halves(whole)
    if too_little(first, second) is not None:
        return FirstHalf(pl.DataFrame(schema=INTERNAL_SCHEMA), pl.DataFrame(schema=_SCOPE_FEATURES))
    before = duckdb.ColumnExpression("period_start") < duckdb.ConstantExpression(second.starts[0])
    keys = "store_id, category, need_state"
    known = (
        of_category(sales, category)
        .filter(before)
        .aggregate(
            f"{keys}, sum(sales_amount) as sales_amount, sum(n_rows)::bigint as n_rows", keys
        )
        .filter("sales_amount > 0")
        .pl()
    )
    need_states = known["need_state"].unique().sort()
    scope_features = pl.DataFrame(
        {
            "lane": ["internal"] * len(need_states),
            "scope": [category] * len(need_states),
            "feature": need_states,
            "category_column": pl.Series([None] * len(need_states), dtype=pl.String),
            "position": range(1, len(need_states) + 1),
        },
        schema=_SCOPE_FEATURES,
    )
    features = internal_features(known, scope_features, settings)
    chosen = settings.for_scope("internal", category)
    few = has_few_rows(features["n_rows"].to_numpy(), chosen.min_training_rows // 2)
    is_thin = (pl.col("sales_amount") < chosen.min_training_sales / 2) | pl.Series(few)
    return FirstHalf(features.with_columns(is_thin_history=is_thin), scope_features)


def first_half_models(
    session: Any,
    sales: duckdb.DuckDBPyRelation,
    categories: Iterable[str],
    settings: Settings,
    existing: pl.DataFrame | None,
    engine: Engine | None = None,
) -> pl.DataFrame:
    """Rows to add to `first_half_models`: the internal lane, fitted on the first half.

    Models are found by content, as those of the lanes are (`registry.fit_lane`). The first half of
    one category is made and read after the other.

    Parameters
    ----------
    session
        Cursor that reads `sales`; it gets a temporary table.
    sales
        `int_sales_by_period`.
    categories
        The categories to fit.
    settings
        Parsed settings.
    existing
        All rows of the table so far, None on the first build.
    engine
        As in `registry.fit_lane`.

    Returns
    -------
    polars.DataFrame
        Schema `MODEL_SCHEMA`; no row where nothing is new, or where two halves cannot be compared.
    """
    names = [pl.DataFrame(schema=_SCOPE_FEATURES)]

    def features() -> Iterator[pl.DataFrame]:
        for category, whole in panels(sales, sorted(categories), settings.project.period):
            known = first_half(sales, whole, category, settings)
            names.append(known.scope_features)
            yield known.features

    kept = collected(session, "first_half_parts", features(), INTERNAL_SCHEMA)
    return fit_lane(
        lane="internal",
        features=RowsBy(kept, "scope"),
        scope_features=pl.concat(names),
        settings=settings,
        existing=existing,
        report=lambda _: None,
        engine=engine,
    )


def first_clusters(
    known: FirstHalf, category: str, models: pl.DataFrame, settings: Settings
) -> FirstClusters:
    """Clusters of the stores by the model that was fitted on exactly these rows.

    Parameters
    ----------
    known
        Result of `first_half`.
    category
        The category.
    models
        `first_half_models`.
    settings
        Parsed settings.
    """
    if known.features.is_empty():
        return FirstClusters({}, np.empty((0, 0)), (), "there is too little data")
    width = len(known.scope_features)
    data = training_data(
        "internal", known.features, known.scope_features, settings.for_scope("internal", category)
    )
    sha256 = training_data_sha256(data)
    fitted = models.filter(
        pl.col("scope") == category, pl.col("training_data_sha256") == sha256
    ).sort("in_force_order")
    stores = tuple(known.features["store_id"].to_list())
    scores: Matrix = to_matrix(known.features["x"], width)[:, :0]
    if fitted.is_empty():
        problem = "no model was fitted on the first half, because retrain is never"
        return FirstClusters({}, scores, stores, problem)
    row: dict[str, Any] = fitted.row(-1, named=True)
    if row["status"] == "failed":
        return FirstClusters(
            {}, scores, stores, f"the first half alone has no model: {row['reason']}"
        )
    model = AffineModel.from_row(row)
    names = known.scope_features["feature"].to_list()
    scores = model.transform(names, to_matrix(known.features["x"], width))
    if len(model.clusters) < 2:  # noqa: PLR2004
        return FirstClusters({}, scores, stores, "the first half alone does not fall into groups")
    clusters = model.predict(scores)
    labels = {store: str(cluster) for store, cluster in zip(stores, clusters, strict=True)}
    return FirstClusters(labels, scores, stores, None)


def known_before(
    history: duckdb.DuckDBPyRelation, category: str, day: dt.date
) -> tuple[pl.DataFrame, dt.date | None]:
    """Segments and clusters that were in force when the second half began.

    Parameters
    ----------
    history
        `store_segments_history`.
    category
        The category.
    day
        First day of the second half.

    Returns
    -------
    tuple
        store_id, segment_id, internal_cluster, external_cluster (text; null without one), and the
        day of the build that made the newest of these rows; no rows and None if there was none.
    """
    moment = duckdb.ConstantExpression(dt.datetime.combine(day, dt.time()))
    valid_to = duckdb.ColumnExpression("dbt_valid_to")
    found = (
        of_category(history, category)
        .filter(duckdb.ColumnExpression("dbt_valid_from") < moment)
        .filter(valid_to.isnull() | (valid_to >= moment))
        .select(
            "store_id, segment_id, internal_cluster::varchar as internal_cluster,"
            " external_cluster::varchar as external_cluster, dbt_valid_from::date as known_on"
        )
        .pl()
        .sort("store_id")
    )
    newest = found["known_on"].max()
    return found.drop("known_on"), newest if isinstance(newest, dt.date) else None
