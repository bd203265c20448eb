"""Two lanes into segments: cells of the cross-table, small ones dissolved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from segmentation.features.vectors import Matrix, to_matrix
from segmentation.settings import EXTERNAL_SCOPE, Settings

_MOVE = pl.Struct(
    {
        "step": pl.Int32(),
        "from_cell": pl.String(),
        "into_cell": pl.String(),
        "n_stores": pl.Int64(),
        "distance": pl.Float64(),
    }
)

MERGED_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "store_id": pl.String(),
        "internal_cluster": pl.Int32(),
        "external_cluster": pl.Int32(),
        "cell_id": pl.String(),
        "segment_id": pl.String(),
        "was_reassigned": pl.Boolean(),
        "moves": pl.List(_MOVE),
    }
)

#: How a scope without a usable model stands in `cell_precedence`.
NO_MODEL: Final = "none"
#: How a missing lane is written in the name of a cell.
_MISSING: Final = "x"


@dataclass(frozen=True)
class Move:
    """One dissolved cell: at which step, its size then, where it went and how far that was."""

    step: int
    from_cell: str
    into_cell: str
    n_stores: int
    distance: float


def cell_name(internal_cluster: int | None, external_cluster: int | None) -> str:
    """Name of a cell: both cluster numbers, `x` for a lane that does not know the store."""
    parts = (internal_cluster, external_cluster)
    return "-".join(_MISSING if part is None else str(part) for part in parts)


def dissolve_small_cells(
    cells: Sequence[str],
    lanes: Sequence[Matrix],
    minimum: int,
    precedence: Mapping[str, int] | None = None,
) -> tuple[dict[str, str], list[Move]]:
    """Dissolve cells below `minimum` bottom-up, as in agglomerative clustering by centroids.

    The smallest cell joins the one whose centroid is nearest, centroids are computed again, until
    every cell is large enough or one is left. A joined cell keeps the name that comes first in
    `precedence`, by default that of the larger part.
    The squared distance of two cells is the mean over the lanes of the squared distance in that
    lane. A lane that does not know both cells counts with its typical value, the mean over all
    pairs of cells it knows: not to know a cell makes it neither near nor far. Ties go to the cell
    whose name sorts first.

    Parameters
    ----------
    cells
        Cell of each store.
    lanes
        One matrix per lane, stores x components; rows of NaN where it does not know the store.
    minimum
        Smallest size of a segment, in stores.
    precedence
        Place of each cell among those a segment may be called by; a cell without one comes last.

    Returns
    -------
    dict, list of Move
        Segment of each cell, and the moves in their order.
    """
    names = sorted(set(cells))
    index = {name: number for number, name in enumerate(names)}
    member = np.array([index[cell] for cell in cells], dtype=np.intp)
    sizes = np.bincount(member, minlength=len(names)).astype(np.int64)
    sums = [np.zeros((len(names), z.shape[1])) for z in lanes]
    counts = np.zeros((len(names), len(lanes)))
    for lane, z in enumerate(lanes):
        known = ~np.isnan(z).any(axis=1) if z.shape[1] else np.zeros(len(z), dtype=bool)
        np.add.at(sums[lane], member[known], z[known])
        np.add.at(counts[:, lane], member[known], 1.0)
    typical = [_typical_square(totals, counts[:, lane]) for lane, totals in enumerate(sums)]
    parent = list(range(len(names)))
    alive = set(range(len(names)))
    place = [(precedence or {}).get(name, math.inf) for name in names]
    moves: list[Move] = []
    while len(alive) > 1:
        smallest = min(alive, key=lambda cell: (sizes[cell], names[cell]))
        if sizes[smallest] >= minimum:
            break
        distances = {
            cell: _distance(sums, counts, typical, smallest, cell)
            for cell in alive
            if cell != smallest
        }
        target = min(distances, key=lambda cell: (distances[cell], names[cell]))
        dissolved, kept = smallest, target
        if place[smallest] < place[target]:
            dissolved, kept = target, smallest
        moves.append(
            Move(
                step=len(moves) + 1,
                from_cell=names[dissolved],
                into_cell=names[kept],
                n_stores=int(sizes[dissolved]),
                distance=distances[target],
            )
        )
        for totals in sums:
            totals[kept] += totals[dissolved]
        counts[kept] += counts[dissolved]
        sizes[kept] += sizes[dissolved]
        parent[dissolved] = kept
        alive.remove(dissolved)
    return {name: names[_root(parent, number)] for name, number in index.items()}, moves


def _distance(
    sums: Sequence[Matrix], counts: Matrix, typical: Sequence[float], first: int, second: int
) -> float:
    """Distance of the centroids of two cells, typical values in for lanes that miss one."""
    squares = []
    for lane, totals in enumerate(sums):
        if counts[first, lane] > 0 and counts[second, lane] > 0:
            difference = totals[first] / counts[first, lane] - totals[second] / counts[second, lane]
            squares.append(float((difference**2).sum()))
        else:
            squares.append(typical[lane])
    return float(np.sqrt(np.mean(squares)))


def _typical_square(totals: Matrix, counts: Matrix) -> float:
    """Mean squared distance of the centroids of all pairs of cells that a lane knows."""
    known = counts > 0
    centroids = totals[known] / counts[known, None]
    pairs = len(centroids) * (len(centroids) - 1)
    if pairs == 0:
        return 0.0
    squares = ((centroids[:, None, :] - centroids[None, :, :]) ** 2).sum(axis=2)
    return float(squares.sum()) / pairs


def _root(parent: list[int], cell: int) -> int:
    """Follow the moves of a cell to the segment it ended in."""
    while parent[cell] != cell:
        cell = parent[cell]
    return cell


def with_unit_variance(z: Matrix) -> Matrix:
    """Scale the component scores of a lane so that the lanes weigh the same.

    Parameters
    ----------
    z
        Stores x components; rows of NaN where the lane does not know the store.

    Returns
    -------
    Matrix
        Same shape; the variances of the columns add up to 1 (or all are 0).
    """
    known = z[~np.isnan(z).any(axis=1)]
    total = float(known.var(axis=0).sum()) if known.size else 0.0
    return z / np.sqrt(total) if total > 0 else z


def with_lanes(
    stores: pl.DataFrame, internal: pl.DataFrame, external: pl.DataFrame
) -> pl.DataFrame:
    """Put what both lanes know beside every category and store, sorted by them.

    Parameters
    ----------
    stores
        category, store_id.
    internal
        category, store_id and columns of the internal lane.
    external
        store_id and columns of the external lane.
    """
    return (
        stores.join(internal, on=["category", "store_id"], how="left")
        .join(external, on="store_id", how="left")
        .sort("category", "store_id")
    )


def lane_matrices(stores: pl.DataFrame) -> list[Matrix]:
    """Component scores of both lanes in a unit in which the lanes weigh the same.

    Parameters
    ----------
    stores
        Stores of one category with `internal_z` and `external_z`, null where a lane does not know
        the store.

    Returns
    -------
    list of Matrix
        Stores x components per lane; rows of NaN where it does not know the store.
    """
    return [
        with_unit_variance(_matrix_with_gaps(stores[column]))
        for column in ("internal_z", "external_z")
    ]


def joint_coordinates(stores: pl.DataFrame) -> Matrix:
    """Both lanes side by side in a unit in which they weigh the same, without gaps.

    Parameters
    ----------
    stores
        Stores of one category with `segment_id`, `internal_z` and `external_z`, null where a lane
        does not know the store.

    Returns
    -------
    Matrix
        Stores x components of both lanes. A lane that does not know a store puts it in the middle
        of what the lane knows of its segment: neither near nor far.
    """
    joint = np.hstack(lane_matrices(stores))
    segments = stores["segment_id"].to_numpy()
    for segment in np.unique(segments):
        members = segments == segment
        joint[members] = _filled(joint[members])
    return joint


def merge_lanes(
    sells: pl.DataFrame,
    internal_clusters: pl.DataFrame,
    external_clusters: pl.DataFrame,
    internal_components: pl.DataFrame,
    external_components: pl.DataFrame,
    precedence: pl.DataFrame,
    in_force: pl.DataFrame,
    settings: Settings,
) -> pl.DataFrame:
    """Segments of every category.

    Parameters
    ----------
    sells
        category, store_id: every store in every category it sells in.
    internal_clusters, external_clusters
        scope, store_id, cluster of each lane.
    internal_components, external_components
        scope, store_id, z of each lane.
    precedence
        `cell_precedence`: category, internal_model_id, external_model_id, cell_id, precedence.
    in_force
        `current_cluster_models`: lane, scope, model_id.
    settings
        Gives `min_segment_size` per category.

    Returns
    -------
    polars.DataFrame
        Schema `MERGED_SCHEMA`, one row per category and store, sorted.
    """
    stores = with_lanes(
        sells.select("category", "store_id"),
        internal_clusters.select("store_id", category="scope", internal_cluster="cluster").join(
            internal_components.select("store_id", category="scope", internal_z="z"),
            on=["category", "store_id"],
            how="left",
        ),
        external_clusters.select("store_id", external_cluster="cluster").join(
            external_components.select("store_id", external_z="z"), on="store_id", how="left"
        ),
    )
    models = {
        (str(lane), str(scope)): str(model_id)
        for lane, scope, model_id in in_force.select("lane", "scope", "model_id").iter_rows()
    }
    parts = [
        _merge_category(
            part,
            settings.for_scope("internal", str(category)).min_segment_size,
            _precedence_in_force(precedence, str(category), models),
        )
        for (category,), part in stores.group_by("category", maintain_order=True)
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=MERGED_SCHEMA)


def _precedence_in_force(
    precedence: pl.DataFrame, category: str, models: Mapping[tuple[str, str], str]
) -> dict[str, int]:
    """Places of the cells of one category under its pair of models."""
    rows = precedence.filter(
        pl.col("category") == category,
        pl.col("internal_model_id") == models.get(("internal", category), NO_MODEL),
        pl.col("external_model_id") == models.get(("external", EXTERNAL_SCOPE), NO_MODEL),
    )
    return dict(rows.select("cell_id", "precedence").iter_rows())


def _merge_category(
    stores: pl.DataFrame, minimum: int, precedence: Mapping[str, int]
) -> pl.DataFrame:
    """Cells and segments of one category."""
    cells = [
        cell_name(*clusters)
        for clusters in stores.select("internal_cluster", "external_cluster").iter_rows()
    ]
    segment_of, moves = dissolve_small_cells(cells, lane_matrices(stores), minimum, precedence)
    path: dict[str, list[dict[str, object]]] = {cell: [] for cell in segment_of}
    for move in moves:
        for cell, taken in path.items():
            here = taken[-1]["into_cell"] if taken else cell
            if here == move.from_cell:
                taken.append(vars(move))
    outcomes = pl.DataFrame(
        {
            "cell_id": list(path),
            "segment_id": [segment_of[cell] for cell in path],
            "was_reassigned": [segment_of[cell] != cell for cell in path],
            "moves": pl.Series(list(path.values()), dtype=MERGED_SCHEMA["moves"]),
        }
    )
    return (
        stores.select(
            "category",
            "store_id",
            "internal_cluster",
            "external_cluster",
            pl.Series("cell_id", cells),
        )
        .join(outcomes, on="cell_id", maintain_order="left")
        .cast(dict(MERGED_SCHEMA))  # type: ignore[arg-type]
    )


def _matrix_with_gaps(vectors: pl.Series) -> Matrix:
    """List column in which whole rows may be null; those become rows of NaN."""
    present = vectors.drop_nulls()
    matrix = to_matrix(present)
    full = np.full((len(vectors), matrix.shape[1]), np.nan)
    full[vectors.is_not_null().to_numpy()] = matrix
    return full


def _filled(z: Matrix) -> Matrix:
    """Missing coordinates replaced by the mean of the known ones, 0 where none is known."""
    known = ~np.isnan(z)
    means = np.divide(
        np.nansum(z, axis=0), known.sum(axis=0), out=np.zeros(z.shape[1]), where=known.any(axis=0)
    )
    return np.where(known, z, means)
