"""Planted groups and data without groups: how often the lanes find the groups, and only those.

    python -m benchmarks.structure [--seed S ...] [--draws N] [--baseline-draws N] [--edge-cases]

Every draw is fitted in process with the code of the product (`fit_scope`). A scenario of the
internal lane draws shares of stores in need states, one of the external lane draws columns.
Printed per scenario: mean adjusted Rand index (Hubert and Arabie 1985), mean k, share of draws
with the right k, seconds of a fit; for the nulls the share of draws in which groups are claimed.
Then the same figures of common methods on the first draws of each seed, and how often
`assignment_probability` is right (reliability).
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment
from scipy.stats import skew
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans, SpectralClustering
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.metrics.cluster import contingency_matrix
from sklearn.mixture import GaussianMixture

from segmentation.features.vectors import Labels, Matrix, closure, log_shares
from segmentation.fitting.model import AffineModel, ModelRow, TrainingData
from segmentation.fitting.scope import fit_scope
from segmentation.pictures.style import DOTS_PER_INCH, FAINT, PALETTE, RC
from segmentation.settings import EXTERNAL_SCOPE, Lane, Settings

#: Name of the product among the methods.
PRODUCT: Final = "store_segments"
#: Bins of the probability in the reliability table.
_BINS: Final = 10


@dataclass(frozen=True)
class Draw:
    """Rows of one draw and the group of each; `groups` are the categorical columns of indicators."""

    values: Matrix
    truth: Labels
    groups: tuple[str | None, ...] = ()


Scenario = Callable[[np.random.Generator], Draw]


def planted_shares(
    n: int,
    d: int,
    k: int,
    noise: float,
    weights: tuple[float, ...] | None = None,
    stretch: float = 1.0,
    zeros: float = 0.0,
    basket: int = 0,
    spread: float = 1.0,
    popularity: float = 0.0,
) -> Scenario:
    """Shares of `n` stores in `d` need states from `k` archetypes, with noise on the log-shares.

    Parameters
    ----------
    n, d, k
        Stores, need states, archetypes.
    noise
        Standard deviation of the log-shares around the archetype.
    weights
        Expected share of the stores in each archetype; equal if not given.
    stretch
        How much wider the noise is along one random direction.
    zeros
        Probability that a cell is zero; the largest cell of a store never is.
    basket
        Median number of items that a store's shares are counted from; 0 for exact shares.
    spread, popularity
        Standard deviation between archetypes and between need states, both of log-shares.
    """

    def draw(r: np.random.Generator) -> Draw:
        truth = r.choice(k, size=n, p=weights)
        for group in range(k):
            if (truth == group).sum() < 2:
                truth[r.choice(n, 2, replace=False)] = group
        centers = r.normal(scale=popularity, size=d) + spread * r.normal(size=(k, d))
        errors = r.normal(size=(n, d))
        if stretch > 1:
            direction = r.normal(size=d)
            direction /= np.linalg.norm(direction)
            errors += (stretch - 1) * np.outer(r.normal(size=n), direction)
        shares = closure(np.exp(centers[truth] + noise * errors))
        if basket:
            sizes = np.exp(np.log(basket) + r.normal(size=n)).astype(int) + 10
            counts = [r.multinomial(size, p) for size, p in zip(sizes, shares, strict=True)]
            shares = closure(np.array(counts, dtype=np.float64))
        if zeros:
            gone = r.random((n, d)) < zeros
            gone[np.arange(n), shares.argmax(axis=1)] = False
            shares = closure(np.where(gone, 0.0, shares))
        return Draw(shares, truth)

    return draw


def null_shares(kind: str) -> Scenario:
    """Shares of 200 to 400 stores without groups."""

    def draw(r: np.random.Generator) -> Draw:
        n = int(r.integers(200, 401))
        if kind == "uniform":
            shares = closure(r.uniform(0, 1, (n, 10)))
        elif kind == "log-normal":
            shares = closure(np.exp(0.6 * r.normal(size=(n, 10))))
        elif kind == "correlated":
            factors = r.normal(size=(n, 2)) @ r.normal(size=(2, 10))
            shares = closure(np.exp(0.6 * factors + 0.4 * r.normal(size=(n, 10))))
        elif kind.startswith("dirichlet"):
            shares = r.dirichlet(np.full(10, float(kind.split()[1])), n)
        elif kind == "gaps 5 %":
            shares = planted_shares(n, 12, 1, 0.5, zeros=0.05)(r).values
        else:
            shares = planted_shares(n, 14, 1, 0.4, basket=300, popularity=1.5)(r).values
        return Draw(shares, np.zeros(n, dtype=np.intp))

    return draw


def planted_columns(kind: str) -> Scenario:
    """Columns of 300 stores in several groups, or in one (`null ...`)."""

    def draw(r: np.random.Generator) -> Draw:
        n = 300
        k = {"two humps": 2, "four columns": 4, "minority 8 %": 2}.get(kind, 3)
        truth = r.integers(0, 1 if kind.startswith("null") else k, n)
        if kind == "minority 8 %":
            truth = (r.random(n) < 0.08).astype(np.intp)
        groups: tuple[str | None, ...] = ()
        if kind == "two humps":
            x = r.normal(size=(n, 6))
            x[:, 0] += np.where(truth == 1, 3.5, -3.5)
        elif kind == "minority 8 %":
            x = r.normal(size=(n, 6))
            x[:, :3] += 4.0 * truth[:, None]
        elif kind in {"four columns", "groups and noise"}:
            x = r.normal(size=(n, 8))
            x[:, :4] += 3.0 * r.normal(size=(k, 4))[truth]
        elif kind in {"mixed", "null mixed"}:
            x = r.normal(size=(n, 5)) + 1.5 * r.normal(size=(k, 5))[truth]
            levels = r.dirichlet(np.ones(4) * 0.5, size=k)[truth]
            picks = (levels.cumsum(axis=1) < r.random((n, 1))).sum(axis=1).clip(0, 3)
            noise = r.integers(0, 3, n)
            x = np.hstack([x, np.eye(4)[picks], np.eye(3)[noise]])
            groups = (None,) * 5 + ("area",) * 4 + ("noise",) * 3
        elif kind in {"correlated", "null correlated"}:
            factors = r.normal(size=(n, 2)) @ r.normal(size=(2, 8))
            x = factors + 0.5 * r.normal(size=(n, 8)) + 1.5 * r.normal(size=(k, 8))[truth]
        elif kind in {"skewed", "null skewed"}:
            x = np.exp(0.7 * r.normal(size=(n, 6)) + 1.5 * r.normal(size=(k, 6))[truth])
            x = np.log(x) if r.random() < 0.5 else np.sqrt(x)
        elif kind == "null category":
            x = np.hstack([r.normal(size=(n, 5)), np.eye(4)[r.integers(0, 4, n)]])
            groups = (None,) * 5 + ("area",) * 4
        elif kind == "null heavy tails":
            x = r.standard_t(4, size=(n, 6))
        elif kind == "null uniform":
            x = r.uniform(size=(n, 6))
        else:
            x = r.normal(size=(n, 6))
        return Draw(x, truth.astype(np.intp), groups or (None,) * x.shape[1])

    return draw


SCENARIOS: Final[Mapping[Lane, Mapping[str, Scenario]]] = {
    "internal": {
        "noise 0.35": planted_shares(300, 10, 5, 0.35),
        "noise 0.5": planted_shares(300, 10, 5, 0.5),
        "noise 0.7": planted_shares(300, 10, 5, 0.7),
        "noise 0.9": planted_shares(300, 10, 5, 0.9),
        "two groups": planted_shares(300, 10, 2, 0.7),
        "three groups": planted_shares(300, 10, 3, 0.7),
        "eight groups": planted_shares(400, 12, 8, 0.5),
        "95 to 5": planted_shares(300, 10, 2, 0.5, weights=(0.95, 0.05)),
        "80, 10, 5, 5": planted_shares(400, 10, 4, 0.5, weights=(0.8, 0.1, 0.05, 0.05)),
        "60, 25, 10, 5": planted_shares(400, 10, 4, 0.5, weights=(0.6, 0.25, 0.1, 0.05)),
        "stretched 4 x": planted_shares(300, 10, 4, 0.4, stretch=4),
        "stretched 8 x": planted_shares(300, 10, 4, 0.3, stretch=8),
        "zeros 20 %": planted_shares(300, 12, 4, 0.4, zeros=0.2),
        "zeros 40 %": planted_shares(300, 12, 4, 0.4, zeros=0.4),
        "30 stores": planted_shares(30, 8, 3, 0.4),
        "60 stores": planted_shares(60, 8, 3, 0.4),
        "60 need states": planted_shares(300, 60, 5, 0.7),
        "small baskets": planted_shares(300, 14, 5, 0.4, basket=300, spread=0.7, popularity=1.5),
        **{
            f"null {kind}": null_shares(kind)
            for kind in (
                "uniform",
                "log-normal",
                "correlated",
                "dirichlet 1",
                "dirichlet 5",
                "gaps 5 %",
                "small baskets",
            )
        },
    },
    "external": {
        kind: planted_columns(kind)
        for kind in (
            "groups and noise",
            "four columns",
            "minority 8 %",
            "two humps",
            "mixed",
            "correlated",
            "skewed",
            "null normal",
            "null uniform",
            "null heavy tails",
            "null correlated",
            "null skewed",
            "null category",
            "null mixed",
        )
    },
}


def categorical_noise(r: np.random.Generator) -> Draw:
    """Two to five independent categories of 60 to 400 stores, and up to three normal columns."""
    n = int(r.integers(60, 401))
    parts = [r.normal(size=(n, int(r.integers(0, 4))))]
    groups: list[str | None] = [None] * parts[0].shape[1]
    for category in range(int(r.integers(2, 6))):
        n_levels = int(r.integers(2, 7))
        levels = np.eye(n_levels)[r.choice(n_levels, n, p=r.dirichlet(np.full(n_levels, 3.0)))]
        parts.append(levels[:, levels.any(axis=0)])
        groups += [f"category {category}"] * parts[-1].shape[1]
    return Draw(np.hstack(parts), np.zeros(n, dtype=np.intp), tuple(groups))


def discrete_noise(kinds: str) -> Scenario:
    """Independent columns of 60 to 400 stores: counts, flags, levels, normal ones, zeros, gaps.

    `kinds` has one letter for each kind of column to draw from.
    """

    def column(r: np.random.Generator, kind: str, n: int) -> Matrix:
        makers: dict[str, Callable[[], Matrix]] = {
            "c": lambda: r.poisson(r.choice([0.5, 1.0, 1.5, 2.0, 3.0, 5.0]), n).astype(float),
            "f": lambda: (r.random(n) < r.uniform(0.1, 0.5)).astype(float),
            "l": lambda: r.integers(0, r.integers(3, 8), n).astype(float),
            "n": lambda: r.normal(size=n),
            "z": lambda: np.where(r.random(n) < r.uniform(0.2, 0.7), 0.0, np.exp(r.normal(size=n))),
            "m": lambda: np.where(r.random(n) < r.uniform(0.1, 0.4), np.nan, r.normal(size=n)),
        }
        return makers[kind]()

    def draw(r: np.random.Generator) -> Draw:
        n, d = int(r.integers(60, 401)), int(r.integers(3, 13))
        x = np.column_stack([column(r, str(r.choice(list(kinds))), n) for _ in range(d)])
        return Draw(x, np.zeros(n, dtype=np.intp), (None,) * d)

    return draw


def twin_columns(fewest: int, most: int) -> Scenario:
    """Normal columns of stores that come in nearly equal pairs."""

    def draw(r: np.random.Generator) -> Draw:
        n, d = int(r.integers(fewest // 2, most // 2 + 1)), int(r.integers(3, 9))
        x = np.repeat(r.normal(size=(n, d)), 2, axis=0)
        x += r.choice([0.003, 0.01, 0.03, 0.1]) * r.normal(size=x.shape)
        return Draw(x, np.zeros(2 * n, dtype=np.intp), (None,) * d)

    return draw


def unequal_columns(distance: float) -> Scenario:
    """Two groups of 300 stores; the deviation of one is six times that of the other, which is 1."""

    def draw(r: np.random.Generator) -> Draw:
        truth = (r.random(300) < 0.5).astype(np.intp)
        x = r.normal(size=(300, 6)) * np.where(truth == 1, 6.0, 1.0)[:, None]
        direction = r.normal(size=6)
        x += distance * np.outer(truth, direction / np.linalg.norm(direction))
        return Draw(x, truth, (None,) * 6)

    return draw


def dirichlet_groups(concentrations: tuple[float, ...], missing: float = 0.0) -> Scenario:
    """Shares of 300 stores in groups that prefer two need states of eight each.

    The need state that no group prefers is missing in a share of the stores, at random.
    """

    def draw(r: np.random.Generator) -> Draw:
        k = len(concentrations)
        truth = r.integers(0, k, 300)
        expected = np.ones((k, 8)) + 2.0 * np.kron(np.eye(k, 4), [1.0, 1.0])
        expected /= expected.sum(axis=1, keepdims=True)
        shares = np.array([r.dirichlet(concentrations[g] * expected[g]) for g in truth])
        shares[r.random(300) < missing, -1] = 0.0
        return Draw(closure(shares), truth.astype(np.intp))

    return draw


#: Data that hostile users tried; not part of the figures of `SCENARIOS`.
EDGE_CASES: Final[Mapping[Lane, Mapping[str, Scenario]]] = {
    "internal": {
        "volumes 1:10": dirichlet_groups((300.0, 30.0)),
        "volumes 1:36": dirichlet_groups((720.0, 20.0)),
        "missing at random": dirichlet_groups((200.0, 200.0, 200.0), 1 / 3),
        "missing, wide": dirichlet_groups((60.0, 60.0, 60.0), 1 / 3),
        "null gaps 20 %": planted_shares(300, 12, 1, 0.5, zeros=0.2),
        "null gaps 40 %": planted_shares(300, 12, 1, 0.5, zeros=0.4),
    },
    "external": {
        "deviations 1:6, far": unequal_columns(36.0),
        "deviations 1:6": unequal_columns(24.0),
        "deviations 1:6, near": unequal_columns(18.0),
        "null counts": discrete_noise("c"),
        "null flags": discrete_noise("f"),
        "null levels": discrete_noise("l"),
        "null discrete": discrete_noise("cfln"),
        "null zeros": discrete_noise("zn"),
        "null missing": discrete_noise("mn"),
        "null categories": categorical_noise,
        "null few twins": twin_columns(12, 50),
        "null twins": twin_columns(50, 150),
    },
}


@dataclass(frozen=True)
class Found:
    """Number of clusters, cluster of every row, and its probability where the method has one."""

    k: int
    labels: Labels
    probabilities: Matrix | None = None


@dataclass(frozen=True)
class Outcome:
    """What one method made of one draw."""

    scenario: str
    method: str
    ari: float
    k: int
    is_right: bool

    @property
    def is_null(self) -> bool:
        """Whether the draw has no groups."""
        return self.scenario.startswith("null")


def fitted(lane: Lane, draw: Draw, given: Mapping[str, Any]) -> Found:
    """Clusters of every row, by the product."""
    row, model, z = _trained_row(lane, draw, given)
    return Found(row["k"], model.predict(z), probabilities(row, model, z))


def trained(lane: Lane, draw: Draw, given: Mapping[str, Any]) -> tuple[AffineModel, Matrix]:
    """The product's model of a draw, and the component scores of every row."""
    _, model, z = _trained_row(lane, draw, given)
    return model, z


