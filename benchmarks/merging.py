"""Planted pairs of groups: how well segments match them, and how still segments hold.

    python -m benchmarks.merging [--seed S] [--draws N] [--json FILE]

Every draw plants internal groups (shares) and external groups (columns) whose crossing has cells of
very different sizes, fits both lanes in process with the code of the product, and merges them.
Printed first: mean adjusted Rand index (Hubert and Arabie 1985) of the segments against the crossed
groups, per number of stores and minimum size, beside merging whole cells into the nearest one as
version 0.1 did. Printed second: how often an internal group of 5 % of the stores, spread over the
external groups, that the lane has found is a segment of its own. Printed third: the share of the
other stores that change their segment, and the share of draws with an alarm about segment sizes,
when random stores are removed and the models stay; with the map from cells to segments that was
filled before, and with a new one.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import adjusted_rand_score

from benchmarks.structure import Draw, trained
from segmentation.features.vectors import Labels, Matrix
from segmentation.fitting.model import AffineModel
from segmentation.segments.drift import lane_drift
from segmentation.segments.merging import (
    LaneDistances,
    ScoredStores,
    automatic_minimum,
    cell_name,
    map_cells,
    merge_lanes,
)
from segmentation.settings import LANES, Lane, Settings

#: Stores of a chain, and what is planted: internal groups, external groups, evenness of the cells
#: (Dirichlet) and noise of the log-shares.
SIZES: Final = (60, 150, 300, 1000)
PLANTED: Final = ((3, 3, 1.0, 0.4), (5, 4, 0.5, 0.5), (4, 3, 1.0, 0.7), (5, 4, 2.0, 0.5))
#: The largest planting of the smallest chain.
SMALL: Final = (3, 2)
REMOVED: Final = (0.02, 0.05, 0.10)
MINIMA: Final[tuple[int | str, ...]] = (20, 10, "auto")
#: A planted minority, the chains that have one, and the overlap (Jaccard) that counts as found.
MINORITY: Final = 0.05
SIZES_WITH_MINORITY: Final = (240, 300, 600)
FOUND: Final = 0.5


@dataclass(frozen=True)
class Chain:
    """Stores with planted cells, the clusters of both lanes and the distances to them."""

    truth: Labels
    scored: ScoredStores
    components: tuple[Matrix, Matrix]

    def without(self, gone: Labels) -> ScoredStores:
        """What is left of the chain; the models stay."""
        kept = np.setdiff1d(np.arange(len(self.truth)), gone)
        internal, external = self.scored.lanes
        return ScoredStores(
            category=self.scored.category,
            model_ids=self.scored.model_ids,
            stores=self.scored.stores[kept],
            lanes=(
                LaneDistances(internal.clusters, internal.squares[kept]),
                LaneDistances(external.clusters, external.squares[kept]),
            ),
        )


def chain(
    r: np.random.Generator,
    n: int,
    planted: tuple[int, int, float, float],
    minority: float = 0.0,
) -> Chain:
    """Draw and fit a chain of `n` stores; the last internal group has the share `minority`."""
    n_internal, n_external, evenness, noise = planted
    if n == min(SIZES):
        n_internal, n_external = min(n_internal, SMALL[0]), min(n_external, SMALL[1])
    weights = r.dirichlet(np.full(n_internal * n_external, evenness))
    truth = r.choice(len(weights), size=n, p=weights)
    if minority:
        internal = (truth // n_external) % (n_internal - 1)
        internal[: round(minority * n)] = n_internal - 1
        truth = internal * n_external + truth % n_external
    centers = r.normal(size=(n_internal, 10))
    shares = np.exp(centers[truth // n_external] + noise * r.normal(size=(n, 10)))
    shares /= shares.sum(axis=1, keepdims=True)
    places = 2.0 * r.normal(size=(n_external, 6))
    columns = places[truth % n_external] + r.normal(size=(n, 6))
    lanes, clusters, components = [], [], []
    values: dict[Lane, Matrix] = {"internal": shares, "external": columns}
    for lane in LANES:
        model, z = trained(lane, Draw(values[lane], truth), {})
        distances, labels = _distances(model, z)
        lanes.append(distances)
        clusters.append(labels)
        components.append(z)
    stores = pl.DataFrame(
        {
            "category": "planted",
            "store_id": [f"s{row:05d}" for row in range(n)],
            "internal_cluster": clusters[0],
            "external_cluster": clusters[1],
        }
    )
    return Chain(
        truth,
        ScoredStores("planted", ("i", "e"), stores, (lanes[0], lanes[1])),
        (components[0], components[1]),
    )


def _distances(model: AffineModel, z: Matrix) -> tuple[LaneDistances, Labels]:
    """Squared distances to the centroids of a model in its unit, and the nearest cluster."""
    squares = ((z[:, None, :] - model.centers[None, :, :]) ** 2).sum(axis=2)
    unit = squares.min(axis=1).mean()
    labels: Labels = model.predict(z)
    return LaneDistances(
        tuple(int(number) for number in model.clusters), squares / (unit or 1.0)
    ), labels


def whole_cells(one: Chain, minimum: int) -> list[str]:
    """Merge as version 0.1 did: the smallest cell joins the one with the nearest centroid."""
    points = np.hstack([z / np.sqrt(z.var(axis=0).sum()) for z in one.components])
    cells = [cell_name(*cell) for cell in one.scored.cells]
    while len(set(cells)) > 1:
        sizes = {cell: cells.count(cell) for cell in sorted(set(cells))}
        smallest = min(sizes, key=lambda cell: (sizes[cell], cell))
        if sizes[smallest] >= minimum:
            break
        means = {cell: points[[c == cell for c in cells]].mean(axis=0) for cell in sizes}
        target = min(
            (cell for cell in sizes if cell != smallest),
            key=lambda cell: float(((means[cell] - means[smallest]) ** 2).sum()),
        )
        cells = [target if cell == smallest else cell for cell in cells]
    return cells


def segments(
    scored: ScoredStores, given: Settings, known: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Map and segments of some stores; `known` is a map that was filled before."""
    nobody = pl.DataFrame(
        schema={"category": pl.String, "store_id": pl.String, "segment_id": pl.String}
    )
    filled = map_cells(iter([scored]), nobody, None, given) if known is None else known
    return filled, merge_lanes(iter([scored]), filled, given)


