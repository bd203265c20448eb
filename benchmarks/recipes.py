"""Which transform, scaling and smoothing find the stores' true groups? Measured, not argued.

``python -m benchmarks.recipes planted`` draws stores with known groups and needs nothing;
``external`` reads a database built from the seeds, ``real`` one built from the Complete Journey
(``make demo``). All fits run through `segmentation.fitting.scope.fit_scope`. Tables go to stdout; on one
core `planted` takes about 20 minutes, the others two.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from segmentation.features.vectors import TRANSFORMS, Matrix, closure
from segmentation.fitting.cluster_search import CANDIDATE_RESTARTS
from segmentation.fitting.model import AffineModel, ModelRow, TrainingData
from segmentation.fitting.registry import training_data
from segmentation.fitting.scope import fit_scope
from segmentation.settings import ScopeSettings

Labels = npt.NDArray[Any]
Transform = Literal["clr", "share"]

ROOT = Path(__file__).resolve().parents[1]
TRUTH = ROOT / "tests" / "data" / "planted_archetypes.csv"
NOISES = (0.35, 0.5, 0.7, 0.9, 1.2)  # sd of a store's log shares around its archetype
STORES, ARCHETYPES, SEEDS, VOTE_SEEDS = 300, 5, 5, 3
MEDIAN_BASKET_ITEMS = 300.0  # of the sparse family: small stores miss the rare need states
REAL_KS = (2, 3, 4)
SEARCH_KEYS = ("stability", "silhouette")
#: Sales of the Complete Journey are a sample of households: below this a mix is chance.
MIN_SALES = {"Grocery": 5000.0, "Drug & General Merchandise": 1000.0, "Nutrition": 250.0}
MIN_SALES |= {"Pastry": 250.0}
MIN_SALES_ELSEWHERE = 500.0
#: Search as cheap as it gets, gates open: for a k that is given.
FIXED: dict[str, Any] = {
    "stability_resamples": 2,
    "gap_references": 2,
    "stability_threshold": 0.0,
    "min_cluster_size": 1,
}


@dataclass(frozen=True)
class Recipe:
    """One way from shares to components."""

    transform: Transform
    normalize: str
    floor: int = 5
    smoothing: float = 0.05

    def __str__(self) -> str:
        """Name of the recipe in a table."""
        smoothing = f" {self.smoothing:g}" if self.transform == "clr" else ""
        return f"{self.transform}{smoothing} / {self.normalize} / at least {self.floor}"

    def settings(self, **more: Any) -> ScopeSettings:
        """Settings of the package with this recipe's scaling; all else is the default."""
        return ScopeSettings.model_validate(
            {"normalize_method": self.normalize, "min_components": self.floor, **more}
        )

    def data(self, shares: Matrix) -> TrainingData:
        """Shares as the training data of a scope."""
        stores, width = shares.shape
        ids = tuple(f"s{row:05d}" for row in range(stores))
        names = tuple(f"n{column:03d}" for column in range(width))
        x = TRANSFORMS[self.transform].of_shares(shares, self.smoothing)
        return TrainingData("bench", ids, names, (None,) * width, shares, x)


SCALINGS = [
    Recipe(transform, scaling)
    for transform, scaling in product(get_args(Transform), ("robust", "zscore", "none"))
]
FLOORS = [Recipe("clr", "none", floor=1), Recipe("share", "robust", floor=1)]
SMOOTHINGS = [Recipe("clr", "none", smoothing=weight) for weight in (0.001, 0.02, 0.1, 0.2)]
VOTING = [
    *(Recipe("clr", "none", smoothing=weight) for weight in (0.02, 0.05, 0.1)),
    Recipe("clr", "robust"),
    Recipe("clr", "robust", smoothing=0.1),
    Recipe("share", "robust"),
]


def labels_at(row: ModelRow, data: TrainingData, k: int) -> Labels:
    """Clusters of all stores at a given k, regardless of the vote and the gates."""
    if not row["components"]:
        return np.zeros(len(data.store_ids))
    z = AffineModel.from_row(row).transform(data.names, data.x)
    outliers = set(row["outlier_store_ids"])
    inside = np.array([store not in outliers for store in data.store_ids])
    model = KMeans(k, n_init=CANDIDATE_RESTARTS, random_state=42).fit(z[inside])
    return np.asarray(model.predict(z))


def labels_chosen(row: ModelRow, data: TrainingData) -> Labels:
    """Clusters of all stores as the model has them; one cluster where there is no structure."""
    model = AffineModel.from_row(row)
    return model.predict(model.transform(data.names, data.x))


