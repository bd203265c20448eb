"""Many categories: wall time against the CPU time of the fits, and against PyCaret's recipe."""

from __future__ import annotations

import os
import resource
from dataclasses import replace
from typing import Any, Final

import duckdb
import polars as pl

from benchmarks import data
from benchmarks.harness import PAIRS, Stopwatch, Suite, curve, measure, ratio_row, scaled

TARGET: Final = "Many scopes"
STORES, LARGE_CATEGORIES = 1_000, 200
ALONE, RECIPES, MAX_K = 8, 3, 10
GROWTH: Final = (10, 20, 40)
OVERHEAD_LIMIT, RECIPE_LIMIT = 1.25, 10.0


def features_of(categories: int, stores: int = STORES) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`feat_internal` and `scope_features` of the generated shops."""
    from segmentation.features.vectors import internal_features  # noqa: PLC0415
    from segmentation.settings import Settings  # noqa: PLC0415

    with duckdb.connect() as connection:
        sales = connection.sql(
            f"""
            select store_id, category, need_state, sales_amount, 1 as n_rows
            from '{data.shop_sales(stores, categories)}'
            inner join '{data.shop_products(categories)}' using (product_id)
            """
        ).pl()
    names = (
        sales.select(scope="category", feature="need_state")
        .unique()
        .sort("scope", "feature")
        .with_columns(
            lane=pl.lit("internal"),
            category_column=pl.lit(None, dtype=pl.String),
            position=pl.int_range(1, pl.len() + 1).over("scope"),
        )
    )
    return internal_features(sales, names, Settings(None)), names


def lane(categories: int) -> dict[str, Any]:
    """Fit all categories as `internal_cluster_models` does, start of the processes included."""
    from joblib.externals.loky import get_reusable_executor  # noqa: PLC0415

    from segmentation.fitting.registry import fit_lane  # noqa: PLC0415
    from segmentation.settings import Settings  # noqa: PLC0415

    features, names = features_of(categories)
    settings = Settings(None)
    by_scope = {str(scope): part for (scope,), part in sorted(features.group_by("scope"))}
    watch = Stopwatch.start()
    rows = fit_lane("internal", by_scope, names, settings, None, lambda _: None)
    measured = watch.read()
    get_reusable_executor().shutdown(wait=True)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured["cpu_seconds"] += children.ru_utime + children.ru_stime
    return {
        **measured,
        "cores": len(os.sched_getaffinity(0)),
        "statuses": dict(rows["status"].value_counts().iter_rows()),
        "child_peak_mb": children.ru_maxrss * 1024 / 1e6,
    }


def alone(categories: int, chosen: int) -> dict[str, Any]:
    """CPU time of a few of the fits, one after the other in one process that has its libraries."""
    from segmentation.fitting.registry import training_data  # noqa: PLC0415
    from segmentation.fitting.scope import fit_scope  # noqa: PLC0415
    from segmentation.settings import Settings  # noqa: PLC0415

    features, names = features_of(categories)
    settings = Settings(None)
    given = []
    for scope in features["scope"].unique().sort().to_list()[:chosen]:
        of_scope = settings.for_scope("internal", scope)
        part = features.filter(pl.col("scope") == scope)
        names_of_scope = names.filter(pl.col("scope") == scope)
        given.append((training_data("internal", part, names_of_scope, of_scope), of_scope))
    fit_scope(*given[0])
    watch = Stopwatch.start()
    for data_of_scope, of_scope in given:
        fit_scope(data_of_scope, of_scope)
    return {**watch.read()}


def recipe(categories: int, chosen: int) -> dict[str, Any]:
    """PyCaret's own recipe per category: a `setup` per step added, all k, `assign_model`."""
    os.environ.setdefault("PYCARET_CUSTOM_LOGGING_PATH", os.devnull)
    import pandas as pd  # noqa: PLC0415
    from pycaret.clustering import ClusteringExperiment  # noqa: PLC0415

    features, names = features_of(categories)
    quiet = {"session_id": 42, "html": False, "verbose": False, "system_log": False}
    steps: list[dict[str, Any]] = [
        {},
        {"normalize": True, "normalize_method": "robust"},
        {"remove_multicollinearity": True, "multicollinearity_threshold": 0.95},
        {"low_variance_threshold": 0.0},
        {"pca": True, "pca_components": 0.8},
    ]
    watch = Stopwatch.start()
    for scope in features["scope"].unique().sort().to_list()[:chosen]:
        part = features.filter(pl.col("scope") == scope)
        width = names.filter(pl.col("scope") == scope).height
        frame = pd.DataFrame(part["x"].to_list(), columns=[f"f{column}" for column in range(width)])
        given: dict[str, Any] = {}
        for step in steps:
            given |= step
            experiment = ClusteringExperiment()
            experiment.setup(frame, **quiet, **given)
        for k in range(2, MAX_K + 1):
            model = experiment.create_model("kmeans", num_clusters=k, verbose=False)
            experiment.pull()
        experiment.assign_model(model, verbose=False)
    return {**watch.read()}


def results(suite: Suite) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the large size, the curve of small ones."""
    for size in (LARGE_CATEGORIES,) if suite == "bench-large" else GROWTH:
        data.shop_sales(STORES, size)
        data.shop_products(size)
    if suite == "bench":
        points = [(float(size), measure(lane, categories=size)) for size in GROWTH]
        name = "fits of categories (1,000 stores)"
        return [], [curve(TARGET, name, "categories", suite, points)]
    given = {"categories": LARGE_CATEGORIES}
    runs = [
        (
            measure(lane, **given),
            scaled(measure(alone, **given, chosen=ALONE), LARGE_CATEGORIES / ALONE),
            scaled(measure(recipe, **given, chosen=RECIPES), LARGE_CATEGORIES / RECIPES),
        )
        for _ in range(PAIRS)
    ]
    # one after the other the fits would take their CPU time; the cores share it
    ideal = [
        (ours, replace(fits, seconds=fits.cpu_seconds / ours.result["cores"]))
        for ours, fits, _ in runs
    ]
    name = f"{LARGE_CATEGORIES} categories x 1,000 stores x 12 need states"
    return [
        ratio_row(
            TARGET,
            f"{name}: wall time against CPU time of the fits / cores",
            suite,
            ideal,
            OVERHEAD_LIMIT,
            "at most",
            f"CPU time of {ALONE} fits alone, scaled; processes and PyCaret's imports included",
        ),
        ratio_row(
            TARGET,
            f"{name}: against PyCaret's own recipe",
            suite,
            [(ours, peer) for ours, _, peer in runs],
            RECIPE_LIMIT,
            "at least",
            f"the recipe on {RECIPES} categories, scaled; without stability and gap statistic",
        ),
    ], []