def _trained_row(
    lane: Lane, draw: Draw, given: Mapping[str, Any]
) -> tuple[ModelRow, AffineModel, Matrix]:
    """The row of the product's model, the model, and the component scores of every row."""
    settings = Settings(given).for_scope(lane, "benchmark" if lane == "internal" else "external")
    raw = draw.values
    n, d = raw.shape
    groups = draw.groups or (None,) * d
    x = (
        log_shares(raw, settings.zero_replacement)
        if lane == "internal"
        else with_logs(raw, groups, settings.log_skewness_threshold)
    )
    data = TrainingData(
        scope=EXTERNAL_SCOPE if lane == "external" else "benchmark",
        store_ids=tuple(f"s{row:05d}" for row in range(n)),
        names=tuple(f"n{column}" for column in range(d)),
        groups=groups,
        raw=raw,
        x=x,
        has_gaps=lane == "internal",
    )
    row = fit_scope(data, settings)
    model = AffineModel.from_row(row)
    return row, model, model.transform(data.names, x)


def with_logs(x: Matrix, groups: tuple[str | None, ...], threshold: float) -> Matrix:
    """Columns as `int_external_features` has them: some measurements enter as logarithms."""
    result = x.copy()
    for column, values in enumerate(x.T):
        if groups[column] is None and values.min() >= 0 and values.max() > 1:
            logs = np.log(values) if values.min() > 0 else np.log1p(values)
            skewness = skew(values, bias=False)
            if skewness > threshold and abs(skew(logs, bias=False)) < skewness:
                result[:, column] = logs
    return result


