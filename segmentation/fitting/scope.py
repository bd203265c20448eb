"""One scope, fitted: PyCaret's preprocessing pipeline and K-means, returned as plain numbers.

`ClusteringExperiment` builds the pipeline and names the estimator. Its own `create_model` is not
used: it computes a quadratic silhouette for each k, its data is single precision, and
`assign_model` fails once outliers are removed. The pipeline is fitted again here in double
precision, which changes nothing but the rounding and makes the numbers fit for SQL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, Final, cast

import numpy as np
import pandas as pd  # PyCaret's door, open only where a fit is needed
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from segmentation.features.log_ratios import GapTransform, fit_gaps, is_assortment
from segmentation.features.vectors import Labels, Matrix
from segmentation.fitting.binning import distribution
from segmentation.fitting.cluster_search import Candidate, Clusterer, MakeClusterer, choose_clusters
from segmentation.fitting.kmeans import first_centroids
from segmentation.fitting.labels import match_clusters, order_clusters
from segmentation.fitting.lonely import RemoveLonely
from segmentation.fitting.metric import Metric
from segmentation.fitting.model import NO_METRIC, AffineModel, ModelRow, TrainingData
from segmentation.fitting.search_rows import completed, completed_logs, without_levels
from segmentation.fitting.selection import COLLINEAR, FeatureDecision, select_features
from segmentation.fitting.weights import WeightColumns
from segmentation.settings import ScopeSettings

#: PyCaret counts from the end: the step before the last one.
_BEFORE_PCA: Final = -2
#: Largest difference of two values that rounding explains.
_SAME: Final = 1e-12
#: Set-ups of PyCaret that are kept, and the rows that one is shown.
_RECIPES: Final = 256
_ROWS_OF_NOISE: Final = 64


@dataclass(frozen=True)
class _Columns:
    """Some columns of the training data as the pipeline reads them.

    `numbers` are column numbers of the input. The gaps of log-shares are filled with `gaps`, whose
    row effects are means over exactly these columns.
    """

    numbers: tuple[int, ...]
    values: Matrix
    gaps: GapTransform | None

    @classmethod
    def of(cls, data: TrainingData, numbers: Sequence[int]) -> _Columns:
        """Take the columns with these numbers and fill their gaps."""
        values = data.x[:, numbers]
        if not data.has_gaps:
            return cls(tuple(numbers), values, None)
        gaps = fit_gaps(values)
        return cls(tuple(numbers), gaps.transform(values), gaps)

    def are_same_for_all(self) -> bool:
        """Whether all stores have the same value in each of the columns."""
        known = np.where(np.isnan(self.values), 0.0, self.values)
        return not (len(known) and bool((np.ptp(known, axis=0) > _SAME).any()))


@dataclass(frozen=True)
class _Pipeline:
    """PyCaret's fitted pipeline, read off as numbers.

    `columns` are those that the pipeline keeps; `z` are the component scores of the rows in `rows`,
    divided by `within_deviations`.
    """

    columns: _Columns
    imputed: Matrix
    center: Matrix
    scale: Matrix
    loadings: Matrix
    mean: Matrix
    explained_variance: Matrix
    explained_variance_share: Matrix
    rows: tuple[int, ...]
    z: Matrix
    make_clusterer: MakeClusterer
    reasons: tuple[str, ...]
    within_deviations: Matrix

    def in_metric(self, metric: Metric) -> _Pipeline:
        """Rotate the components into the metric of the clusters.

        The loadings stay orthonormal, and the components together explain what they did before.
        """
        variances = (metric.rotation**2).T @ self.explained_variance
        total = self.explained_variance.sum()
        share = self.explained_variance_share.sum() / total if total > 0 else 0.0
        return replace(
            self,
            loadings=metric.rotation.T @ self.loadings,
            explained_variance=variances,
            explained_variance_share=variances * share,
            z=metric.transform(self.z),
            within_deviations=metric.deviations,
        )


def fit_scope(
    data: TrainingData,
    settings: ScopeSettings,
    previous: AffineModel | None = None,
    highest_used: int = 0,
    n_jobs: int = 1,
) -> ModelRow:
    """Fit one scope: select features, run the pipeline, choose k, number the clusters.

    Parameters
    ----------
    data
        Training stores of the scope.
    settings
        Settings of the scope.
    previous
        Model that was in force before, for lasting cluster numbers.
    highest_used
        Highest cluster number ever used in the scope.
    n_jobs
        Threads of the search for k; they change no result.

    Returns
    -------
    dict
        The fields of `MODEL_SCHEMA` that come from the fit: status, reason, sizes, features,
        components, search, k, centroids, outliers, means and distributions.
    """
    with threadpool_limits(limits=1):
        columns = _Columns.of(data, range(len(data.names)))
        decisions = select_features(data.names, data.raw, columns.values, settings)
    if data.has_gaps:
        decisions = _with_a_partner(decisions)
    selected = [column for column, decision in enumerate(decisions) if decision.kept]
    if len(selected) < len(decisions):
        columns = _Columns.of(data, selected)
    is_same = bool(selected) and columns.are_same_for_all()
    if not selected or is_same or len(data.store_ids) < settings.min_clusters:
        reason = (
            "no usable feature is left; feature_decisions says why for each"
            if data.store_ids and not selected
            else "the stores do not differ in any feature"
            if data.store_ids and is_same
            else f"{len(data.store_ids)} training stores are too few for "
            f"{settings.min_clusters} clusters"
        )
        without = [replace(decision, kept=False) for decision in decisions]
        return _single_cluster(data, without, reason, previous, highest_used)
    with threadpool_limits(limits=1):
        pipeline = _fit_pipeline(data, columns, settings)
        kept = list(pipeline.columns.numbers)
        rows = list(pipeline.rows)
        zero_share = float(np.isnan(data.x[rows][:, kept]).mean()) if data.has_gaps else 0.0
        smooth = _smooth_scores(data, pipeline, settings.seed)
        result = choose_clusters(
            pipeline.z, settings, pipeline.make_clusterer, n_jobs, zero_share, smooth
        )
    reasons = dict(zip(kept, pipeline.reasons, strict=True))
    decisions = [
        replace(decision, kept=False, reason="removed by PyCaret's own filter")
        if column in selected and column not in kept
        else replace(decision, reason=f"kept; {reasons[column]}")
        if reasons.get(column)
        else decision
        for column, decision in enumerate(decisions)
    ]
    if result.chosen is None:
        centers = pipeline.z.mean(axis=0, keepdims=True)
        labels = np.zeros(len(pipeline.z), dtype=np.int64)
    else:
        pipeline = pipeline.in_metric(result.chosen.metric)
        centers = result.chosen.model.cluster_centers_
        labels = result.chosen.model.labels_.astype(np.int64)
    order = order_clusters(labels, centers)
    place = np.argsort(order)
    lasting = match_clusters(
        place[labels],
        _previous_labels(previous, data, pipeline.rows),
        len(order),
        highest_used,
    )
    return {
        **_model_row(data, decisions, pipeline, result.candidates),
        "status": "fitted" if result.chosen else "no_structure",
        "reason": result.reason,
        "k": len(order),
        "centroids": [
            {"cluster": number, "n_stores": int((labels == cluster).sum()), "center": center}
            for number, cluster, center in zip(
                lasting.tolist(), order.tolist(), centers[order].tolist(), strict=True
            )
        ],
    }


def _fit_pipeline(data: TrainingData, columns: _Columns, settings: ScopeSettings) -> _Pipeline:
    """Fit PyCaret's pipeline to some columns and read its numbers."""
    x, groups = columns.values, [data.groups[column] for column in columns.numbers]
    unit = _units(x, groups, settings)
    recipe = _recipe(tuple(groups), settings)
    before_pca, reduction = clone(recipe.pipeline[:-1]), clone(recipe.pipeline[-1:])
    scaled = before_pca.fit_transform(pd.DataFrame(x / unit, columns=_column_names(x.shape[1])))
    z = reduction.fit_transform(scaled)
    floor = min(settings.min_components, *_pca(reduction).components_.shape[1:], len(z))
    if len(_pca(reduction).components_) < floor:
        z = reduction.set_params(pca__transformer__n_components=floor).fit_transform(scaled)
    names = _column_names(x.shape[1])
    kept = [names.index(name) for name in _step(reduction, "pca").feature_names_in_]
    if len(kept) < len(columns.numbers):
        columns = _Columns.of(data, [columns.numbers[column] for column in kept])
        if data.has_gaps:  # the row effects have changed
            return _fit_pipeline(data, columns, settings)
    imputer = before_pca.named_steps["numerical_imputer"].transformer
    center, scale = _center_and_scale(before_pca, settings, len(kept))
    scale = scale / _step(before_pca, "weights").transformer.weights_
    pca = _pca(reduction)
    return _Pipeline(
        columns=columns,
        imputed=np.asarray(imputer.statistics_, dtype=np.float64)[kept] * unit[kept],
        center=center * unit[kept],
        scale=scale * unit[kept],
        loadings=np.asarray(pca.components_, dtype=np.float64),
        mean=np.asarray(pca.mean_, dtype=np.float64),
        explained_variance=np.asarray(pca.explained_variance_, dtype=np.float64),
        # 0 / 0 where the training rows do not vary at all
        explained_variance_share=np.nan_to_num(np.asarray(pca.explained_variance_ratio_, float)),
        rows=tuple(int(row) for row in z.index),
        z=np.ascontiguousarray(z.to_numpy(), dtype=np.float64),
        make_clusterer=recipe.make_clusterer,
        reasons=tuple(_step(before_pca, "weights").transformer.reasons_),
        within_deviations=np.ones(len(pca.components_)),
    )


