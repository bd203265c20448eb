"""How well each store fits its cluster or segment, and which one comes next."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.spatial.distance import cdist

from segmentation.features.vectors import Matrix, to_matrix
from segmentation.fitting.silhouettes import silhouettes
from segmentation.segments.merging import joint_coordinates, with_lanes
from segmentation.settings import LANES, Lane, ScopeSettings, Settings

COHESION_SCHEMA: Final = pl.Schema(
    {
        "lane": pl.String(),
        "scope": pl.String(),
        "store_id": pl.String(),
        "label": pl.String(),
        "silhouette": pl.Float64(),
        "distance": pl.Float64(),
        "next_label": pl.String(),
        "next_distance": pl.Float64(),
    }
)


def store_silhouettes(
    z: Matrix, labels: npt.NDArray[np.str_], sample: int, seed: int
) -> npt.NDArray[np.float64]:
    """Silhouette of each store (Rousseeuw 1987), exact among the stores that are measured.

    Parameters
    ----------
    z
        Stores x coordinates.
    labels
        Cluster or segment of each store.
    sample
        Above as many stores a random sample of that size is measured, as in the search of k.
    seed
        Of the sample.

    Returns
    -------
    numpy.ndarray
        -1 to 1 per store; NaN for stores outside the sample, and for all of them if there are not
        at least two labels and fewer labels than stores.
    """
    chosen = np.arange(len(z))
    if len(z) > sample:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(z))[:sample])
    measured = np.full(len(z), np.nan)
    known, numbers = np.unique(labels[chosen], return_inverse=True)
    if 1 < len(known) < len(chosen):
        (measured[chosen],) = silhouettes(z[chosen], [numbers])
    return measured


def cohesion(
    merged: pl.DataFrame,
    clusters: dict[Lane, pl.DataFrame],
    components: dict[Lane, pl.DataFrame],
    settings: Settings,
) -> pl.DataFrame:
    """Silhouettes and distances of the stores in the clusters of each lane and in the segments.

    Parameters
    ----------
    merged
        category, store_id, segment_id.
    clusters
        Per lane scope, store_id, cluster, is_outlier, is_thin_history. Stores that a model did
        not learn from do not count: their distance is measured, but they shape no centroid (unless
        their segment has no others) and have no silhouette. So the mean silhouette of a lane is
        the one of the search of k.
    components
        Per lane scope, store_id, z.
    settings
        For `silhouette_sample` and `seed`.

    Returns
    -------
    polars.DataFrame
        Schema `COHESION_SCHEMA`, one row per lane (`internal`, `external` or `merged`), scope and
        store with a cluster, sorted. `next_label` has the nearest other centroid; null where there
        is only one.
    """
    frames = [pl.DataFrame(schema=COHESION_SCHEMA)]
    learned = pl.col("is_outlier").not_() & pl.col("is_thin_history").not_()
    known: dict[Lane, pl.DataFrame] = {}
    for lane in LANES:
        known[lane] = (
            clusters[lane]
            .filter(pl.col("cluster").is_not_null())
            .select("scope", "store_id", label=pl.col("cluster").cast(pl.String), learned=learned)
            .join(components[lane].select("scope", "store_id", "z"), on=["scope", "store_id"])
            .sort("scope", "store_id")
        )
        for (scope,), part in known[lane].group_by("scope", maintain_order=True):
            given = settings.for_scope(lane, str(scope))
            frames.append(_fits(lane, str(scope), part, to_matrix(part["z"]), given))
    stores = with_lanes(
        merged.select("category", "store_id", "segment_id"),
        known["internal"].select(
            "store_id", category="scope", internal_z="z", internal_learned="learned"
        ),
        known["external"].select("store_id", external_z="z", external_learned="learned"),
    ).with_columns(
        label="segment_id",
        learned=pl.all_horizontal(pl.col("^.*_learned$").fill_null(value=True)),
    )
    for (category,), part in stores.group_by("category", maintain_order=True):
        given = settings.for_scope("internal", str(category))
        frames.append(_fits("merged", str(category), part, joint_coordinates(part), given))
    return pl.concat(frames).sort("lane", "scope", "store_id")


def _fits(
    lane: str, scope: str, stores: pl.DataFrame, z: Matrix, given: ScopeSettings
) -> pl.DataFrame:
    """Rows of one lane and scope; `stores` has store_id, label and learned."""
    labels = stores["label"].to_numpy()
    learned = stores["learned"].to_numpy()
    known = np.unique(labels)
    members = [(labels == label) & learned for label in known]
    centroids = np.stack(
        [
            z[those if those.any() else labels == label].mean(axis=0)
            for those, label in zip(members, known, strict=True)
        ]
    )
    distances = cdist(z, centroids)
    rows = np.arange(len(z))
    own = np.searchsorted(known, labels)
    own_distances = distances[rows, own]
    distances[rows, own] = np.inf
    following = distances.argmin(axis=1)
    has_other = len(known) > 1
    measured = np.full(len(z), np.nan)
    measured[learned] = store_silhouettes(
        z[learned], labels[learned], given.silhouette_sample, given.seed
    )
    return pl.DataFrame(
        {
            "lane": lane,
            "scope": scope,
            "store_id": stores["store_id"],
            "label": labels,
            "silhouette": pl.Series(measured).fill_nan(None),
            "distance": own_distances,
            "next_label": known[following] if has_other else None,
            "next_distance": distances[rows, following] if has_other else None,
        },
        schema=COHESION_SCHEMA,
    )
