"""Rows among which groups are looked for: without levels, without twins, without constant gaps.

Mixtures of normal distributions take whatever is not smooth for groups: the levels of a count or a
category, one value in the place of everything that is unknown, stores that come in nearly equal
pairs. The search for the number of groups therefore sees smooth rows. The clusters themselves, and
the scores of every store, come from the rows as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import linkage

from segmentation.features.vectors import Labels, Matrix

Known = npt.NDArray[np.bool_]

#: Stores that are closer to each other than this part of the distance to all others are twins.
_TWINS: Final = 1 / 3
#: Dimensions from which unknown cells are completed, at most; rounds, and the change (in standard
#: deviations of the known cells) below which a round is the last.
_MAX_RANK: Final = 5
_MAX_ROUNDS: Final = 50
_TOLERANCE: Final = 1e-4
#: Rounds in which completed log-shares are centered again.
_CENTERINGS: Final = 3
_TINY: Final = 1e-300


def without_levels(values: Matrix, groups: Sequence[str | None], seed: int) -> Matrix:
    """Spread equal values over the interval that belongs to them.

    A level of a measurement owns the interval from half-way to the level below to half-way to the
    level above. Its rows are placed evenly in that interval, in random order, so a count becomes a
    histogram and a yes-or-no column has no gap in the middle. The levels of a category have no
    order: uniform noise of up to one step either way makes the density between any two of them as
    high as at each of them.

    Parameters
    ----------
    values
        Rows x columns; NaN is missing and stays so.
    groups
        One entry per column: the category that an indicator belongs to, None for a measurement.
    seed
        Of the order and the noise.

    Returns
    -------
    Matrix
        Same shape. A measurement without ties is as it was.

    References
    ----------
    Denuit and Lambert (2005), Constraints on concordance measures in bivariate discrete data,
    Journal of Multivariate Analysis 93 (continuous extension of a discrete variable by uniform
    noise).
    """
    generator = np.random.default_rng(seed)
    columns = [
        _spread(values[:, column], generator)
        if group is None
        else values[:, column] + generator.uniform(-1.0, 1.0, len(values))
        for column, group in enumerate(groups)
    ]
    return np.column_stack(columns)


def _spread(values: Matrix, generator: np.random.Generator) -> Matrix:
    """Spread the levels of one measurement."""
    order = generator.permutation(len(values))
    order = order[~np.isnan(values[order])]
    levels, level_of, counts = np.unique(values[order], return_inverse=True, return_counts=True)
    if len(levels) < 2 or counts.max() == 1:  # noqa: PLR2004 (a constant has no step)
        return values
    middles = (levels[1:] + levels[:-1]) / 2
    lower = np.append(2 * levels[0] - middles[0], middles)
    upper = np.append(middles, 2 * levels[-1] - middles[-1])
    place = np.empty(len(order))
    by_level = np.argsort(level_of, kind="stable")
    place[by_level] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    placed = lower[level_of] + (place + 0.5) / counts[level_of] * (upper - lower)[level_of]
    spread = values.copy()
    tied = counts[level_of] > 1
    spread[order[tied]] = placed[tied]
    return spread


def without_twins(z: Matrix, smallest: int) -> Labels:
    """Rows that are left when nearly equal rows, too few for a cluster, count once.

    In the tree of single linkage, a branch is one store in several rows if it has fewer rows than
    the smallest cluster and is joined to the rest at more than three times its own height.

    Parameters
    ----------
    z
        Rows x components.
    smallest
        Rows of the smallest cluster; as many equal rows are a group and no twins.

    Returns
    -------
    numpy.ndarray
        Ascending numbers of the rows that are left.

    References
    ----------
    Gower and Ross (1969), Minimum spanning trees and single linkage cluster analysis, Applied
    Statistics 18.
    """
    n = len(z)
    keep = np.ones(n, dtype=bool)
    if n < 3 or smallest < 3:  # noqa: PLR2004 (no branch of two rows, or two rows are a cluster)
        return np.flatnonzero(keep)
    tree = linkage(z, "single").tolist()
    heights = [0.0] * n + [height for _, _, height, _ in tree]
    branches = [[row] for row in range(n)]  # empty from `smallest` rows on
    for left, right, height, n_rows in tree:
        parts = [(branches[int(part)], heights[int(part)]) for part in (left, right)]
        for rows, own_height in parts:
            if len(rows) > 1 and own_height < _TWINS * height:
                keep[rows] = False
                keep[min(rows)] = True
        branches.append([row for rows, _ in parts for row in rows] if n_rows < smallest else [])
    return np.flatnonzero(keep)


def completed(values: Matrix, known: Known) -> Matrix:
    """Replace unknown cells with what the known cells of the row lead to expect.

    Parameters
    ----------
    values
        Rows x columns; unknown cells are not read.
    known
        Same shape.

    Returns
    -------
    Matrix
        Same shape, finite. An unknown cell of a row without any known one is the column's mean.

    References
    ----------
    Josse and Husson (2012), Handling missing values in exploratory multivariate data analysis
    methods, Journal de la Société Française de Statistique 153 (regularized iterative principal
    components).
    """
    n, d = values.shape
    rank = min(_MAX_RANK, (d - 1) // 2, n - 2)
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, values, 0.0).sum(axis=0) / counts
    filled = np.where(known, values, means)
    if known.all() or rank < 1:
        return filled
    enough = _TOLERANCE * float(values[known].std())
    for _ in range(_MAX_ROUNDS):
        center = filled.mean(axis=0)
        centered = filled - center
        squares, main = main_axes(centered, rank)
        noise = n * max(float(squares[:-rank].sum()), 0.0) / ((n - 1 - rank) * (d - rank))
        shrinkage = np.maximum(1.0 - noise / np.maximum(squares[-rank:], _TINY), 0.0)
        expected = center + (centered @ main * shrinkage) @ main.T
        change = float(np.abs(np.where(known, 0.0, expected - filled)).max())
        filled = np.where(known, values, expected)
        if change < enough:
            break
    return filled


def main_axes(centered: Matrix, rank: int) -> tuple[Matrix, Matrix]:
    """Ascending sums of squares along all axes, and the axes with the largest ones.

    Parameters
    ----------
    centered
        Rows x columns, each column with mean 0.
    rank
        How many axes; at most rows - 1 and columns.

    Returns
    -------
    tuple of Matrix
        Shapes (the smaller of rows and columns,) and (columns, rank).
    """
    n, d = centered.shape
    if d <= n:
        squares, axes = np.linalg.eigh(centered.T @ centered)
        return squares, axes[:, -rank:]
    # a matrix of columns x columns would be the larger one; the other squares are 0
    squares, rows = np.linalg.eigh(centered @ centered.T)
    lengths = np.sqrt(np.maximum(squares[-rank:], _TINY))
    return squares, centered.T @ rows[:, -rank:] / lengths


def completed_logs(values: Matrix, known: Known) -> Matrix:
    """Complete transformed log-shares; rows have mean 0 over all need states, not the known ones.

    Parameters
    ----------
    values
        Rows x columns, log-shares less row and column effects.
    known
        Same shape; False where a share of zero happened by chance.

    Returns
    -------
    Matrix
        Same shape, finite.
    """
    filled = values
    for _ in range(_CENTERINGS):
        filled = completed(filled, known)
        filled = filled - filled.mean(axis=1, keepdims=True)
    return filled
