"""What a model learns from, and a fitted model as plain numbers: one row of nested columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from segmentation.features.log_ratios import GapTransform
from segmentation.features.vectors import Matrix

_FEATURE = pl.Struct(
    {
        "name": pl.String(),
        "kept": pl.Boolean(),
        "reason": pl.String(),
        "statistic": pl.Float64(),
        "threshold": pl.Float64(),
        "partner": pl.String(),
        "missing_share": pl.Float64(),
        "imputed": pl.Float64(),
        "center": pl.Float64(),
        "scale": pl.Float64(),
    }
)
_COMPONENT = pl.Struct(
    {
        "component": pl.Int32(),
        "explained_variance": pl.Float64(),
        "explained_variance_share": pl.Float64(),
        "loadings": pl.List(pl.Float64),
        "weights": pl.List(pl.Float64),
        "bias": pl.Float64(),
    }
)
_CANDIDATE = pl.Struct(
    {
        "k": pl.Int32(),
        "silhouette": pl.Float64(),
        "calinski_harabasz": pl.Float64(),
        "davies_bouldin": pl.Float64(),
        "inertia": pl.Float64(),
        "smallest_cluster": pl.Int64(),
        "stability": pl.Float64(),
        "least_stable_cluster": pl.Float64(),
        "rank_sum": pl.Float64(),
        "gap": pl.Float64(),
        "gap_standard_error": pl.Float64(),
        "verdict": pl.String(),
    }
)
_CRITERION = pl.Struct(
    {
        "k": pl.Int32(),
        "family": pl.String(),
        "criterion": pl.Float64(),
        "gain": pl.Float64(),
        "weakest_valley": pl.Float64(),
        "split": pl.Float64(),
    }
)
_CENTROID = pl.Struct({"cluster": pl.Int32, "n_stores": pl.Int64, "center": pl.List(pl.Float64)})
_NAMED = pl.Struct({"name": pl.String, "value": pl.String})
_DISTRIBUTION = pl.Struct(
    {"edges": pl.List(pl.Float64), "counts": pl.List(pl.Int64), "n_missing": pl.Int64}
)

#: One row per fitted model; DuckDB and Polars carry the nested types both ways.
MODEL_SCHEMA: Final = pl.Schema(
    {
        "model_id": pl.String(),
        "scope": pl.String(),
        "status": pl.String(),
        "reason": pl.String(),
        "in_force_order": pl.Int64(),
        "settings": pl.List(_NAMED),
        "versions": pl.List(_NAMED),
        "n_stores": pl.Int64(),
        "n_outliers": pl.Int64(),
        "features": pl.List(_FEATURE),
        "components": pl.List(_COMPONENT),
        "search": pl.List(_CANDIDATE),
        "k": pl.Int32(),
        "centroids": pl.List(_CENTROID),
        "outlier_store_ids": pl.List(pl.String),
        "training_data_sha256": pl.String(),
        "fitted_by": pl.String(),
        "means": pl.List(pl.Float64),
        "distributions": pl.List(_DISTRIBUTION),
        "column_effects": pl.List(pl.Float64),
        "gap_values": pl.List(pl.Float64),
        "within_deviations": pl.List(pl.Float64),
        "criteria": pl.List(_CRITERION),
        "content_sha256": pl.String(),
    }
)

ModelRow = dict[str, Any]

#: Fields of a row without features and components, beside those that are named where it is made.
NO_METRIC: Final[dict[str, list[Any]]] = {
    "column_effects": [],
    "gap_values": [],
    "within_deviations": [],
    "criteria": [],
}


@dataclass(frozen=True)
class TrainingData:
    """Stores of one scope that a model learns from.

    Attributes
    ----------
    scope
        Category, or `external`.
    store_ids
        Sorted, one per row.
    names
        Feature list of the scope, one per column.
    groups
        One entry per column: the categorical column an indicator belongs to, else None.
    raw
        Stores x features, in the unit in which "constant" has a meaning.
    x
        Stores x features as the feature table has them; NaN is missing.
    has_gaps
        Whether `x` are log-shares in which NaN is a share of zero (see `features.log_ratios`).
    """

    scope: str
    store_ids: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str | None, ...]
    raw: Matrix
    x: Matrix
    has_gaps: bool = False


@dataclass(frozen=True)
class AffineModel:
    """The part of a model row that scores stores: ``z = A . impute(x) + b``, nearest centroid.

    Log-shares with gaps are transformed with `gaps` first.

    Attributes
    ----------
    names
        Kept features, in the order of the columns of `weights`.
    imputed
        Shape (features,), what a missing value becomes.
    weights, bias
        ``A`` of shape (components, features) and ``b`` of shape (components,).
    clusters, centers
        Cluster numbers of shape (k,) and centroids of shape (k, components).
    gaps
        Fitted transform of log-shares with gaps; None if the features need none.
    """

    names: tuple[str, ...]
    imputed: Matrix
    weights: Matrix
    bias: Matrix
    clusters: npt.NDArray[np.int64]
    centers: Matrix
    gaps: GapTransform | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> AffineModel:
        """Read the numbers of one row of `*_cluster_models`."""
        kept = [feature for feature in row["features"] if feature["kept"]]
        components, centroids = row["components"], row["centroids"]
        return cls(
            names=tuple(feature["name"] for feature in kept),
            imputed=np.array([feature["imputed"] for feature in kept], dtype=np.float64),
            weights=np.array(
                [component["weights"] for component in components], dtype=np.float64
            ).reshape(len(components), len(kept)),
            bias=np.array([component["bias"] for component in components], dtype=np.float64),
            clusters=np.array([centroid["cluster"] for centroid in centroids], dtype=np.int64),
            centers=np.array(
                [centroid["center"] for centroid in centroids], dtype=np.float64
            ).reshape(len(centroids), len(components)),
            gaps=(
                GapTransform(np.array(row["column_effects"]), np.array(row["gap_values"]))
                if row.get("column_effects")
                else None
            ),
        )

    def transform(self, names: Sequence[str], x: Matrix) -> Matrix:
        """Component scores of stores x features.

        A feature that the model knows and `x` lacks counts as missing; one that the model does
        not know is not read.
        """
        position = {name: column for column, name in enumerate(names)}
        aligned = np.full((len(x), len(self.names)), np.nan)
        for target, name in enumerate(self.names):
            if name in position:
                aligned[:, target] = x[:, position[name]]
        if self.gaps is not None:
            aligned = self.gaps.transform(aligned)
        filled = np.where(np.isnan(aligned), self.imputed, aligned)
        z: Matrix = filled @ self.weights.T + self.bias
        return z

    def predict(self, z: Matrix) -> npt.NDArray[np.int64]:
        """Cluster number of the nearest centroid for each row of `z`."""
        distances = ((z[:, None, :] - self.centers[None, :, :]) ** 2).sum(axis=2)
        nearest: npt.NDArray[np.int64] = self.clusters[np.argmin(distances, axis=1)]
        return nearest