def alarm(before: pl.DataFrame, now: pl.DataFrame, given: Settings) -> bool:
    """Whether the sizes of the segments raise an alarm."""
    sizes = (
        before.drop_nulls("segment_id")
        .select("segment_id", n_training="n_segment_stores")
        .join(now.group_by("segment_id").len("n_today"), on="segment_id", how="full", coalesce=True)
        .fill_null(0)
        .select(
            pl.lit("merged").alias("lane"),
            pl.lit("planted").alias("scope"),
            pl.lit("segment sizes").alias("subject"),
            pl.lit(None, pl.String).alias("feature"),
            pl.col("segment_id").alias("bin"),
            "n_training",
            pl.col("n_today").cast(pl.Int64),
        )
    )
    row = lane_drift(sizes, given).row(0, named=True)
    return bool((row["stability_index"] or 0) > (row["threshold"] or 0))


def overlap(members: npt.NDArray[np.bool_], labels: Sequence[object]) -> float:
    """Jaccard's index of a group of stores with the most similar of other groups."""
    others = np.asarray(labels)
    return max(
        float((members & (others == label)).sum() / (members | (others == label)).sum())
        for label in sorted(set(labels), key=str)
    )


def minorities(seed: int, draws: int) -> dict[str, tuple[int, int, int]]:
    """Chains, chains whose minority the lane has found, and those where it is a segment too."""
    counts: dict[str, tuple[int, int, int]] = {}
    for n in SIZES_WITH_MINORITY:
        found, kept = 0, 0
        for number in range(draws):
            for place, planted in enumerate(PLANTED):
                one = chain(
                    np.random.default_rng([seed, n, place, number, 2]), n, planted, MINORITY
                )
                members = np.arange(n) < round(MINORITY * n)
                clusters = one.scored.stores["internal_cluster"].to_list()
                if overlap(members, clusters) < FOUND:
                    continue
                found += 1
                _, merged = segments(one.scored, Settings({}))
                kept += overlap(members, merged["segment_id"].to_list()) >= FOUND
        counts[str(n)] = draws * len(PLANTED), found, kept
    return counts