def _smooth_scores(
    data: TrainingData, pipeline: _Pipeline, seed: int
) -> Callable[[Labels], Matrix] | None:
    """Component scores of some rows, smooth for the search; None if they are those in `z`."""
    numbers = list(pipeline.columns.numbers)
    values = pipeline.columns.values[list(pipeline.rows)]
    has_gaps = pipeline.columns.gaps is not None
    if has_gaps:
        zeros = np.isnan(data.x[list(pipeline.rows)][:, numbers])
        known = ~zeros | is_assortment(zeros)
        smooth = values
        is_same = bool(known.all())
    else:
        smooth = without_levels(values, [data.groups[column] for column in numbers], seed)
        known = ~np.isnan(smooth)
        is_same = bool(np.array_equal(smooth, values))
    if is_same:
        return None

    def scores(rows: Labels) -> Matrix:
        complete = completed_logs(smooth[rows], known[rows]) if has_gaps else smooth[rows]
        scaled = (complete - pipeline.center) / pipeline.scale
        scaled = completed(scaled, ~np.isnan(scaled))
        result: Matrix = (scaled - pipeline.mean) @ pipeline.loadings.T
        return result

    return scores


@dataclass(frozen=True)
class _Recipe:
    """What PyCaret's set-up makes of the settings: an unfitted pipeline and the estimator."""

    pipeline: Any
    make_clusterer: MakeClusterer


