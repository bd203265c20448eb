"""Two lanes into segments: cells of the cross-table, and a fixed map from cells to segments.

A cell is a pair of clusters. The map is filled when the clusters of a pair of models are new
(`map_cells`), and stays while later models find the same clusters; builds look stores up in it
(`merge_lanes`), so that a store's segment depends on the store's own clusters.
"""

from __future__ import annotations

import hashlib
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from segmentation.features.vectors import Labels, Matrix, to_matrix
from segmentation.settings import EXTERNAL_SCOPE, LANES, Lane, Settings

Cell = tuple[int | None, int | None]

#: One row per category, pair of models, size rule and cell.
MAP_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "internal_model_id": pl.String(),
        "external_model_id": pl.String(),
        "size_rule": pl.String(),
        "cell_id": pl.String(),
        "map_id": pl.String(),
        "segment_id": pl.String(),
        "internal_cluster": pl.Int32(),
        "external_cluster": pl.Int32(),
        "step": pl.Int32(),
        "n_cell_stores": pl.Int64(),
        "n_segment_stores": pl.Int64(),
        "min_segment_size": pl.Int32(),
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
        "into_cell": pl.String(),
        "step": pl.Int32(),
        "n_cell_stores": pl.Int64(),
        "distance": pl.Float64(),
        "second_segment_id": pl.String(),
    }
)

#: Model id in the map where a scope has no usable model.
NO_MODEL: Final = "none"
#: How a missing lane is written in the name of a cell.
_MISSING: Final = "x"
_LETTERS: Final = string.ascii_lowercase[1:]
#: Share of stores in common from which a cluster is the same one as before: "highly stable" in
#: clusterboot of the R package fpc (Hennig 2007).
SAME_CLUSTER: Final = 0.85
#: How many times as far the nearest cell of a store's own internal cluster has to be than that of
#: another one before the store leaves its sales group, docs/decisions/0308.
_OWN_SALES_GROUP: Final = 2.0
#: Limits of the automatic minimum size, docs/decisions/0308.
_STORES_PER_SEGMENT: Final = 25
_SMALLEST_MINIMUM: Final = 5
_USUAL_MINIMUM: Final = 20
_SHARE_OF_LARGE_CHAINS: Final = 0.01
_CHARACTERS_IN_MAP_ID: Final = 16


def cell_name(internal_cluster: int | None, external_cluster: int | None) -> str:
    """Name of a cell: both cluster numbers, `x` for a lane that does not know the store."""
    parts = (internal_cluster, external_cluster)
    return "-".join(_MISSING if part is None else str(part) for part in parts)


