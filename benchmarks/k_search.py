"""The search for k against PyCaret's loop over `create_model` and `pull`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from benchmarks import data
from benchmarks.harness import (
    PAIRS,
    Measurement,
    Stopwatch,
    Suite,
    curve,
    measure,
    ratio_row,
    row,
)
from segmentation.features.vectors import Matrix
from segmentation.fitting.model import TrainingData
from segmentation.settings import ScopeSettings

TARGET: Final = "k search"
STORES, LARGE_STORES, WARM_STORES, FEATURES, MAX_K = 20_000, 100_000, 500, 40, 10
LARGE_RUNS = 3
#: Libraries with a K-means of their own and their modules; faiss is in the extra `bench`.
PEERS: Final = {"scikit-learn": "sklearn", "faiss": "faiss"}
K_MEANS_STORES: Final = (2_000, STORES)
#: Starts of K-means for each k, and their seed.
STARTS, SEED = 10, 42
#: The loop goes over all k once, which says what it chooses, and over some in the other pairs.
SOME_K: Final = (2, 6, MAX_K)
#: K-means takes no longer than the fastest library.
K_MEANS_LIMIT: Final = 1.0
STORES_LIMIT: Final = 1.1
GROWTH_STORES: Final = (2_500, 5_000, 10_000)
GROWTH_LARGE: Final = (*GROWTH_STORES, STORES, 50_000)
GROWTH_FEATURES, GROWTH_K, GROWTH_AT = (10, 20, 40, 80), (5, 10, 20), 2_500
#: Stores on which the silhouette is also measured exactly, which takes time with their square.
EXACT_STORES: Final = 10_000
#: Silhouettes agree so well, at the chosen k and every other.
SILHOUETTE_ERROR: Final = 0.02


def training(stores: int, features: int) -> TrainingData:
    """Vectors with planted groups, as a scope."""
    x = data.matrix(stores, features)
    return TrainingData(
        scope="external",
        store_ids=tuple(f"S{store:08d}" for store in range(stores)),
        names=tuple(f"f{feature:03d}" for feature in range(features)),
        groups=(None,) * features,
        raw=x,
        x=x,
    )


def search(stores: int, features: int, max_k: int) -> dict[str, Any]:
    """Fit one scope as a build does, PyCaret's import and numba's compilation left out."""
    import pycaret.clustering  # noqa: F401, PLC0415
    from joblib import cpu_count  # noqa: PLC0415

    from segmentation.fitting.scope import fit_scope  # noqa: PLC0415

    settings = ScopeSettings.model_validate({"max_clusters": max_k})
    fit_scope(training(WARM_STORES, FEATURES), settings)
    given = training(stores, features)
    watch = Stopwatch.start()
    fitted = fit_scope(given, settings, n_jobs=cpu_count())
    return {**watch.read(), "k": fitted["k"], "components": len(fitted["components"])}


def loop(stores: int, features: int, max_k: int, ks: Sequence[int]) -> dict[str, Any]:
    """PyCaret alone: one `setup` with the same steps, then `create_model` and `pull` per k.

    The time of some `ks` is scaled to all from 2 to `max_k`.
    """
    os.environ.setdefault("PYCARET_CUSTOM_LOGGING_PATH", os.devnull)
    import pandas as pd  # noqa: PLC0415
    from pycaret.clustering import ClusteringExperiment  # noqa: PLC0415

    frame = pd.DataFrame(training(stores, features).x).add_prefix("f")
    before = Stopwatch.start()
    experiment = ClusteringExperiment()
    experiment.setup(
        frame,
        session_id=42,
        remove_multicollinearity=True,
        multicollinearity_threshold=0.95,
        remove_outliers=True,
        normalize=True,
        normalize_method="robust",
        pca=True,
        pca_components=0.8,
        html=False,
        verbose=False,
        system_log=False,
    )
    setup, watch = before.read(), Stopwatch.start()
    indices = []
    for k in ks:
        experiment.create_model("kmeans", num_clusters=k, verbose=False)
        indices.append(
            experiment.pull().iloc[0][["Silhouette", "Calinski-Harabasz", "Davies-Bouldin"]]
        )
    scale = (max_k - 1) / len(ks)
    measured = {name: setup[name] + scale * value for name, value in watch.read().items()}
    values = np.array(indices, dtype=np.float64) * [-1, -1, 1]
    ranks = sum(rankdata(column, method="min") for column in values.T)
    return {**measured, "k": ks[int(np.argmin(ranks))]}


def silhouette_error(stores: int, features: int) -> dict[str, Any]:
    """Largest difference of the sampled silhouette to the exact one, over k from 2 to 10."""
    from sklearn.cluster import KMeans  # noqa: PLC0415
    from sklearn.metrics import silhouette_score  # noqa: PLC0415

    from segmentation.fitting.silhouettes import mean_silhouettes  # noqa: PLC0415

    z = data.matrix(stores, features)[:, :8]
    sample = ScopeSettings.model_validate({}).silhouette_sample
    labelings = [KMeans(k, n_init=1, random_state=42).fit_predict(z) for k in range(2, MAX_K + 1)]
    exact = [silhouette_score(z, labels) for labels in labelings]
    errors = np.subtract(mean_silhouettes(z, labelings, sample, 42), exact)
    return {"largest": float(np.abs(errors).max()), "mean": float(np.mean(errors))}


def k_means(library: str, stores: int, features: int) -> dict[str, Any]:
    """CPU time and inertias of K-means for every k from 2 to 10 with ten starts, in one library.

    `library` is `ours`, `scikit-learn` or `faiss`. One thread each; a small data set comes first,
    so that imports and compilation do not count.
    """
    z = data.matrix(stores, features)

    def ours(x: Matrix, k: int) -> float:
        from segmentation.fitting.kmeans import partition, weighted_rows  # noqa: PLC0415

        found = partition(weighted_rows(x), k, STARTS, SEED)
        return found.inertia_ if found else float("nan")

    def scikit_learn(x: Matrix, k: int) -> float:
        from sklearn.cluster import KMeans  # noqa: PLC0415

        return float(KMeans(k, n_init=STARTS, random_state=SEED).fit(x).inertia_)

    def faiss(x: Matrix, k: int) -> float:
        from faiss import Kmeans  # noqa: PLC0415

        fitted = Kmeans(
            x.shape[1], k, niter=300, nredo=STARTS, seed=SEED, max_points_per_centroid=len(x)
        )
        fitted.train(x.astype(np.float32))
        return float(fitted.obj[-1])

    fit = {"ours": ours, "faiss": faiss}.get(library, scikit_learn)
    with threadpool_limits(limits=1):
        fit(z[:WARM_STORES], 2)
        watch = Stopwatch.start()
        inertias = [fit(z, k) for k in range(2, MAX_K + 1)]
        return {**watch.read(), "inertias": inertias}


def _search(stores: int = STORES, features: int = FEATURES, max_k: int = MAX_K) -> Measurement:
    return measure(search, stores=stores, features=features, max_k=max_k)


def results(suite: Suite) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows and curves of this target."""
    if suite == "bench-large":
        for stores in (WARM_STORES, *GROWTH_LARGE, LARGE_STORES):
            data.vectors(stores, FEATURES)
        runs = [_search(LARGE_STORES) for _ in range(LARGE_RUNS)]
        typical = sorted(runs, key=lambda one: one.cpu_seconds)[LARGE_RUNS // 2]
        points = [
            *((float(stores), _search(stores)) for stores in GROWTH_LARGE),
            (float(LARGE_STORES), typical),
        ]
        note = f"k = {runs[0].result['k']}; stability and gap statistic included"
        return [
            row(
                TARGET,
                "100,000 stores x 40 features",
                suite,
                [one.seconds for one in runs],
                180,
                "at most",
                "s",
                note,
            ),
            row(
                TARGET,
                "memory at 100,000 stores",
                suite,
                [one.peak_mb / 1000 for one in runs],
                4,
                "at most",
                "GB",
            ),
        ], [
            curve(
                TARGET,
                "search over stores, up to 100,000 (40 features)",
                "stores",
                suite,
                points,
                STORES_LIMIT,
            ),
            curve(
                TARGET,
                "search over stores, from 20,000 on (40 features)",
                "stores",
                suite,
                [(stores, one) for stores, one in points if stores >= STORES],
            ),
        ]
    for stores in {*K_MEANS_STORES, EXACT_STORES, WARM_STORES, *GROWTH_STORES}:
        data.vectors(stores, FEATURES)
    for features in GROWTH_FEATURES:
        data.vectors(GROWTH_AT, features)
    pairs = [
        (_search(), measure(loop, stores=STORES, features=FEATURES, max_k=MAX_K, ks=list(ks)))
        for ks in [range(2, MAX_K + 1), *[SOME_K] * (PAIRS - 1)]
    ]
    chosen = {pairs[0][1].result["k"], *(ours.result["k"] for ours, _ in pairs)}
    same = f"k = {min(chosen)} on both sides"
    if len(chosen) > 1:
        same = f"K DIFFERS: {sorted(chosen)}"
    note = f"{same}; the loop ran over all nine k once, then over {len(SOME_K)} of them, scaled"
    peers = [
        ratio_row(
            TARGET,
            f"K-means alone, {stores:,} stores x {FEATURES} features, against {library}",
            suite,
            [
                (
                    measure(k_means, library="ours", stores=stores, features=FEATURES),
                    measure(k_means, library=library, stores=stores, features=FEATURES),
                )
                for _ in range(PAIRS)
            ],
            K_MEANS_LIMIT,
            "at least",
            f"k 2 to {MAX_K}, {STARTS} starts each, one thread",
        )
        for stores in K_MEANS_STORES
        for library, module in PEERS.items()
        if find_spec(module)
    ]
    error = measure(silhouette_error, stores=EXACT_STORES, features=FEATURES).result
    return [
        ratio_row(
            TARGET,
            "a whole fit, 20,000 stores x 40 features, k 2 to 10",
            suite,
            pairs,
            None,
            "at least",
            f"{note}; mixtures, 20 bootstraps per k and the gap statistic are ours alone",
        ),
        row(
            TARGET,
            "error of the silhouette on 5,000 of 10,000 stores",
            suite,
            [error["largest"]],
            SILHOUETTE_ERROR,
            "at most",
            note="largest over k 2 to 10",
        ),
        *peers,
    ], [
        curve(
            TARGET,
            "search over stores (40 features)",
            "stores",
            suite,
            [
                *((float(stores), _search(stores)) for stores in GROWTH_STORES),
                (float(STORES), pairs[-1][0]),
            ],
            STORES_LIMIT,
        ),
        curve(
            TARGET,
            f"search over features ({GROWTH_AT:,} stores)",
            "features",
            suite,
            [(float(features), _search(GROWTH_AT, features)) for features in GROWTH_FEATURES],
        ),
        curve(
            TARGET,
            f"search over the largest k ({GROWTH_AT:,} stores x 40 features)",
            "largest k",
            suite,
            [(float(max_k), _search(GROWTH_AT, max_k=max_k)) for max_k in GROWTH_K],
        ),
    ]