def probabilities(row: ModelRow, model: AffineModel, z: Matrix) -> Matrix:
    """`assignment_probability` of every row, as `lane_clusters` computes it in SQL."""
    sizes = np.array([centroid["n_stores"] for centroid in row["centroids"]], dtype=np.float64)
    squares = ((z[:, None, :] - model.centers[None, :, :]) ** 2).sum(axis=2)
    nearest = squares.argmin(axis=1)
    weights = sizes * np.exp((squares.min(axis=1, keepdims=True) - squares) / 2)
    shares: Matrix = weights[np.arange(len(z)), nearest] / weights.sum(axis=1)
    return shares


def is_in_own_group(truth: Labels, labels: Labels) -> Labels:
    """1 where the cluster of a row is the one that belongs to its group, matched one to one."""
    table = contingency_matrix(truth, labels)
    groups, clusters = linear_sum_assignment(table, maximize=True)
    group_of = dict(zip(clusters.tolist(), groups.tolist(), strict=True))
    codes = np.unique(labels, return_inverse=True)[1]
    known = np.unique(truth, return_inverse=True)[1]
    matched = np.array([group_of.get(code, -1) for code in codes.tolist()])
    right: Labels = (matched == known).astype(np.intp)
    return right


def baselines(lane: Lane, draw: Draw) -> dict[str, Found]:
    """What common methods find: k by BIC (mixture) or silhouette (the others), at most 10."""
    x = draw.values
    if lane == "internal":
        smoothed = np.log(x + 0.5 * x[x > 0].min())
        x = smoothed - smoothed.mean(axis=1, keepdims=True)
    else:
        x = (x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    ks = range(2, min(10, len(x) // 5) + 1)
    mixtures = [GaussianMixture(k, n_init=2, random_state=0).fit(x) for k in (1, *ks)]
    best = min(mixtures, key=lambda mixture: mixture.bic(x))
    result = {"mixture, BIC": Found(int(best.n_components), best.predict(x))}
    makers: dict[str, Callable[[int], Any]] = {
        "K-means, silhouette": lambda k: KMeans(k, n_init=10, random_state=0),
        "Ward, silhouette": AgglomerativeClustering,
        "spectral, silhouette": lambda k: SpectralClustering(
            k, affinity="nearest_neighbors", random_state=0, assign_labels="cluster_qr"
        ),
    }
    for name, make in makers.items():
        labelings = [make(k).fit_predict(x) for k in ks]
        scores = [silhouette_score(x, labels) for labels in labelings]
        result[name] = Found(ks[int(np.argmax(scores))], labelings[int(np.argmax(scores))])
    labels = HDBSCAN(min_cluster_size=max(5, len(x) // 30)).fit_predict(x)
    result["HDBSCAN"] = Found(max(len(set(labels) - {-1}), 1), labels)
    return result


def run(
    lane: Lane,
    seeds: Sequence[int],
    draws: int,
    given: Mapping[str, Any],
    baseline_draws: int = 0,
    only: str = "",
    scenarios: Mapping[Lane, Mapping[str, Scenario]] = SCENARIOS,
) -> dict[str, Any]:
    """Fit every scenario and print the tables; return the figures."""
    outcomes: list[Outcome] = []
    assigned: list[tuple[Matrix, Labels]] = []
    print(f"{lane} lane, seeds {', '.join(map(str, seeds))}, {draws} draws each")
    for name, scenario in scenarios[lane].items():
        if only not in name:
            continue
        seconds = 0.0
        for seed in seeds:
            for number in range(draws):
                draw = scenario(np.random.default_rng([seed, number, *name.encode()]))
                n_groups = len(np.unique(draw.truth))
                started = time.process_time()
                found = {PRODUCT: fitted(lane, draw, given)}
                seconds += time.process_time() - started
                own = found[PRODUCT]
                if own.k == n_groups > 1 and own.probabilities is not None:
                    assigned.append((own.probabilities, is_in_own_group(draw.truth, own.labels)))
                if number < baseline_draws:
                    found |= baselines(lane, draw)
                outcomes += [
                    Outcome(
                        name,
                        method,
                        float(adjusted_rand_score(draw.truth, one.labels)),
                        one.k,
                        one.k == n_groups,
                    )
                    for method, one in found.items()
                ]
        rows = [one for one in outcomes if (one.scenario, one.method) == (name, PRODUCT)]
        shown = "" if rows[0].is_null else f"  ARI {np.mean([one.ari for one in rows]):.3f}"
        print(
            f"{name:<20} k {np.mean([one.k for one in rows]):>4.1f}"
            f"  right k {np.mean([one.is_right for one in rows]):>4.0%}"
            f"  {seconds / len(rows):.2f} s{shown}",
            flush=True,
        )
    result: dict[str, Any] = {}
    for method in dict.fromkeys(one.method for one in outcomes):
        result[method] = _figures([one for one in outcomes if one.method == method])
        shown = ", ".join(
            f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}"
            for key, value in result[method].items()
        )
        print(f"{lane} lane, {method}: {shown}")
    if assigned:
        result["reliability"] = reliability(
            *(np.concatenate(part) for part in zip(*assigned, strict=True))
        )
    return result


def _figures(outcomes: Sequence[Outcome]) -> dict[str, float | int | None]:
    """Figures of one method over all scenarios; the index is the mean of the scenarios."""
    planted = [one for one in outcomes if not one.is_null]
    nulls = [not one.is_right for one in outcomes if one.is_null]
    aris = [
        float(np.mean([one.ari for one in planted if one.scenario == name]))
        for name in dict.fromkeys(one.scenario for one in planted)
    ]
    return {
        "ari": float(np.mean(aris)) if aris else None,
        "right_k": float(np.mean([one.is_right for one in planted])) if planted else None,
        "worst": min(aris, default=None),
        "claimed": float(np.mean(nulls)) if nulls else None,
        "n_planted": len(planted),
        "n_nulls": len(nulls),
    }


def reliability(probability: Matrix, is_right: Labels) -> dict[str, Any]:
    """Table of promised and actual shares of right assignments, printed and returned.

    References
    ----------
    Niculescu-Mizil and Caruana (2005), Predicting good probabilities with supervised learning;
    Naeini, Cooper and Hauskrecht (2015) for the expected calibration error.
    """
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    rows = [
        (
            int((bins == b).sum()),
            float(probability[bins == b].mean()),
            float(is_right[bins == b].mean()),
        )
        for b in np.unique(bins)
    ]
    error = sum(n * abs(promised - actual) for n, promised, actual in rows) / len(probability)
    print("stores  promised  right   (draws with the right number of clusters)")
    for n, promised, actual in rows:
        print(f"{n:>6}  {promised:>8.3f}  {actual:.3f}")
    print(f"expected calibration error {error:.4f}, {len(probability)} stores")
    return {"expected_calibration_error": error, "rows": rows}


def draw_reliability(results: Mapping[str, Mapping[str, Any]], path: pathlib.Path) -> None:
    """Picture of the reliability of both lanes, with the number of stores behind each point."""
    with rc_context(RC):
        _reliability_figure(results).savefig(path, metadata={"Software": None})


def _reliability_figure(results: Mapping[str, Mapping[str, Any]]) -> Figure:
    """One line per lane; the numbers are the stores of the internal lane."""
    figure = Figure(figsize=(5.5, 4.5), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, label="perfectly calibrated")
    for (lane, result), color in zip(results.items(), PALETTE, strict=False):
        counts, promised, right = zip(*result["reliability"]["rows"], strict=True)
        axes.plot(promised, right, "o-", color=color, label=f"{lane} lane")
        if lane == "internal":
            for count, x, y in zip(counts, promised, right, strict=True):
                axes.annotate(
                    f"{count:,}", (x, y), (4, -11), textcoords="offset points", fontsize=8
                )
    axes.set(
        xlabel="assignment_probability (mean of the bin)",
        ylabel="share of stores in their own group",
        title="Reliability on planted data",
    )
    axes.legend(frameon=False)
    return figure


def main() -> None:
    """Read the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, nargs="+", help="three fresh ones if not given")
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--lane", choices=["internal", "external"], action="append")
    parser.add_argument("--only", default="", help="part of the names of the scenarios")
    parser.add_argument("--baseline-draws", type=int, default=0, help="of each seed and scenario")
    parser.add_argument("--edge-cases", action="store_true", help="instead of the scenarios")
    parser.add_argument("--set", default="{}", help="settings as JSON")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    parser.add_argument("--picture", type=pathlib.Path, help="file for the picture of reliability")
    given = parser.parse_args()
    seeds = given.seed or [secrets.randbelow(10**6) for _ in range(3)]
    results = {
        lane: run(
            lane,
            seeds,
            given.draws,
            json.loads(given.set),
            given.baseline_draws,
            given.only,
            EDGE_CASES if given.edge_cases else SCENARIOS,
        )
        for lane in given.lane or list(SCENARIOS)
    }
    if given.json:
        given.json.write_text(json.dumps({"seeds": seeds, **results}, indent=1))
    if given.picture:
        shown = {lane: result for lane, result in results.items() if "reliability" in result}
        draw_reliability(shown, given.picture)


if __name__ == "__main__":
    main()
