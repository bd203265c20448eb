"""Weight of a categorical column among measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

#: Hennig and Liao (2013), section 6.2: half the contribution of a measurement.
CATEGORICAL_CONTRIBUTION = 0.5


class WeightCategories(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Scale the indicators of each categorical column to half the variance of a measurement.

    The levels of a categorical column lie in clumps by construction, so K-means finds "clusters"
    in them before it looks at anything else. Hennig and Liao therefore let a categorical column
    contribute half as much to the expected squared distance of two rows as a measurement does.

    Parameters
    ----------
    groups
        One entry per input column: the categorical column that an indicator belongs to, None for
        a measurement.

    Attributes
    ----------
    weights_
        Shape (columns,), what each column is multiplied by.

    References
    ----------
    Hennig and Liao (2013), How to find an appropriate clustering for mixed-type variables with
    application to socio-economic stratification, Applied Statistics 62(3).
    """

    def __init__(self, groups: Sequence[str | None] = ()) -> None:
        self.groups = groups

    def fit(self, X: Any, y: object = None) -> WeightCategories:
        """Find the weights from the variances of the scaled columns."""
        del y
        variances = np.asarray(X, dtype=np.float64).var(axis=0)
        belongs = np.array([group or "" for group in self._groups_of(X)])
        measured = variances[(belongs == "") & (variances > 0)]
        target = CATEGORICAL_CONTRIBUTION * (measured.mean() if measured.size else 1.0)
        self.weights_ = np.ones(len(belongs))
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
