"""Planted groups and data without groups: how often the lanes find the groups, and only those.

    python -m benchmarks.structure [--seed S] [--draws N] [--lane internal|external] [--baselines]

Every draw is fitted in process with the code of the product (`fit_scope`). A scenario of the
internal lane draws shares of stores in need states, one of the external lane draws columns.
Printed per scenario: mean adjusted Rand index (Hubert and Arabie 1985), mean k, share of draws
with the right k, seconds of a fit; for the nulls the share of draws in which groups are claimed.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans, SpectralClustering
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture

from segmentation.features.vectors import Labels, Matrix, closure, log_shares
from segmentation.fitting.model import AffineModel, TrainingData
from segmentation.fitting.scope import fit_scope
from segmentation.settings import EXTERNAL_SCOPE, Lane, Settings


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


def trained(lane: Lane, draw: Draw, given: Mapping[str, Any]) -> tuple[AffineModel, Matrix]:
    """The product's model of a draw, and the component scores of every row."""
    settings = Settings(given).for_scope(lane, "benchmark" if lane == "internal" else "external")
    raw = draw.values
    n, d = raw.shape
    x = log_shares(raw, settings.zero_replacement) if lane == "internal" else raw
    data = TrainingData(
        scope=EXTERNAL_SCOPE if lane == "external" else "benchmark",
        store_ids=tuple(f"s{row:05d}" for row in range(n)),
        names=tuple(f"n{column}" for column in range(d)),
        groups=draw.groups or (None,) * d,
        raw=raw,
        x=x,
        has_gaps=lane == "internal",
    )
    model = AffineModel.from_row(fit_scope(data, settings))
    return model, model.transform(data.names, x)


def fitted(lane: Lane, draw: Draw, given: Mapping[str, Any]) -> tuple[int, Labels]:
    """Number of clusters and cluster of every row, by the product."""
    model, z = trained(lane, draw, given)
    return len(model.clusters), model.predict(z)


def baselines(lane: Lane, draw: Draw) -> dict[str, tuple[int, Labels]]:
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
    result = {"mixture, BIC": (int(best.n_components), best.predict(x))}
    makers: dict[str, Callable[[int], Any]] = {
        "K-means": lambda k: KMeans(k, n_init=10, random_state=0),
        "Ward": AgglomerativeClustering,
        "spectral": lambda k: SpectralClustering(
            k, affinity="nearest_neighbors", random_state=0, assign_labels="cluster_qr"
        ),
    }
    for name, make in makers.items():
        labelings = [make(k).fit_predict(x) for k in ks]
        scores = [silhouette_score(x, labels) for labels in labelings]
        result[name] = (ks[int(np.argmax(scores))], labelings[int(np.argmax(scores))])
    labels = HDBSCAN(min_cluster_size=max(5, len(x) // 30)).fit_predict(x)
    result["HDBSCAN"] = (max(len(set(labels) - {-1}), 1), labels)
    return result


def run(
    lane: Lane,
    seed: int,
    draws: int,
    given: Mapping[str, Any],
    with_baselines: bool = False,
    only: str = "",
) -> dict[str, Any]:
    """Fit every scenario and print the table; return the figures."""
    fit: dict[str, list[tuple[str, float, int, bool, float]]] = {}
    for name, scenario in SCENARIOS[lane].items():
        if only not in name:
            continue
        for number in range(draws):
            draw = scenario(np.random.default_rng([seed, number, *name.encode()]))
            n_groups = len(np.unique(draw.truth))
            started = time.process_time()
            found = {"store_segments": fitted(lane, draw, given)}
            seconds = time.process_time() - started
            if with_baselines:
                found |= baselines(lane, draw)
            for method, (k, labels) in found.items():
                ari = float(adjusted_rand_score(draw.truth, labels))
                fit.setdefault(method, []).append((name, ari, k, k == n_groups, seconds))
        rows = [row[1:] for row in fit["store_segments"] if row[0] == name]
        ari, mean_k, right, seconds = (float(np.mean(column)) for column in zip(*rows, strict=True))
        shown = "" if name.startswith("null") else f"  ARI {ari:.3f}"
        print(
            f"{name:<20} k {mean_k:>4.1f}  right k {right:>4.0%}  {seconds:.2f} s{shown}",
            flush=True,
        )
    result = {}
    for method, rows_of_method in fit.items():
        names = list(dict.fromkeys(row[0] for row in rows_of_method))
        aris = {
            name: float(np.mean([row[1] for row in rows_of_method if row[0] == name]))
            for name in names
            if not name.startswith("null")
        }
        right_ks = [row[3] for row in rows_of_method if not row[0].startswith("null")]
        nulls = [not row[3] for row in rows_of_method if row[0].startswith("null")]
        result[method] = {
            "ari": float(np.mean(list(aris.values()))) if aris else None,
            "right_k": float(np.mean(right_ks)) if right_ks else None,
            "worst": min(aris.values(), default=None),
            "claimed": float(np.mean(nulls)) if nulls else None,
            "n_nulls": len(nulls),
        }
        figures = ", ".join(
            f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}"
            for key, value in result[method].items()
        )
        print(f"{lane} lane, seed {seed}, {method}: {figures}")
    return result


def main() -> None:
    """Read the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, help="fresh if not given")
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--lane", choices=["internal", "external"], action="append")
    parser.add_argument("--only", default="", help="part of the names of the scenarios")
    parser.add_argument("--baselines", action="store_true")
    parser.add_argument("--set", default="{}", help="settings as JSON")
    parser.add_argument("--json", type=pathlib.Path, help="file for the figures")
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    results = {
        lane: run(lane, seed, given.draws, json.loads(given.set), given.baselines, given.only)
        for lane in given.lane or list(SCENARIOS)
    }
    if given.json:
        given.json.write_text(json.dumps({"seed": seed, **results}, indent=1))


if __name__ == "__main__":
    main()