def automatic_minimum(n_stores: int) -> int:
    """Smallest segment under `min_segment_size: auto`.

    A twenty-fifth of the stores, at least 5 and at most 20; from 2,000 stores on, 1 % of them.

    Parameters
    ----------
    n_stores
        Stores of the category.
    """
    small_chain = min(n_stores // _STORES_PER_SEGMENT, _USUAL_MINIMUM)
    return max(small_chain, _SMALLEST_MINIMUM, int(n_stores * _SHARE_OF_LARGE_CHAINS))


def dissolve_small_cells(
    own: Labels, distances: Matrix, minimum: int, names: Sequence[str]
) -> tuple[Labels, npt.NDArray[np.int64]]:
    """Dissolve cells below `minimum`, the smallest first, store by store.

    Each store of a dissolved cell joins the surviving cell that is nearest to the store itself, so
    a cell between two segments is divided among them. The size of a cell includes the stores that
    have joined it. Ties go to the cell whose name sorts first.

    Parameters
    ----------
    own
        Shape (stores,): column of the store's own cell in `distances`.
    distances
        Shape (stores, cells).
    minimum
        Smallest size of a segment, in stores.
    names
        Names of the cells, sorted.

    Returns
    -------
    numpy.ndarray, numpy.ndarray
        Shape (stores,): column of the cell that each store ends in. Shape (cells,): the step at
        which the cell was dissolved, 0 for the cells that survive.
    """
    ends = own.copy()
    steps = np.zeros(len(names), dtype=np.int64)
    sizes = np.bincount(own, minlength=len(names))
    while (steps == 0).sum() > 1:
        alive = np.flatnonzero(steps == 0)
        smallest = alive[np.argmin(sizes[alive])]
        if sizes[smallest] >= minimum:
            break
        steps[smallest] = steps.max() + 1
        homeless = np.flatnonzero(ends == smallest)
        ends[homeless] = np.where(steps == 0, distances[homeless], np.inf).argmin(axis=1)
        sizes = np.bincount(ends, minlength=len(names))
    return ends, steps


def same_clusters(
    before: Sequence[int | None], now: Sequence[int | None]
) -> dict[int | None, int | None] | None:
    """Numbers that the clusters of an earlier model have today, if they are the same clusters.

    They are if each cluster has exactly one counterpart with which it shares at least
    `SAME_CLUSTER` of the stores that are in either (Jaccard's index). None, for stores that a lane
    does not know, counts as a cluster.

    Parameters
    ----------
    before, now
        Clusters of the same stores under both models.

    Returns
    -------
    dict or None
        Number today by earlier number; None if the clusters are others.
    """
    sizes_before, sizes_now = Counter(before), Counter(now)
    counterparts = {
        old: new
        for (old, new), shared in Counter(zip(before, now, strict=True)).items()
        if shared >= SAME_CLUSTER * (sizes_before[old] + sizes_now[new] - shared)
    }
    is_bijection = len(counterparts) == len(sizes_before) == len(sizes_now)
    return counterparts if is_bijection else None


def lasting_ids(
    members: Mapping[str, Sequence[str]], previous: Mapping[str, str], used: Sequence[str] = ()
) -> dict[str, str]:
    """Ids of new segments: ids follow the stores, not the numbers of the clusters.

    A segment keeps the id of an earlier one if more than half of the stores of each are shared;
    stores that are new or gone do not count. Any other segment is called by its largest cell, with
    a letter behind it if that id was in use before.

    Parameters
    ----------
    members
        Stores per new segment, by the name of its cell.
    previous
        Segment id of each store before.
    used
        Ids that other stores had at any time.

    Returns
    -------
    dict
        Id of each new segment; all different.

    References
    ----------
    Spiliopoulou et al. (2006), MONIC: a segment survives where at least half of it does.
    """
    shared = {
        cell: Counter(previous[store] for store in stores if store in previous)
        for cell, stores in members.items()
    }
    sizes_before: Counter[str] = sum(shared.values(), Counter())
    ids = {
        cell: segment
        for cell, counts in shared.items()
        for segment, count in counts.items()
        if 2 * count > counts.total() and 2 * count > sizes_before[segment]
    }
    taken = {*ids.values(), *previous.values(), *used}
    for cell in sorted(set(members) - set(ids)):
        letters = ("".join(part) for n in (1, 2, 3) for part in product(_LETTERS, repeat=n))
        ids[cell] = next(
            name for name in (cell, *(f"{cell}{end}" for end in letters)) if name not in taken
        )
        taken.add(ids[cell])
    return ids


@dataclass(frozen=True)
class LaneDistances:
    """Squared distances of stores to the centroids of one lane.

    Attributes
    ----------
    clusters
        Numbers of the clusters, one per column of `squares`; empty without a usable model.
    squares
        Shape (stores, clusters), in units of the mean squared distance of the training stores to
        their own centroid; rows of NaN where the lane does not know the store.
    """

    clusters: tuple[int, ...]
    squares: Matrix

    def to_clusters(self, clusters: Sequence[int | None]) -> Matrix:
        """Squared distance to the given clusters, shape (stores, given clusters).

        A cell without the lane (None) is as far as the lane's clusters are on average, neither
        near nor far. A store that the lane does not know is equally far from all.
        """
        if not self.clusters:
            return np.zeros((len(self.squares), len(clusters)))
        table = np.column_stack([self.squares, self.squares.mean(axis=1)])
        place = {number: column for column, number in enumerate(self.clusters)}
        columns = [-1 if number is None else place[number] for number in clusters]
        return np.nan_to_num(table[:, columns], nan=0.0)


@dataclass(frozen=True)
class ScoredStores:
    """Stores of one category, what both lanes say about them, and the models that say it."""

    category: str
    model_ids: tuple[str, str]
    stores: pl.DataFrame
    lanes: tuple[LaneDistances, LaneDistances]

    @property
    def cells(self) -> list[Cell]:
        """Cell of each store."""
        return self.stores.select("internal_cluster", "external_cluster").rows()

    def distances(self, cells: Sequence[Cell]) -> Matrix:
        """Distance of each store to each cell, shape (stores, cells).

        The squared distances to the centroids of both clusters are added up: in the metric of the
        models this orders the cells by how probable they are for the store.
        """
        squares = [
            lane.to_clusters([cell[number] for cell in cells])
            for number, lane in enumerate(self.lanes)
        ]
        total: Matrix = np.sqrt(squares[0] + squares[1])
        return total

    def detours(self, cells: Sequence[Cell]) -> Matrix:
        """Distance of each store to each cell, longer where the cell is of another sales group.

        A store leaves its internal cluster only for a cell that is less than half as far as the
        nearest one with its own internal cluster. Shape (stores, cells).
        """
        own = np.array([cell[0] or 0 for cell in self.cells])
        others = np.array([cell[0] or 0 for cell in cells])
        leaves = own[:, np.newaxis] != others[np.newaxis, :]
        longer: Matrix = self.distances(cells) * np.where(leaves, _OWN_SALES_GROUP, 1.0)
        return longer


def scored_stores(
    sells: pl.DataFrame,
    clusters: Mapping[Lane, pl.DataFrame],
    components: Mapping[Lane, pl.DataFrame],
    centroids: pl.DataFrame,
    search: pl.DataFrame,
    in_force: pl.DataFrame,
) -> Iterator[ScoredStores]:
    """Stores of every category with their distances to the centroids of the models in force.

    Parameters
    ----------
    sells
        category, store_id: every store in every category it sells in.
    clusters, components
        Per lane scope, store_id, and `cluster` or `z`.
    centroids
        `int_cluster_centroids`: lane, scope, model_id, cluster, component, coordinate, n_stores.
    search
        `int_cluster_search`: lane, scope, model_id, inertia, is_chosen.
    in_force
        `int_current_cluster_models`: lane, scope, model_id.
    """
    models = {
        (str(lane), str(scope)): str(model_id)
        for lane, scope, model_id in in_force.select("lane", "scope", "model_id").iter_rows()
    }
    known = pl.col("model_id").is_in(list(models.values()))
    centers = centroids.filter(known).sort("lane", "scope", "cluster", "component")
    inertias = search.filter(known, pl.col("is_chosen"))
    stores = with_lanes(
        sells.select("category", "store_id"),
        _of_lane("internal", clusters, components).rename({"scope": "category"}),
        _of_lane("external", clusters, components).drop("scope"),
    )
    for (category,), part in stores.group_by("category", maintain_order=True):
        scopes: dict[Lane, str] = {"internal": str(category), "external": EXTERNAL_SCOPE}
        yield ScoredStores(
            category=str(category),
            model_ids=tuple(models.get(key, NO_MODEL) for key in scopes.items()),  # type: ignore[arg-type]
            stores=part.drop("internal_z", "external_z"),
            lanes=tuple(  # type: ignore[arg-type]
                _lane_distances(
                    part[f"{lane}_z"],
                    centers.filter(lane=lane, scope=scope),
                    inertias.filter(lane=lane, scope=scope),
                )
                for lane, scope in scopes.items()
            ),
        )


def _of_lane(
    lane: Lane, clusters: Mapping[Lane, pl.DataFrame], components: Mapping[Lane, pl.DataFrame]
) -> pl.DataFrame:
    """Cluster and component scores of the stores of a lane."""
    return (
        clusters[lane]
        .select("scope", "store_id", pl.col("cluster").alias(f"{lane}_cluster"))
        .join(
            components[lane].select("scope", "store_id", pl.col("z").alias(f"{lane}_z")),
            on=["scope", "store_id"],
            how="left",
        )
    )


def _lane_distances(z: pl.Series, centers: pl.DataFrame, search: pl.DataFrame) -> LaneDistances:
    """Distances of stores to the centroids of one model, in units of its own spread."""
    clusters = tuple(centers["cluster"].unique().sort().to_list())
    points = _matrix_with_gaps(z)
    if not clusters:
        return LaneDistances((), np.zeros((len(points), 0)))
    places = centers["coordinate"].to_numpy().reshape(len(clusters), -1)
    squares = np.column_stack([((points - place) ** 2).sum(axis=1) for place in places])
    n_stores = int(centers.unique("cluster")["n_stores"].sum())
    inertia = float(search["inertia"].drop_nulls().sum())
    unit = inertia / n_stores if inertia > 0 else 1.0
    return LaneDistances(clusters, squares / unit)


def map_cells(
    scored: Iterator[ScoredStores],
    previous: pl.DataFrame,
    existing: pl.DataFrame | None,
    settings: Settings,
) -> pl.DataFrame:
    """Rows of the map for pairs of models that have none yet.

    Where the clusters are the same as in the run before, the rows of that run's map are repeated
    with the numbers that the clusters have today. Otherwise a new map is filled.

    Parameters
    ----------
    scored
        See :func:`scored_stores`.
    previous
        category, store_id, segment_id, internal_cluster, external_cluster, internal_model_id and
        external_model_id of the run before.
    existing
        The map so far; None for none.
    settings
        Gives `min_segment_size` per category.

    Returns
    -------
    polars.DataFrame
        Schema `MAP_SCHEMA`, one row per cell that has stores, sorted; `segment_id` is null for
        cells that were dissolved.
    """
    empty = pl.DataFrame(schema=MAP_SCHEMA)
    # (a table of an earlier version has no map_id)
    known = empty if existing is None else pl.concat([empty, existing], how="diagonal_relaxed")
    parts = [empty]
    for one in scored:
        rule = settings.for_scope("internal", one.category).min_segment_size
        if not _rows_of(known, one, str(rule)).is_empty():
            continue
        before = previous.filter(category=one.category)
        repeated = _repeated(one, before, known, str(rule))
        if repeated is not None:
            parts.append(repeated)
            continue
        minimum = rule if isinstance(rule, int) else automatic_minimum(one.stores.height)
        parts.append(
            _map_category(
                one,
                minimum,
                str(rule),
                dict(before.select("store_id", "segment_id").iter_rows()),
                known.filter(category=one.category)["segment_id"].drop_nulls().to_list(),
            )
        )
    return pl.concat(parts).sort("category", "cell_id")


def _rows_of(
    known: pl.DataFrame,
    scored: ScoredStores,
    rule: str,
    model_ids: tuple[str | None, str | None] | None = None,
) -> pl.DataFrame:
    """Rows of the map for a size rule and a pair of models, by default the one in force."""
    internal, external = model_ids or scored.model_ids
    return known.filter(
        category=scored.category,
        internal_model_id=internal or "",
        external_model_id=external or "",
        size_rule=rule,
    )


def _repeated(
    scored: ScoredStores, before: pl.DataFrame, known: pl.DataFrame, rule: str
) -> pl.DataFrame | None:
    """Map of the run before under today's models; None if the clusters of a lane are others."""
    if before.is_empty():
        return None
    earlier_ids = before.select("internal_model_id", "external_model_id").row(0)
    rows = _rows_of(known, scored, rule, earlier_ids)
    if rows.is_empty() or not _explains(rows, before):
        return None
    stores = scored.stores.join(before, on="store_id", suffix="_before")
    for lane, earlier_id, model_id in zip(LANES, earlier_ids, scored.model_ids, strict=True):
        column = f"{lane}_cluster"
        numbers = rows[column].to_list()
        if earlier_id == model_id:
            continue
        counterparts = same_clusters(stores[f"{column}_before"].to_list(), stores[column].to_list())
        if counterparts is None or not (
            counterparts.keys() >= set(numbers)
            and set(counterparts.values()) >= set(scored.stores[column])
        ):
            return None
        rows = rows.with_columns(
            pl.Series(column, [counterparts[number] for number in numbers], dtype=pl.Int32())
        )
    clusters = rows.select("internal_cluster", "external_cluster").iter_rows()
    return rows.with_columns(
        internal_model_id=pl.lit(scored.model_ids[0]),
        external_model_id=pl.lit(scored.model_ids[1]),
        cell_id=pl.Series([cell_name(*cell) for cell in clusters], dtype=pl.String()),
    ).select(MAP_SCHEMA.names())


def _explains(rows: pl.DataFrame, before: pl.DataFrame) -> bool:
    """Whether a map gives the stores of the run before the segments that they had.

    It does not if that run failed between the map and the history.
    """
    cells = ["internal_cluster", "external_cluster"]
    mapped = before.join(rows.select(*cells, mapped="segment_id"), on=cells, nulls_equal=True)
    return mapped.filter(pl.col("mapped") != pl.col("segment_id")).is_empty()


def _map_category(
    scored: ScoredStores,
    minimum: int,
    rule: str,
    previous: Mapping[str, str],
    used: Sequence[str],
) -> pl.DataFrame:
    """Map of one category under its pair of models."""
    cells = {cell_name(*cell): cell for cell in scored.cells}
    names = sorted(cells)
    own = np.array([names.index(cell_name(*cell)) for cell in scored.cells], dtype=np.intp)
    ends, steps = dissolve_small_cells(
        own, scored.detours([cells[name] for name in names]), minimum, names
    )
    members: dict[str, list[str]] = {}
    for store, end in zip(scored.stores["store_id"], ends, strict=True):
        members.setdefault(names[end], []).append(store)
    ids = lasting_ids(members, previous, used)
    identity = "|".join([scored.category, *scored.model_ids, rule])
    map_id = hashlib.sha256(identity.encode()).hexdigest()[:_CHARACTERS_IN_MAP_ID]
    return pl.DataFrame(
        [
            (
                scored.category,
                *scored.model_ids,
                rule,
                name,
                map_id,
                ids.get(name),
                *cells[name],
                int(steps[column]) or None,
                int((own == column).sum()),
                len(members[name]) if name in members else None,
                minimum,
            )
            for column, name in enumerate(names)
        ],
        schema=MAP_SCHEMA,
        orient="row",
    )


def merge_lanes(
    scored: Iterator[ScoredStores], segment_map: pl.DataFrame, settings: Settings
) -> pl.DataFrame:
    """Segment of every store in every category, looked up in the map.

    A store whose cell has a segment belongs to it. Any other store belongs to the segment whose
    cell is nearest to it, preferably one with its own internal cluster (`ScoredStores.detours`).

    Parameters
    ----------
    scored
        See :func:`scored_stores`.
    segment_map
        Schema `MAP_SCHEMA`, with rows for every pair of models in force.
    settings
        Gives `min_segment_size` per category.

    Returns
    -------
    polars.DataFrame
        Schema `MERGED_SCHEMA`, one row per category and store, sorted. `step`, `n_cell_stores` and
        `distance` say why and how far a store was moved, and are null for the others; a cell that
        the map does not have had no store when the map was filled.

    Raises
    ------
    ValueError
        If the map has no rows for a category, as when this table is built without the map.
    """
    parts = [
        _merge_category(
            one,
            _rows_of(
                segment_map, one, str(settings.for_scope("internal", one.category).min_segment_size)
            ),
        )
        for one in scored
    ]
    return pl.concat([pl.DataFrame(schema=MERGED_SCHEMA), *parts])


def _merge_category(scored: ScoredStores, rows: pl.DataFrame) -> pl.DataFrame:
    """Cells and segments of one category."""
    survivors = rows.filter(pl.col("segment_id").is_not_null()).sort("cell_id")
    if survivors.is_empty():
        raise ValueError(
            f"segment_map has no rows for {scored.category} under the models and the"
            " min_segment_size in force; build it too: dbt build --select segment_map+"
        )
    cells = survivors.select("internal_cluster", "external_cluster").rows()
    distances = scored.distances(cells)
    column = {cell: number for number, cell in enumerate(survivors["cell_id"])}
    names = [cell_name(*cell) for cell in scored.cells]
    nearest = scored.detours(cells).argmin(axis=1)
    ends = np.array([column.get(name, nearest[row]) for row, name in enumerate(names)], np.intp)
    second = np.full(len(ends), -1)
    if survivors.height > 1:
        others = distances.copy()
        others[np.arange(len(ends)), ends] = np.inf
        second = others.argmin(axis=1)
    ids, into = survivors["segment_id"].to_list(), survivors["cell_id"].to_list()
    moved = np.array([name not in column for name in names], dtype=np.bool_)
    return (
        scored.stores.with_columns(
            cell_id=pl.Series(names, dtype=pl.String()),
            segment_id=pl.Series([ids[end] for end in ends], dtype=pl.String()),
            was_reassigned=pl.Series(moved),
            into_cell=pl.Series(
                [
                    into[end] if is_moved else None
                    for end, is_moved in zip(ends, moved, strict=True)
                ],
                dtype=pl.String(),
            ),
            distance=pl.Series(np.where(moved, distances[np.arange(len(ends)), ends], np.nan)),
            second_segment_id=pl.Series(
                [None if other < 0 else ids[other] for other in second], dtype=pl.String()
            ),
        )
        .with_columns(pl.col("distance").fill_nan(None))
        .join(
            rows.filter(pl.col("segment_id").is_null()).select("cell_id", "step", "n_cell_stores"),
            on="cell_id",
            how="left",
            maintain_order="left",
        )
        .with_columns(
            n_cell_stores=pl.when("was_reassigned").then(pl.col("n_cell_stores").fill_null(0))
        )
        .select(MERGED_SCHEMA.names())
        .cast(dict(MERGED_SCHEMA))  # type: ignore[arg-type]
    )


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