def pycaret_experiment() -> Any:
    """The class `ClusteringExperiment` of PyCaret, which takes 2 to 13 seconds to import."""
    # without this PyCaret writes logs.log into the working directory, whatever system_log says
    os.environ.setdefault("PYCARET_CUSTOM_LOGGING_PATH", os.devnull)
    from pycaret.clustering import ClusteringExperiment  # noqa: PLC0415 (after the variable is set)

    return ClusteringExperiment


@lru_cache(maxsize=_RECIPES)
def _recipe(groups: tuple[str | None, ...], settings: ScopeSettings) -> _Recipe:
    """PyCaret's own set-up, once for all scopes with the same settings and columns.

    What it builds depends on settings and columns alone, so it is shown a few rows of noise: set-up
    also fits the pipeline and transforms with it, which is of no use here.
    """
    names = _column_names(len(groups))
    noise = np.random.default_rng(settings.seed).normal(size=(_ROWS_OF_NOISE, len(groups)))
    experiment = pycaret_experiment()()
    experiment.setup(
        pd.DataFrame(noise, columns=names),
        session_id=settings.seed,
        numeric_features=names,
        numeric_imputation=settings.numeric_imputation,
        low_variance_threshold=0.0,
        remove_multicollinearity=True,
        multicollinearity_threshold=settings.multicollinearity_threshold,
        remove_outliers=settings.outlier_method != "none" and settings.outlier_fraction > 0,
        outliers_method="iforest",
        outliers_threshold=settings.outlier_fraction,
        normalize=settings.normalize_method != "none",
        normalize_method=(
            "zscore" if settings.normalize_method == "none" else settings.normalize_method
        ),
        pca=True,
        pca_components=min(settings.pca_variance, _ALMOST_ALL),
        custom_pipeline=[
            ("weights", WeightColumns(groups, adjust=settings.normalize_method != "none"))
        ],
        custom_pipeline_position=_BEFORE_PCA,
        n_jobs=1,
        memory=False,
        html=False,
        verbose=False,
        system_log=False,
    )
    pipeline = clone(experiment.pipeline).set_params(pca__transformer__svd_solver="full")
    if "remove_outliers" in pipeline.named_steps:
        pipeline.set_params(
            remove_outliers__transformer=RemoveLonely(settings.outlier_fraction, settings.seed)
        )
    return _Recipe(pipeline, _clusterer_factory(experiment))


