"""Log-shares in which a zero is a gap: two-way centering, and a value for each gap.

A share of zero has no logarithm, and no replacement by a small constant is neutral: the constant
decides how far the store stands from all others. Here the positive cells alone say what is usual
for a store and for a need state. A zero then stands a fixed number of column deviations below
what its store and its need state lead to expect. The distance is short where zeros occur by
chance, and long where the zeros of several need states occur together, because that is an
assortment and not chance.

The fitted numbers belong to the model. New stores are transformed with them, so a store's values
depend on the store and the model only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from segmentation.features.vectors import Matrix

#: Column deviations between a chance zero and the expected log-share (measured, decision 0101), and
#: the same for an assortment (not measured).
CHANCE_PENALTY: Final = 0.5
ASSORTMENT_PENALTY: Final = 3.0
#: Correlation of the zeros of two need states from which they count as one assortment.
JOINT_ZEROS: Final = 0.5
#: Zeros (and positive cells) that a need state needs before their correlation means anything.
_MIN_ZEROS: Final = 5
_MAX_ROUNDS: Final = 100
_TOLERANCE: Final = 1e-10


@dataclass(frozen=True)
class GapTransform:
    """Fitted numbers of the transform, one pair per need state.

    Attributes
    ----------
    column_effects
        Shape (features,): usual log-share of each need state, on the scale of an average store.
    gap_values
        Shape (features,): transformed value of a zero.
    """

    column_effects: Matrix
    gap_values: Matrix

    def transform(self, logs: Matrix) -> Matrix:
        """Transform log-shares with the fitted numbers.

        Parameters
        ----------
        logs
            Stores x features, from `vectors.log_shares`; NaN is a share of zero.

        Returns
        -------
        Matrix
            Same shape. A positive cell is ``log - row effect - column effect``, where the row
            effect is the mean of ``log - column effect`` over the positive cells of the store. A
            zero is the gap value of its column. A store without any positive cell is all NaN:
            nothing is known about it.
        """
        residuals = logs - self.column_effects
        known = ~np.isnan(residuals)
        counts = known.sum(axis=1, keepdims=True)
        sums = np.where(known, residuals, 0.0).sum(axis=1, keepdims=True)
        row_effects = sums / np.maximum(counts, 1)
        filled = np.where(known, residuals - row_effects, self.gap_values)
        transformed: Matrix = np.where(counts > 0, filled, np.nan)
        return transformed


def fit_gaps(logs: Matrix) -> GapTransform:
    """Fit row and column effects to the positive cells, and the value of a gap in each column.

    Parameters
    ----------
    logs
        Training stores x features, from `vectors.log_shares`; NaN is a share of zero.

    Returns
    -------
    GapTransform
        A column without any positive cell has effect 0 and gap value 0.

    References
    ----------
    Greenacre (2018), Compositional Data Analysis in Practice, section 3 (log-ratios as a two-way
    interaction); Tukey (1977), Exploratory Data Analysis, chapter 10 (row-plus-column fits with
    missing cells).
    """
    known = ~np.isnan(logs)
    values = np.where(known, logs, 0.0)
    per_row = np.maximum(known.sum(axis=1), 1)
    per_column = np.maximum(known.sum(axis=0), 1)
    rows, columns = np.zeros(len(logs)), np.zeros(logs.shape[1])
    for _ in range(_MAX_ROUNDS):
        before = columns
        columns = np.where(known, values - rows[:, None], 0.0).sum(axis=0) / per_column
        rows = np.where(known, values - columns, 0.0).sum(axis=1) / per_row
        if np.abs(columns - before).max(initial=0.0) < _TOLERANCE:
            break
    # one constant may move between rows and columns: the average store has row effect 0
    columns = np.where(known.any(axis=0), columns + rows.mean() if len(rows) else columns, 0.0)
    rows = np.where(known, values - columns, 0.0).sum(axis=1) / per_row
    residuals = np.where(known, values - rows[:, None] - columns, 0.0)
    deviations = np.sqrt((residuals**2).sum(axis=0) / per_column)
    penalties = np.where(is_assortment(~known), ASSORTMENT_PENALTY, CHANCE_PENALTY)
    return GapTransform(columns, -penalties * deviations)


def is_assortment(zeros: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tell in which columns zeros go together with those of another column.

    Parameters
    ----------
    zeros
        Stores x features.

    Returns
    -------
    numpy.ndarray
        Shape (features,).
    """
    joint = np.zeros(zeros.shape[1], dtype=bool)
    counts = zeros.sum(axis=0)
    varied = np.flatnonzero((counts >= _MIN_ZEROS) & (counts < len(zeros)))
    if len(varied) > 1:
        correlations = np.corrcoef(zeros[:, varied].T.astype(np.float64))
        np.fill_diagonal(correlations, 0.0)
        joint[varied[correlations.max(axis=1) > JOINT_ZEROS]] = True
    return joint
