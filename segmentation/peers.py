"""Which stores of a segment are most alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from scipy.spatial import KDTree

from segmentation.features import Matrix
from segmentation.merging import joint_coordinates, with_lanes

#: Enough to look at, few enough to know each of them.
N_PEERS: Final = 5

_PEER = pl.Struct({"store_id": pl.String(), "distance": pl.Float64()})
PEERS_SCHEMA: Final = pl.Schema(
    {"category": pl.String(), "store_id": pl.String(), "peers": pl.List(_PEER)}
)


def nearest_stores(
    store_ids: Sequence[str], z: Matrix, n_peers: int = N_PEERS
) -> list[list[tuple[str, float]]]:
    """Nearest other stores of each store by Euclidean distance, equal distances by id.

    Parameters
    ----------
    store_ids
        Sorted, one per row of `z`.
    z
        Stores x coordinates, without missing values.
    n_peers
        How many neighbours at most.

    Returns
    -------
    list
        Per store its neighbours, nearest first, with their distance. Where more stores than asked
        for are equally near, the same data gives the same ones of them.
    """
    wanted = min(n_peers, len(store_ids) - 1)
    if wanted < 1:
        return [[] for _ in store_ids]
    # a coordinate that is the same for all, for stores of which nothing else is known
    points = np.column_stack([z, np.zeros(len(z))])
    distances, rows = KDTree(points).query(points, k=wanted + 1)
    found = []
    for row, (near, others) in enumerate(zip(distances.tolist(), rows.tolist(), strict=True)):
        ranked = sorted(
            (distance, store_ids[other])
            for distance, other in zip(near, others, strict=True)
            if other != row
        )
        found.append([(store, distance) for distance, store in ranked[:wanted]])
    return found


def segment_peers(
    merged: pl.DataFrame, internal_components: pl.DataFrame, external_components: pl.DataFrame
) -> pl.DataFrame:
    """Nearest stores in the same segment, both lanes together.

    Near is meant in `joint_coordinates`, in which both lanes weigh the same.

    Parameters
    ----------
    merged
        category, store_id, segment_id.
    internal_components, external_components
        scope, store_id, z of each lane.

    Returns
    -------
    polars.DataFrame
        Schema `PEERS_SCHEMA`, one row per category and store, sorted.
    """
    stores = with_lanes(
        merged.select("category", "store_id", "segment_id"),
        internal_components.select("store_id", category="scope", internal_z="z"),
        external_components.select("store_id", external_z="z"),
    )
    rows: list[tuple[str, str, list[dict[str, object]]]] = []
    for (category,), part in stores.group_by("category", maintain_order=True):
        joint = joint_coordinates(part)
        ids = part["store_id"].to_list()
        segments = part["segment_id"].to_numpy()
        for segment in np.unique(segments):
            members = np.flatnonzero(segments == segment)
            peers = nearest_stores([ids[row] for row in members], joint[members])
            rows.extend(
                (str(category), ids[row], [{"store_id": s, "distance": d} for s, d in near])
                for row, near in zip(members, peers, strict=True)
            )
    return pl.DataFrame(rows, schema=PEERS_SCHEMA, orient="row").sort("category", "store_id")
