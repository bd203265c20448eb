"""The most similar stores within a segment."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.spatial import KDTree

from segmentation.features.vectors import Matrix
from segmentation.segments.merging import joint_coordinates, with_lanes

#: Enough to look at, few enough to know each of them.
N_PEERS: Final = 5

_PEER: Final = pl.Struct({"store_id": pl.String(), "distance": pl.Float64()})
PEERS_SCHEMA: Final = pl.Schema(
    {"category": pl.String(), "store_id": pl.String(), "peers": pl.List(_PEER)}
)


def nearest_stores(
    z: Matrix, n_peers: int = N_PEERS
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Nearest other stores of each store by Euclidean distance, equal distances in their order.

    Parameters
    ----------
    z
        Stores x coordinates, without missing values.
    n_peers
        How many neighbours at most.

    Returns
    -------
    tuple
        Stores x neighbours: their rows in `z`, nearest first, and their distances. Where more
        stores than asked for are equally near, the same data gives the same ones of them.
    """
    wanted = min(n_peers, len(z) - 1)
    if wanted < 1:
        return np.empty((len(z), 0), dtype=np.int64), np.empty((len(z), 0))
    # a coordinate that is the same for all, for stores of which nothing else is known
    points = np.column_stack([z, np.zeros(len(z))])
    distances, rows = KDTree(points).query(points, k=wanted + 1)
    distances[rows == np.arange(len(z))[:, np.newaxis]] = np.inf  # itself is behind all others
    order = np.lexsort((rows, distances), axis=1)[:, :wanted]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)


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
    ).with_row_index("row")
    pairs = []
    for _, part in stores.group_by("category", maintain_order=True):
        joint = joint_coordinates(part)
        rows, segments = part["row"].to_numpy(), part["segment_id"].to_numpy()
        for segment in np.unique(segments):
            members = np.flatnonzero(segments == segment)
            found, distances = nearest_stores(joint[members])
            own = np.repeat(rows[members], found.shape[1])
            pairs.append((own, rows[members][found.ravel()], distances.ravel()))
    if not pairs:
        return pl.DataFrame(schema=PEERS_SCHEMA)
    row, peer, distance = (np.concatenate(column) for column in zip(*pairs, strict=True))
    peers = (
        pl.DataFrame({"row": row, "store_id": stores["store_id"][peer], "distance": distance})
        .group_by("row", maintain_order=True)
        .agg(peers=pl.struct("store_id", "distance"))
    )
    return (
        stores.join(peers, on="row", how="left")
        .select("category", "store_id", pl.col("peers").fill_null([]))
        .match_to_schema(PEERS_SCHEMA)
        .sort("category", "store_id")
    )
