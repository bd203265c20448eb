"""Weights of scaled columns: categories, and columns that robust scaling misjudges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from segmentation.features.vectors import Matrix
from segmentation.fitting.criterion import assess, best_first
from segmentation.fitting.mixtures import fit_mixtures

#: Contribution of a categorical column, as a share of that of a measurement (decision 0005).
CATEGORICAL_CONTRIBUTION: Final = 0.35
#: Interquartile range of a normal distribution in standard deviations.
_NORMAL_RANGE: Final = 1.349
#: Groups that are looked for in one column, rows that are looked at, and the p-value of "no
#: valley" below which the groups count.
_MAX_GROUPS: Final = 3
_ROWS: Final = 500
_ALPHA: Final = 0.001
_MIN_GROUP: Final = 0.1
#: Different values that a column needs (the levels of a count are clumps, not groups), and the
#: largest weight.
_MIN_DISTINCT: Final = 20
_MAX_WEIGHT: Final = 5.0
#: Largest deviation of a scaled column, as a multiple of that of a normal one; beyond it, the
#: middle half of the column is nearly constant.
_MAX_DEVIATION: Final = 3.0


class WeightColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Weight the scaled columns so that none dominates or vanishes for a technical reason.

    The levels of a categorical column lie in clumps by construction, so a clustering finds them
    before it looks at anything else. Hennig and Liao therefore let a categorical column contribute
    less to the expected squared distance of two rows than a measurement does.

    A scaler divides a measurement by its spread. If the column has separate groups, most of the
    spread is the distance between them, and the scaler makes the groups smaller than noise. Such a
    column is weighted by the spread within its groups. If half the values are nearly the same, the
    interquartile range is tiny and the column would outweigh all others. Its deviation is limited.

    Parameters
    ----------
    groups
        One entry per input column: the categorical column that an indicator belongs to, None for
        a measurement.
    adjust
        Whether measurements are weighted, too; only a robust or a z-score scaler needs it.

    Attributes
    ----------
    weights_
        Shape (columns,), what each column is multiplied by.
    reasons_
        One entry per column: why a measurement was weighted, or an empty string.

    References
    ----------
    Hennig and Liao (2013), How to find an appropriate clustering for mixed-type variables with
    application to socio-economic stratification, Applied Statistics 62(3). Art, Gnanadesikan and
    Kettenring (1982), Data-based metrics for cluster analysis, Utilitas Mathematica 21A (scaling
    by the spread within groups).
    """

    def __init__(self, groups: Sequence[str | None] = (), adjust: bool = False) -> None:
        self.groups = groups
        self.adjust = adjust

    def fit(self, X: Any, y: object = None) -> WeightColumns:
        """Find the weights from the scaled columns."""
        del y
        values = np.asarray(X, dtype=np.float64)
        belongs = np.array([group or "" for group in self._groups_of(X)])
        self.weights_ = np.ones(len(belongs))
        self.reasons_ = [""] * len(belongs)
        variances = values.var(axis=0)
        measured = variances[(belongs == "") & (variances > 0)]
        if self.adjust:
            for column in np.flatnonzero(belongs == ""):
                weight, self.reasons_[column] = measurement_weight(values[:, column])
                self.weights_[column] = weight
        # (an unweighted measurement is the yardstick: weights above are for columns with groups)
        target = CATEGORICAL_CONTRIBUTION * (measured.mean() if measured.size else 1.0)
        for group in set(belongs.tolist()) - {""}:
            total = variances[belongs == group].sum()
            if total > 0:
                self.weights_[belongs == group] = np.sqrt(target / total)
        return self

    def transform(self, X: Any) -> Any:
        """Multiply each column by its weight."""
        return X * self.weights_

    def _groups_of(self, X: Any) -> list[str | None]:
        """Groups of the columns that earlier steps of the pipeline have left."""
        return [self.groups[int(str(name).removeprefix("f"))] for name in X.columns]


def measurement_weight(values: Matrix) -> tuple[float, str]:
    """Weight of one measurement, and why it is not 1.

    Parameters
    ----------
    values
        Shape (rows,), finite.

    Returns
    -------
    tuple
        The weight, and the reason or an empty string.
    """
    spread = np.quantile(values, 0.75) - np.quantile(values, 0.25)
    normal = spread / _NORMAL_RANGE if spread > 0 else values.std()
    if normal == 0:
        return 1.0, ""
    within, k = _within_groups(values)
    if k > 1 and within < normal:
        return min(
            float(normal / within), _MAX_WEIGHT
        ), f"scaled by the spread within its {k} separate groups"
    if values.std() > _MAX_DEVIATION * normal:
        limit = _MAX_DEVIATION * normal / values.std()
        return float(limit), "its middle half is nearly constant: deviation limited"
    return 1.0, ""


def _within_groups(values: Matrix) -> tuple[float, int]:
    """Standard deviation within the separate groups of one column, and their number."""
    rows = values
    if len(values) > _ROWS:
        # evenly spaced quantiles keep the shape of the distribution, and need no seed
        rows = np.sort(values)[np.linspace(0, len(values) - 1, _ROWS).astype(int)]
    if len(np.unique(rows)) < _MIN_DISTINCT:
        return 1.0, 1
    z = (rows - rows.mean())[:, None] / rows.std()
    smallest = max(5, int(_MIN_GROUP * len(z)))
    found = assess(z, fit_mixtures(z, _MAX_GROUPS, ("full",), 0).values(), 0.0, smallest)
    for one in best_first(found.values()):
        if one.split is not None and one.split <= _ALPHA:
            within = float(np.sqrt(one.mixture.covariance[0, 0]))
            return within * float(rows.std()), one.k
    return 1.0, 1