def moved(before: pl.DataFrame, now: pl.DataFrame) -> float:
    """Share of the remaining stores in another segment than before."""
    both = before.join(now, on="store_id", suffix="_now")
    return float((both["segment_id"] != both["segment_id_now"]).mean() or 0.0)  # type: ignore[arg-type]


def run(seed: int, draws: int) -> dict[str, Any]:
    """Measure all chains, print both tables, return the figures."""
    quality: dict[tuple[int | str, int, str], list[float]] = {}
    still: dict[tuple[float, str], list[tuple[float, bool]]] = {}
    for number in range(draws):
        for n in SIZES:
            for place, planted in enumerate(PLANTED):
                one = chain(np.random.default_rng([seed, n, place, number]), n, planted)
                for minimum in MINIMA:
                    size = automatic_minimum(n) if minimum == "auto" else int(minimum)
                    given = Settings({"min_segment_size": minimum})
                    _, merged = segments(one.scored, given)
                    for method, labels in (
                        ("whole cells", whole_cells(one, size)),
                        ("store by store", merged["segment_id"].to_list()),
                    ):
                        ari = float(adjusted_rand_score(one.truth, labels))
                        quality.setdefault((minimum, n, method), []).append(ari)
                if n >= SIZES[-2]:
                    _hold_still(one, np.random.default_rng([seed, n, place, number, 1]), still)
    for minimum in MINIMA:
        for method in ("whole cells", "store by store"):
            means = [float(np.mean(quality[minimum, n, method])) for n in SIZES]
            per_size = "  ".join(f"{n}: {mean:.3f}" for n, mean in zip(SIZES, means, strict=True))
            print(f"minimum {minimum!s:<4}  {method:<14}  mean {np.mean(means):.3f}  {per_size}")
    small_groups = minorities(seed, draws)
    for stores, (n_chains, n_found, n_kept) in small_groups.items():
        print(
            f"minority of {MINORITY:.0%} of {stores} stores: found by the lane in {n_found} of"
            f" {n_chains} chains, a segment of its own in {n_kept}"
        )
    for (share, method), rows in sorted(still.items()):
        share_moved, alarms = (float(np.mean(column)) for column in zip(*rows, strict=True))
        print(f"{share:.0%} removed, {method}: {share_moved:.2%} moved, {alarms:.0%} with an alarm")
    return {
        "ari": {
            f"minimum {minimum}, {n} stores, {method}": float(np.mean(values))
            for (minimum, n, method), values in quality.items()
        },
        "minorities": small_groups,
        "removed": {
            f"{share:.0%}, {method}": [float(np.mean(c)) for c in zip(*rows, strict=True)]
            for (share, method), rows in still.items()
        },
    }


def _hold_still(
    one: Chain, r: np.random.Generator, still: dict[tuple[float, str], list[tuple[float, bool]]]
) -> None:
    """Remove stores several times and note what happens to the others."""
    given = Settings({})
    filled, before = segments(one.scored, given)
    for share in REMOVED:
        for _ in range(5):
            gone = r.choice(len(one.truth), round(share * len(one.truth)), replace=False)
            left = one.without(gone)
            for method, known in (("map as filled", filled), ("new map", None)):
                _, now = segments(left, given, known)
                result = moved(before, now), alarm(filled, now, given)
                still.setdefault((share, method), []).append(result)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, help="random if not given")
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    given = parser.parse_args(arguments)
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    print(f"seed {seed}")
    figures = run(seed, given.draws)
    if given.json:
        given.json.write_text(json.dumps({"seed": seed, **figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
