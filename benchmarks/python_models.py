"""Of the time of each Python model, how much dbt-duckdb and the conversion of frames take.

A model's time is what dbt says of it: reading tables as frames, the function of the package, writing
the frame, dbt's transaction. All but the function counts as conversion, a view that a model reads
and the commit to the disk included. Shared libraries are imported before, as one model would have
to stand for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from benchmarks import data
from benchmarks.dbt_runs import dbt, scratch
from benchmarks.harness import ROOT, Suite, measure, row, spread

TARGET: Final = "Python models"
#: Enough for peers and cohesion to take more than a second.
STORES, CATEGORIES, RUNS = 10_000, 6, 5
#: A short search for k keeps a run below a minute; conversion is a larger part of short fits.
SEARCH: Final = {
    "min_clusters": 6,
    "max_clusters": 6,
    "stability_resamples": 3,
    "gap_references": 3,
}
SHARE_LIMIT: Final = 0.15
#: Models whose fastest run is shorter, in seconds, are left out: their times depend on what else the
#: machine does. `feat_internal` mostly converts, and exceeds the limit from two million cells on.
SHORT: Final = 1.0
#: Drawing takes longer than all the rest, and is measured once.
DRAWING: Final = "drawn_pictures"
#: What each model calls of the package: all else is conversion and dbt-duckdb.
CALLS: Final = {
    "feat_internal": ("segmentation.features.vectors", "internal_features"),
    "feat_external": ("segmentation.features.vectors", "external_features"),
    "internal_cluster_models": ("segmentation.fitting.registry", "fit_lane"),
    "external_cluster_models": ("segmentation.fitting.registry", "fit_lane"),
    "segment_map": ("segmentation.segments.merging", "map_cells"),
    "merged_segments": ("segmentation.segments.merging", "merge_lanes"),
    "int_segment_traits": ("segmentation.segments.wording", "segment_traits"),
    "segment_wording": ("segmentation.segments.wording", "segment_wording"),
    "cluster_rules": ("segmentation.segments.rules", "cluster_rules"),
    "store_cohesion": ("segmentation.segments.cohesion", "cohesion"),
    "store_peers": ("segmentation.segments.peers", "segment_peers"),
    "first_half_models": ("segmentation.evaluation.first_half", "first_half_models"),
    "int_segment_validity": ("segmentation.evaluation.tables", "validity_table"),
    "int_expected_shares": ("segmentation.evaluation.tables", "expected_shares_table"),
    "int_segment_room": ("segmentation.evaluation.tables", "room_table"),
    "int_segment_products": ("segmentation.evaluation.products", "segment_products"),
    "int_product_rankings": ("segmentation.evaluation.tables", "ranking_table"),
    "int_value_of_k": ("segmentation.evaluation.tables", "value_table"),
    "int_segment_budget": ("segmentation.evaluation.tables", "budget_table"),
    "int_store_groups": ("segmentation.evaluation.tables", "store_groups_table"),
    "int_new_stores": ("segmentation.evaluation.tables", "new_stores_table"),
    "drift_scores": ("segmentation.segments.drift", "lane_drift"),
    DRAWING: ("segmentation.pictures.catalog", "draw_all"),
}


def build(picture_formats: list[str]) -> dict[str, Any]:
    """A build with one thread; the seconds of each Python model, and of its call of the package."""
    spent: list[tuple[str, float]] = []

    def timed(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments, **named)
            lane = f"{named['lane']}_cluster_models" if name == "fit_lane" else name
            spent.append((lane, time.perf_counter() - start))
            return result

        return call

    for module, name in sorted(set(CALLS.values())):
        loaded = import_module(module)
        setattr(loaded, name, timed(getattr(loaded, name), name))
    variables = {
        "inputs": {
            "sales": str(data.shop_sales(STORES, CATEGORIES)),
            "products": str(data.shop_products(CATEGORIES)),
            "demographics": str(data.shop_demographics(STORES)),
        },
        "external_sources": ["demographics"],
        "segmentation": {**SEARCH, "picture_formats": picture_formats},
    }
    with scratch() as folder:
        nodes = dbt(
            folder,
            "build",
            "--threads",
            "1",
            "--exclude-resource-type",
            "test",
            "--exclude-resource-type",
            "seed",
            variables=variables,
        )["nodes"]
    inside = dict(spent)
    python = {path.stem for path in (ROOT / "models").rglob("*.py")}
    return {
        "models": {
            model: [nodes[model], inside[model if function == "fit_lane" else function]]
            for model, (_, function) in CALLS.items()
            if model in python
        },
        "unknown": sorted(python - set(CALLS)),
    }


def results(suite: Suite) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A row per Python model that takes a second; there is no curve and nothing large."""
    if suite == "bench-large":
        return [], []
    data.shop_sales(STORES, CATEGORIES)
    data.shop_products(CATEGORIES)
    data.shop_demographics(STORES)
    drawing = measure(build, picture_formats=["png"])
    runs = [drawing, *(measure(build, picture_formats=[]) for _ in range(RUNS - 1))]
    if drawing.result["unknown"]:
        raise RuntimeError(f"python_models.CALLS lacks {drawing.result['unknown']}")
    rows = []
    for model in CALLS:
        measured = [drawing] if model == DRAWING else runs
        seconds = [run.result["models"][model] for run in measured]
        if min(whole for whole, _ in seconds) < SHORT:
            continue
        rows.append(
            row(
                TARGET,
                f"`{model}`",
                suite,
                [max(0.0, 1 - inside / whole) for whole, inside in seconds],
                SHARE_LIMIT,
                "at most",
                note=f"{STORES:,} stores, {CATEGORIES} categories; all but the function of the"
                " package, as a share of the model",
                ours_seconds=spread([whole for whole, _ in seconds]),
            )
        )
    return rows, []