def _with_a_partner(decisions: Sequence[FeatureDecision]) -> list[FeatureDecision]:
    """Keep two need states where one would be left: a log-ratio of a single one is always zero.

    Of two need states each is the mirror image of the other, so the second is always collinear.
    """
    if sum(decision.kept for decision in decisions) != 1:
        return list(decisions)
    partners = [place for place, decision in enumerate(decisions) if decision.reason == COLLINEAR]
    return [
        replace(decision, kept=True, reason="kept; a log-ratio needs two need states")
        if place in partners[:1]
        else decision
        for place, decision in enumerate(decisions)
    ]


def _column_names(width: int) -> list[str]:
    """Names under which PyCaret sees the columns."""
    return [f"f{column:05d}" for column in range(width)]


#: scikit-learn takes a share of variance below 1; this one keeps every component that varies.
_ALMOST_ALL: Final = 1.0 - 1e-12


def _step(pipeline: Any, name: str) -> Any:
    """One named step of PyCaret's pipeline."""
    return pipeline.named_steps[name]


def _pca(pipeline: Any) -> Any:
    """The fitted principal component analysis inside its wrapper."""
    return _step(pipeline, "pca").transformer


def _units(x: Matrix, groups: Sequence[str | None], settings: ScopeSettings) -> Matrix:
    """What each column is divided by before PyCaret sees it: a standard deviation, or 1.

    Robust scaling leaves a feature whose middle half is constant in its own unit, where a few
    stores would then outweigh everything else. All scalers are indifferent to the unit otherwise,
    so measurements enter in standard deviations; indicators stay 0 and 1.
    """
    unit = np.ones(x.shape[1])
    if settings.normalize_method == "none":
        return unit
    for column, values in enumerate(x.T):
        if groups[column] is None:
            unit[column] = np.nanstd(values) or 1.0
    return unit


def _center_and_scale(pipeline: Any, settings: ScopeSettings, width: int) -> tuple[Matrix, Matrix]:
    """Read ``(x - center) / scale`` off PyCaret's scaler, whichever it is."""
    if settings.normalize_method == "none":
        return np.zeros(width), np.ones(width)
    scaler = _step(pipeline, "normalize").transformer
    if settings.normalize_method == "robust":
        return np.asarray(scaler.center_, float), np.asarray(scaler.scale_, float)
    if settings.normalize_method == "zscore":
        return np.asarray(scaler.mean_, float), np.asarray(scaler.scale_, float)
    if settings.normalize_method == "minmax":
        return np.asarray(scaler.data_min_, float), 1.0 / np.asarray(scaler.scale_, float)
    return np.zeros(width), np.asarray(scaler.scale_, float)