def eta_squared(values: Matrix, labels: Labels) -> float:
    """Share of the variance of `values` that lies between the groups."""
    between = sum(
        (labels == group).sum() * (values[labels == group].mean() - values.mean()) ** 2
        for group in np.unique(labels)
    )
    return float(between / ((values - values.mean()) ** 2).sum())


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write one Markdown table; fractions with three decimals."""
    texts = [
        [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows
    ]
    lines = [f"\n### {title}\n", *(" | ".join(row) for row in [header, ["---"] * len(header)])]
    lines += [" | ".join(row) for row in texts]
    sys.stdout.write("\n".join(f"| {line} |" if " | " in line else line for line in lines) + "\n")
    sys.stdout.flush()


def dense_family(seed: int, noise: float) -> tuple[Matrix, Labels]:
    """Ten need states of like size, seen without sampling error: shares and truth."""
    random = np.random.default_rng(seed)
    profiles = random.normal(size=(ARCHETYPES, 10))
    truth = random.integers(ARCHETYPES, size=STORES)
    logs = profiles[truth] + noise * random.normal(size=(STORES, 10))
    return closure(np.exp(logs)), truth


def sparse_family(seed: int) -> tuple[Matrix, Labels]:
    """Fourteen need states from large to tiny, finite baskets: shares and truth."""
    random = np.random.default_rng(1000 + seed)
    popularity = random.normal(scale=1.5, size=14)
    profiles = popularity + random.normal(scale=0.7, size=(ARCHETYPES, 14))
    truth = random.integers(ARCHETYPES, size=STORES)
    expected = closure(np.exp(profiles[truth] + 0.4 * random.normal(size=(STORES, 14))))
    items = np.exp(np.log(MEDIAN_BASKET_ITEMS) + random.normal(size=STORES)).astype(int) + 10
    return closure(random.multinomial(items, expected).astype(float)), truth


def planted(seeds: int, vote_seeds: int) -> None:
    """Adjusted Rand index against the truth: at the true k, then at the k of the vote."""
    known_k = [*SCALINGS, *FLOORS, *SMOOTHINGS]
    for chosen, recipes, draws in ((False, known_k, seeds), (True, VOTING, vote_seeds)):
        rows = [_planted_line(recipe, chosen, draws) for recipe in recipes if draws]
        table(
            f"Planted, {draws} seeds, ARI of all stores at the {'voted' if chosen else 'true'} k",
            ["recipe", *(f"noise {noise:g}" for noise in NOISES), "mean", "sparse"],
            rows,
        )


def _planted_line(recipe: Recipe, chosen: bool, seeds: int) -> list[object]:
    """One recipe over all noise levels and the sparse family."""
    line: list[object] = [recipe]
    means = []
    for noise in (*NOISES, None):
        draws = [
            sparse_family(seed) if noise is None else dense_family(seed, noise)
            for seed in range(seeds)
        ]
        found = [_planted_fit(recipe, shares, truth, chosen) for shares, truth in draws]
        means.append(float(np.mean([ari for ari, _ in found])))
        mean_k = f" (k {np.mean([k for _, k in found]):.1f})" if chosen else ""
        line.append(f"{means[-1]:.3f}{mean_k}")
    line.insert(-1, float(np.mean(means[:-1])))
    return line


def _planted_fit(
    recipe: Recipe, shares: Matrix, truth: Labels, chosen: bool
) -> tuple[float, float]:
    """ARI and number of clusters of one planted draw."""
    data = recipe.data(shares)
    if chosen:
        row = fit_scope(data, recipe.settings())
        return float(adjusted_rand_score(truth, labels_chosen(row, data))), float(row["k"])
    limits = {"min_clusters": ARCHETYPES, "max_clusters": ARCHETYPES}
    row = fit_scope(data, recipe.settings(**FIXED, **limits))
    return float(adjusted_rand_score(truth, labels_at(row, data, ARCHETYPES))), float(ARCHETYPES)


def external(database: Path) -> None:
    """External lane of the seeds: scaling, logarithms, weight of categories."""
    data = _lane_data(database, "external", "external", ScopeSettings.model_validate({}))
    with TRUTH.open(encoding="utf-8") as file:
        archetype = {
            row["store_id"]: row["archetype"]
            for row in csv.DictReader(file)
            if row["lane"] == "external"
        }
    known = np.array([store in archetype for store in data.store_ids])
    truth = np.array([archetype[store] for store in data.store_ids if store in archetype])
    rows = []
    for scaling, logs, weighted in product(("robust", "zscore", "minmax"), (1, 0), (1, 0)):
        variant = data if logs else replace(data, raw=_without_logs(data), x=_without_logs(data))
        if not weighted:
            variant = replace(variant, groups=(None,) * len(data.names))
        row = fit_scope(variant, ScopeSettings.model_validate({"normalize_method": scaling}))
        at_truth = labels_at(row, variant, len(set(truth.tolist())))[known]
        found = labels_chosen(row, variant)[known]
        rows.append(
            [
                f"{scaling} / logarithms {'on' if logs else 'off'} / "
                f"categories {'weighted' if weighted else 'as they are'}",
                float(adjusted_rand_score(truth, at_truth)),
                float(adjusted_rand_score(truth, found)),
                row["k"],
                len(row["components"]),
            ]
        )
    table("External lane of the seeds", ["recipe", "ARI, k = 4", "ARI, vote", "k", "pc"], rows)


def _without_logs(data: TrainingData) -> Matrix:
    """Undo the logarithms that `int_external_features` took; the names say where."""
    x = data.x.copy()
    for column, name in enumerate(data.names):
        if name.startswith("log1p("):
            x[:, column] = np.expm1(x[:, column])
        elif name.startswith("log("):
            x[:, column] = np.exp(x[:, column])
    return x


def _lane_data(database: Path, lane: Any, scope: str, settings: ScopeSettings) -> TrainingData:
    """Training data of a scope from a built database, as the package itself reads it."""
    with duckdb.connect(str(database), read_only=True) as connection:
        features = connection.execute(
            f"select * from features.feat_{lane} where scope = ?",
            [scope],
        ).pl()
        features = features.with_columns(
            is_thin_history=pl.col("sales_amount").fill_null(0.0) < settings.min_training_sales
        )
        columns = connection.execute(
            "select * from features.scope_features where lane = ? and scope = ?", [lane, scope]
        ).pl()
    return training_data(lane, features, columns, settings)


def real(database: Path) -> None:
    """Complete Journey: structure found, its stability, and how much of it is store size."""
    with duckdb.connect(str(database), read_only=True) as connection:
        sales = {
            (scope, store): amount
            for scope, store, amount in connection.execute(
                "select scope, store_id, sales_amount from features.feat_internal"
            ).fetchall()
        }
    scopes = {}
    for scope in sorted({scope for scope, _ in sales}):
        least = MIN_SALES.get(scope, MIN_SALES_ELSEWHERE)
        settings = ScopeSettings.model_validate({"min_training_sales": least})
        scopes[scope] = _lane_data(database, "internal", scope, settings)
    rows = []
    for recipe in dict.fromkeys([*SCALINGS, *VOTING]):
        fits = []
        for scope, data in scopes.items():
            size = np.log([sales[scope, store] for store in data.store_ids])
            x = TRANSFORMS[recipe.transform].of_shares(data.raw, recipe.smoothing)
            fits.append(_real_fit(replace(data, x=x), size, recipe))
        figures = np.mean([figure for figure, _ in fits], axis=0)
        rows.append([recipe, *figures.tolist(), " ".join(str(k) for _, k in fits)])
    header = ["recipe", *SEARCH_KEYS, "eta squared of log sales", "k per category"]
    table(f"Complete Journey, mean over k = 2, 3, 4 of {', '.join(scopes)}", header, rows)


def _real_fit(data: TrainingData, size: Matrix, recipe: Recipe) -> tuple[list[float], int]:
    """Figures of one category, averaged over k = 2, 3, 4, and the k that the package chose."""
    row = fit_scope(data, recipe.settings())
    search = [entry for entry in row["search"] if entry["k"] in REAL_KS]
    figures = [float(np.mean([entry[key] for entry in search])) for key in SEARCH_KEYS]
    explained = [eta_squared(size, labels_at(row, data, k)) for k in REAL_KS]
    return [*figures, float(np.mean(explained))], int(row["k"])


def main() -> None:
    """Parse the part to measure and run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("planted", "external", "real"))
    parser.add_argument("--database", type=Path, default=ROOT / "store_segments.duckdb")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="draws at the true k")
    parser.add_argument("--vote-seeds", type=int, default=VOTE_SEEDS, help="draws with a vote")
    arguments = parser.parse_args()
    if arguments.part == "planted":
        planted(arguments.seeds, arguments.vote_seeds)
    elif arguments.part == "external":
        external(arguments.database)
    else:
        real(arguments.database)


if __name__ == "__main__":
    main()
