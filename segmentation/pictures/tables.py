"""The tables of the warehouse as the drawings read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from segmentation.settings import LANES, Lane

#: Where each table has its scope: rows of `lane` and `scope`, or of `category`.
Tables = Mapping[str, pl.DataFrame]
#: Columns of `search` that are drawn, with their titles.
INDICES: Final = {
    "silhouette": "Silhouette (high is good)",
    "calinski_harabasz": "Calinski-Harabasz (high is good)",
    "davies_bouldin": "Davies-Bouldin (low is good)",
}


def picture_tables(
    clusters: Mapping[Lane, pl.DataFrame],
    components: Mapping[Lane, pl.DataFrame],
    models: pl.DataFrame,
    search: pl.DataFrame,
    centroids: pl.DataFrame,
    loadings: pl.DataFrame,
    cohesion: pl.DataFrame,
    profiles: pl.DataFrame,
    summary: pl.DataFrame,
    merged: pl.DataFrame,
    movements: pl.DataFrame,
) -> Tables:
    """Sorted rows of the models in force, with `lane` and `scope` or `category` in each table."""
    in_force = models.select("lane", "scope", "model_id")
    return {
        "scopes": in_force,
        "search": search.join(in_force, on=["lane", "scope", "model_id"])
        .select(
            "lane",
            "scope",
            "k",
            *INDICES,
            passed=pl.col("rank_sum").is_not_null(),
            is_chosen="is_chosen",
        )
        .sort("lane", "scope", "k"),
        "silhouettes": cohesion.filter(
            pl.col("lane") != "merged", pl.col("silhouette").is_not_null()
        ).select("lane", "scope", "store_id", "label", "silhouette"),
        **component_tables(clusters, components, models, centroids, loadings),
        "profiles": profiles.filter(pl.col("is_used"))
        .select(
            "category",
            "segment_id",
            "feature",
            "label",
            "n_stores",
            "difference_in_sd",
            "effect_size",
            feature_lane="lane",
        )
        .sort("category", "segment_id", "feature_lane", "feature"),
        "mix": profiles.filter(pl.col("lane") == "internal")
        .select("category", "segment_id", "feature", "mean_value", "overall_mean")
        .sort("category", "segment_id", "feature"),
        "segments": summary.select(
            "category",
            "segment_id",
            "segment_name",
            "n_stores",
            "share_of_stores",
            "share_of_sales",
        ).sort("category", "segment_id"),
        "cells": merged.group_by("category", "internal_cluster", "external_cluster", "segment_id")
        .agg(n_stores=pl.len(), is_own=~pl.col("was_reassigned").any())
        .sort("category", "internal_cluster", "external_cluster", "segment_id"),
        "movements": where_stores_moved(movements),
    }


def where_stores_moved(movements: pl.DataFrame) -> pl.DataFrame:
    """Sorted rows of the categories in which a store has moved, come or gone between runs."""
    moved = pl.col("from_segment_id").ne_missing(pl.col("to_segment_id"))
    return movements.filter(moved.any().over("category")).sort(
        "category", "from_segment_id", "to_segment_id"
    )


def component_tables(
    clusters: Mapping[Lane, pl.DataFrame],
    components: Mapping[Lane, pl.DataFrame],
    models: pl.DataFrame,
    centroids: pl.DataFrame,
    loadings: pl.DataFrame,
) -> Tables:
    """Stores and centroids on the first two components, and what the components explain."""
    in_force = models.select("lane", "scope", "model_id")
    wide = (
        centroids.join(in_force, on=["lane", "model_id"], suffix="_in_force")
        .filter(pl.col("component") <= 2)  # noqa: PLR2004 (the two axes)
        .pivot(on="component", index=["lane", "scope", "cluster"], values="coordinate")
    )
    stores = [
        components[lane]
        .join(clusters[lane].drop("model_id"), on=["scope", "store_id"])
        .filter(pl.col("cluster").is_not_null())
        .select(
            pl.lit(lane).alias("lane"),
            "scope",
            "store_id",
            pl.col("z").list.get(0, null_on_oob=True).alias("first"),
            pl.col("z").list.get(1, null_on_oob=True).fill_null(0).alias("second"),
            "cluster",
            "is_outlier",
            "is_thin_history",
        )
        for lane in LANES
    ]
    return {
        "components": pl.concat(stores)
        .filter(pl.col("first").is_not_null())
        .sort("lane", "scope", "store_id"),
        "centroids": wide.select(
            "lane",
            "scope",
            "cluster",
            first=pl.col("1") if "1" in wide.columns else pl.lit(0.0),
            second=pl.col("2") if "2" in wide.columns else pl.lit(0.0),
        ).sort("lane", "scope", "cluster"),
        "variance": loadings.join(in_force, on=["lane", "scope", "model_id"])
        .group_by("lane", "scope", "component")
        .agg(share=pl.col("explained_variance_share").first())
        .sort("lane", "scope", "component"),
    }
