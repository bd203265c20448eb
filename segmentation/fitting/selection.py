"""Which features take part in a model, and why each of the others does not.

PyCaret's own filters are not enough here: its variance filter depends on the unit of a feature,
and its collinearity filter sees positive correlations only and drops neighbours of features that
it has dropped already. Both still run in the pipeline, after these, on the remaining features.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from segmentation.features.vectors import Matrix
from segmentation.settings import ScopeSettings

#: Reason of a feature that says the same as a kept one.
COLLINEAR: Final = "collinear"


@dataclass(frozen=True)
class FeatureDecision:
    """One feature of one scope: kept or dropped, the rule, and the figures behind it."""

    name: str
    kept: bool = True
    reason: str = "kept"
    statistic: float | None = None
    threshold: float | None = None
    partner: str | None = None
    missing_share: float = 0.0


def select_features(
    names: Sequence[str], raw: Matrix, x: Matrix, settings: ScopeSettings
) -> list[FeatureDecision]:
    """Decide for each feature whether it takes part; the first rule that applies names the reason.

    The rules, in order: ignored by a pattern; missing in more than `max_missing_share` of the
    stores; near-constant, that is, at most `low_variance_threshold` of the stores differ from the
    most frequent value (the dominance rule of Kuhn and Johnson, Applied Predictive Modeling, 2013,
    section 3.5, which needs no unit); collinear, that is, an absolute Pearson correlation of at
    least `multicollinearity_threshold` with a feature that is kept. Of two collinear features
    the one with fewer missing values stays, then the earlier one.

    Parameters
    ----------
    names
        Feature names, one per column.
    raw
        Training stores x features in the unit in which "constant" has a meaning; NaN is missing.
    x
        Same shape, as the fit sees them.
    settings
        Settings of the scope.

    Returns
    -------
    list of FeatureDecision
        In the order of `names`.
    """
    decisions = [
        _decide_alone(name, raw[:, column], x[:, column], settings)
        for column, name in enumerate(names)
    ]
    _drop_collinear(decisions, x, settings.multicollinearity_threshold)
    return decisions


def _decide_alone(name: str, raw: Matrix, x: Matrix, settings: ScopeSettings) -> FeatureDecision:
    """Apply the rules that look at one feature only."""
    missing_share = float(np.isnan(x).mean()) if x.size else 1.0
    decision = FeatureDecision(name, missing_share=missing_share)
    for pattern in settings.ignore_features:
        if is_ignored(name, pattern):
            return replace(decision, kept=False, reason="ignored", partner=pattern)
    if missing_share > settings.max_missing_share or missing_share == 1.0:
        return replace(
            decision,
            kept=False,
            reason="too many missing values",
            statistic=missing_share,
            threshold=settings.max_missing_share,
        )
    present = raw[~np.isnan(raw)]
    _, counts = np.unique(present, return_counts=True)
    differing_share = 1.0 - float(counts.max()) / present.size
    if differing_share <= settings.low_variance_threshold:
        return replace(
            decision,
            kept=False,
            reason="near-constant",
            statistic=differing_share,
            threshold=settings.low_variance_threshold,
        )
    return decision


def is_ignored(name: str, pattern: str) -> bool:
    """Whether a pattern of `ignore_features` means a feature.

    Case, and whether words are joined by blanks or underscores, does not count. A column of an
    external input is known with and without the name of the input, and all levels of a
    category go with their column.

    Parameters
    ----------
    name
        A need state, a column as `demographics.median_income`, or a level as
        `demographics.area_type = urban`.
    pattern
        A name, or a pattern of it as in file names (`*`, `?`, `[a-z]`).
    """
    column = name.partition(" = ")[0]
    known = {name, column, name.partition(".")[2], column.partition(".")[2]} - {""}
    return any(fnmatch.fnmatchcase(_plain(one), _plain(pattern)) for one in known)


def _plain(name: str) -> str:
    return "_".join(name.casefold().replace("_", " ").split())


def _drop_collinear(decisions: list[FeatureDecision], x: Matrix, threshold: float) -> None:
    """Replace the decision of each feature that repeats one that is kept."""
    candidates = [column for column, decision in enumerate(decisions) if decision.kept]
    candidates.sort(key=lambda column: (decisions[column].missing_share, column))
    correlations = pairwise_correlations(x)
    sizes = np.abs(correlations)
    kept: list[int] = []
    for column in candidates:
        strongest = kept[int(sizes[column, kept].argmax())] if kept else None
        if strongest is not None and sizes[column, strongest] >= threshold:
            decisions[column] = replace(
                decisions[column],
                kept=False,
                reason=COLLINEAR,
                statistic=float(correlations[column, strongest]),
                threshold=threshold,
                partner=decisions[strongest].name,
            )
        else:
            kept.append(column)


def pairwise_correlations(x: Matrix) -> Matrix:
    """Pearson correlation of every two columns over the rows in which both are known.

    Parameters
    ----------
    x
        Rows x columns; NaN is missing.

    Returns
    -------
    Matrix
        Shape (columns, columns); 0 where a correlation is not defined.
    """
    known = (~np.isnan(x)).astype(np.float64)
    counts = np.maximum(known.sum(axis=0), 1.0)
    # centred first, so that the sums of squares keep their digits
    values = np.nan_to_num(x - np.nansum(x, axis=0) / counts)
    both = known.T @ known
    sums = values.T @ known
    products = both * (values.T @ values) - sums * sums.T
    squares = both * ((values**2).T @ known) - sums**2
    scale = np.sqrt(np.maximum(squares, 0.0) * np.maximum(squares.T, 0.0))
    correlations: Matrix = np.divide(products, scale, out=np.zeros_like(scale), where=scale > 0)
    return correlations