def _clusterer_factory(experiment: Any) -> MakeClusterer:
    """PyCaret's own K-means, unfitted, with explicit start, restarts and seed."""
    entry = experiment.models(internal=True).loc["kmeans"]

    def make(k: int, restarts: int, seed: int, start: Matrix | None = None) -> Clusterer:
        starts = (
            {"init": first_centroids, "n_init": restarts}
            if start is None
            else {"init": start, "n_init": 1}
        )
        given = {"n_clusters": k, "random_state": seed}
        return cast("Clusterer", entry["Class"](**entry["Args"] | given | starts))

    return make


def _model_row(
    data: TrainingData,
    decisions: Sequence[FeatureDecision],
    pipeline: _Pipeline,
    candidates: Sequence[Candidate],
) -> ModelRow:
    """All of the row but status, reason, k and centroids."""
    gaps = pipeline.columns.gaps
    kept_numbers = iter(zip(pipeline.imputed, pipeline.center, pipeline.scale, strict=True))
    features = []
    for decision in decisions:
        imputed, center, scale = next(kept_numbers) if decision.kept else (None, None, None)
        features.append({**asdict(decision), "imputed": imputed, "center": center, "scale": scale})
    loadings = pipeline.loadings / pipeline.within_deviations[:, None]
    weights = loadings / pipeline.scale
    bias = -(weights @ pipeline.center) - loadings @ pipeline.mean
    trained = set(pipeline.rows)
    outliers = [store for row, store in enumerate(data.store_ids) if row not in trained]
    return {
        "n_stores": len(data.store_ids),
        "n_outliers": len(outliers),
        "features": features,
        "components": [
            {
                "component": number,
                "explained_variance": float(pipeline.explained_variance[number - 1]),
                "explained_variance_share": float(pipeline.explained_variance_share[number - 1]),
                "loadings": pipeline.loadings[number - 1].tolist(),
                "weights": weights[number - 1].tolist(),
                "bias": float(bias[number - 1]),
            }
            for number in range(1, len(pipeline.loadings) + 1)
        ],
        "search": [
            {
                key: value
                for key, value in vars(candidate).items()
                if key not in {"assessment", "metric", "model"}
            }
            for candidate in candidates
        ],
        "criteria": [
            {
                "k": assessment.k,
                "family": assessment.mixture.family,
                "criterion": assessment.criterion,
                "gain": assessment.gain,
                "weakest_valley": assessment.weakest_valley,
                "split": assessment.split,
            }
            for candidate in candidates
            if (assessment := candidate.assessment) is not None
        ],
        "column_effects": gaps.column_effects.tolist() if gaps else [],
        "gap_values": gaps.gap_values.tolist() if gaps else [],
        "within_deviations": pipeline.within_deviations.tolist(),
        "outlier_store_ids": outliers,
        "means": pipeline.mean.tolist(),
        "distributions": [asdict(distribution(column)) for column in pipeline.columns.values.T],
    }


def _single_cluster(
    data: TrainingData,
    decisions: Sequence[FeatureDecision],
    reason: str,
    previous: AffineModel | None,
    highest_used: int,
) -> ModelRow:
    """Put all stores in one group, without features and components."""
    stores = range(len(data.store_ids))
    (cluster,) = match_clusters(
        np.zeros(len(stores), dtype=np.int64),
        _previous_labels(previous, data, stores),
        1,
        highest_used,
    ).tolist()
    return {
        "status": "no_structure",
        "reason": reason,
        "n_stores": len(data.store_ids),
        "n_outliers": 0,
        "features": [
            {**asdict(decision), "imputed": None, "center": None, "scale": None}
            for decision in decisions
        ],
        "components": [],
        "search": [],
        "k": 1,
        "centroids": [{"cluster": cluster, "n_stores": len(data.store_ids), "center": []}],
        "outlier_store_ids": [],
        "means": [],
        "distributions": [],
        **NO_METRIC,
    }


def _previous_labels(previous: AffineModel | None, data: TrainingData, rows: Sequence[int]) -> Any:
    """Numbers that the model before gives to the stores in `rows`."""
    if previous is None:
        return None
    return previous.predict(previous.transform(data.names, data.x[list(rows)]))
