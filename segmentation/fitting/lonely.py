"""Stores that are left out of fitting: rare for the isolation forest, and far from every other.

An isolation forest flags a fixed share of the rows. Where a small group exists, its members are
the rarest rows, so the forest flags them first: of a planted group of 5 % of the stores it removed
13 of 15. A member of a group has near neighbors, though, and an outlier does not. Both conditions
together remove lonely stores and keep small groups.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

from segmentation.features.vectors import Matrix

#: A store is far when the logarithm of its distance to this neighbor is more than `_FENCE`
#: interquartile ranges above the upper quartile: Tukey's "far out" fence.
_NEIGHBOR: Final = 5
_FENCE: Final = 3.0
#: Below it there are too few rows to tell what is rare.
_MIN_ROWS: Final = 20
#: Rows among which neighbors are looked for, at most.
_REFERENCE_ROWS: Final = 5000
_TINY: Final = 1e-12


class RemoveLonely(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Drop lonely rows while a pipeline is fitted; replaces PyCaret's `RemoveOutliers`.

    Parameters
    ----------
    threshold
        Share of the rows that the isolation forest flags.
    random_state
        Seed of the forest and of the reference rows.

    References
    ----------
    Liu, Ting and Zhou (2008), Isolation forest; Ramaswamy, Rastogi and Shim (2000), Efficient
    algorithms for mining outliers from large data sets (distance to the k-th nearest neighbor);
    Tukey (1977), Exploratory Data Analysis (fences).
    """

    def __init__(self, threshold: float = 0.05, random_state: int | None = None) -> None:
        self.threshold = threshold
        self.random_state = random_state
        self._train_only = True  # PyCaret's mark of a step that takes part in fitting only

    def fit(self, X: Any, y: object = None) -> RemoveLonely:
        """Do nothing: what is lonely is decided for the rows at hand."""
        del X, y
        return self

    def transform(self, X: Any) -> Any:
        """Give the rows that are not lonely."""
        values = np.asarray(X, dtype=np.float64)
        return X[~lonely_rows(values, self.threshold, self.random_state or 0)]


def lonely_rows(x: Matrix, threshold: float, seed: int) -> npt.NDArray[np.bool_]:
    """Tell which rows the isolation forest flags and that have no near neighbors either.

    Parameters
    ----------
    x
        Rows x columns in comparable units, finite.
    threshold
        Share of the rows that the forest flags, at most 0.5.
    seed
        Seed of the forest and of the reference rows.

    Returns
    -------
    numpy.ndarray
        Shape (rows,), booleans; none is True below 20 rows.
    """
    if len(x) < _MIN_ROWS or threshold <= 0:
        return np.zeros(len(x), dtype=bool)
    flagged = IsolationForest(contamination=threshold, random_state=seed).fit_predict(x) == -1
    reference = x
    if len(x) > _REFERENCE_ROWS:
        drawn = np.random.default_rng(seed).permutation(len(x))[:_REFERENCE_ROWS]
        reference = x[np.sort(drawn)]
    neighbors = NearestNeighbors(n_neighbors=_NEIGHBOR).fit(reference)
    distances = np.log(neighbors.kneighbors(x)[0][:, -1] + _TINY)
    lower, upper = np.quantile(distances, [0.25, 0.75])
    far: npt.NDArray[np.bool_] = flagged & (distances > upper + _FENCE * (upper - lower))
    return far
