"""How well each number of clusters describes the data, and whether there are clusters at all.

The criterion is BIC with two changes. A part of the entropy is added (ICL adds all of it), so that
clusters that overlap count for less. Log likelihoods are multiplied by a discount for zeros: a
value that stands for a zero is an assumption and not a measurement.

A better criterion than one cluster has is necessary and not sufficient: mixtures also describe
skewed and correlated data better than one normal distribution does. The clusters must also be
separated by valleys, see `valleys`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from segmentation.features.vectors import Matrix
from segmentation.fitting.mixtures import Mixture
from segmentation.fitting.valleys import split_p_value, valley_p_values

#: Part of the entropy of the ICL criterion that is added to BIC.
_ENTROPY: Final = 0.25
#: A likelihood is worth ``(1 - share of zeros) ** _ZERO_DISCOUNT``, but not less than
#: `_LEAST_WORTH`: beyond 40 % of zeros, groups would no longer be found.
_ZERO_DISCOUNT: Final = 3.0
_LEAST_WORTH: Final = 0.25
#: Part of the gain that a number of clusters loses if two of its clusters have no valley.
_VALLEY_COST: Final = 0.1
#: p-value of "no valley" that clusters of different volume may have at most.
_SEPARATE: Final = 0.05
#: Differences of the score that count as a tie; the smaller number of clusters is taken then.
_TIE: Final = 1e-3


@dataclass(frozen=True)
class Assessment:
    """One number of clusters.

    Attributes
    ----------
    mixture
        The best mixture with that number of clusters.
    criterion
        BIC with a part of the entropy; smaller is better.
    gain
        Improvement of the criterion over one cluster, as a share of the largest improvement;
        negative if one cluster is better, None for one cluster.
    weakest_valley
        p-value of "no valley" of the two clusters that are separated least.
    split
        p-value of "no valley" where the data fall apart most clearly.
    score
        What the choice goes by: the gain less the cost of a missing valley. None if the number of
        clusters cannot be chosen.
    """

    mixture: Mixture
    criterion: float
    gain: float | None = None
    weakest_valley: float | None = None
    split: float | None = None
    score: float | None = None

    @property
    def k(self) -> int:
        """Number of clusters."""
        return self.mixture.k


def assess(
    z: Matrix, mixtures: Iterable[Mixture], zero_share: float, min_size: int
) -> dict[int, Assessment]:
    """Compute criterion, gain and valleys of each number of clusters.

    Parameters
    ----------
    z
        Rows x components that the mixtures were fitted to.
    mixtures
        One or more for each number of clusters, 1 included.
    zero_share
        Share of the cells that stand for a zero.
    min_size
        Rows that the smallest cluster needs. Where no mixture of some number of clusters has them,
        the most likely one is listed without a score.

    Returns
    -------
    dict
        By number of clusters.

    References
    ----------
    Schwarz (1978), Estimating the dimension of a model; Biernacki, Celeux and Govaert (2000),
    Assessing a mixture model for clustering with the integrated completed likelihood.
    """
    worth = max((1.0 - zero_share) ** _ZERO_DISCOUNT, _LEAST_WORTH)
    best: dict[int, tuple[bool, float, Mixture]] = {}
    for mixture in mixtures:
        likelihood = -2.0 * mixture.log_likelihood + 2.0 * _ENTROPY * mixture.entropy
        criterion = worth * likelihood + mixture.n_parameters * float(np.log(len(z)))
        too_small = mixture.k > 1 and mixture.smallest < min_size
        known = best.get(mixture.k)
        if known is None or (too_small, criterion) < known[:2]:
            if mixture.family == "volume" and not _are_all_separate(z, mixture):
                continue
            best[mixture.k] = (too_small, criterion, mixture)
    one = best[1][1]
    largest_gain = max((one - criterion for small, criterion, _ in best.values() if not small))
    found = {}
    for k, (too_small, criterion, mixture) in sorted(best.items()):
        if k == 1:
            found[k] = Assessment(mixture, criterion)
            continue
        gain = (one - criterion) / (largest_gain if largest_gain > 0 else abs(one) + 1.0)
        if mixture.smallest < 1:
            found[k] = Assessment(mixture, criterion, gain)
            continue
        p_values = valley_p_values(z, mixture.labels)
        weakest, split = float(p_values.max()), split_p_value(p_values)
        able = gain > 0 and not too_small
        score = gain - _VALLEY_COST * weakest if able else None
        found[k] = Assessment(mixture, criterion, gain, weakest, split, score)
    return found


def _are_all_separate(z: Matrix, mixture: Mixture) -> bool:
    """Whether there is a valley between every two clusters.

    Without one, a cluster of larger volume describes the tails of another cluster.
    """
    return mixture.smallest > 0 and bool(valley_p_values(z, mixture.labels).max() <= _SEPARATE)


def best_first(assessments: Iterable[Assessment]) -> list[Assessment]:
    """Numbers of clusters that can be chosen, from the best score; of a tie the smaller number."""
    able = [one for one in assessments if one.score is not None]
    return sorted(able, key=lambda one: (-round((one.score or 0.0) / _TIE), one.k))
