"""Valleys between clusters: whether the middle between two centers is emptier than the centers.

A mixture also describes one long or skewed group, with two or more normal distributions. Such a
group has no valley: on the line between two of its "clusters" there are as many stores in the
middle as at the thinner center.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.stats import binom

from segmentation.features.vectors import Labels, Matrix

#: Half the width of the windows in which stores are counted, as a share of the distance between
#: both centers.
_HALF_WIDTH: Final = 1 / 6
#: Where the middle may be between the centers of two clusters of different sizes.
_MIDDLE: Final = (0.35, 0.65)
_RIDGE: Final = 1e-3


def valley_p_values(z: Matrix, labels: Labels) -> Matrix:
    """p-value of "no valley" for every two clusters.

    Stores of both clusters are projected on their discriminant line, the direction that separates
    them best given the common covariance. The number in the middle window is compared with the
    number in the window of the thinner center (one-sided binomial test of equal density).

    Parameters
    ----------
    z
        Rows x components.
    labels
        Shape (rows,), values 0 to k - 1, every cluster with a row.

    Returns
    -------
    Matrix
        Shape (k, k), symmetric; small where there is a valley. The diagonal is 0.

    References
    ----------
    Fisher (1936) for the discriminant line; Hartigan and Hartigan (1985), The dip test of
    unimodality, for the idea that separate groups have a region of low density between them.
    """
    k, m = int(labels.max()) + 1, z.shape[1]
    sizes = np.bincount(labels, minlength=k)
    means = np.array([z[labels == cluster].mean(axis=0) for cluster in range(k)])
    residuals = z - means[labels]
    covariance = residuals.T @ residuals / len(z)
    ridge = _RIDGE * (z.var(axis=0).sum()) / m
    covariance[np.diag_indices(m)] += ridge + 1e-12
    precision = np.linalg.inv(covariance)
    p_values = np.zeros((k, k))
    for one in range(k):
        for other in range(one):
            way = means[other] - means[one]
            direction = precision @ way
            distance = float(way @ direction)
            if distance <= 0:
                p_values[one, other] = p_values[other, one] = 1.0
                continue
            both = z[(labels == one) | (labels == other)]
            place = (both - means[one]) @ direction / distance
            middle = np.clip(0.5 + np.log(sizes[one] / sizes[other]) / distance, *_MIDDLE)
            first, between, last = (
                int((np.abs(place - center) < _HALF_WIDTH).sum()) for center in (0.0, middle, 1.0)
            )
            thinner = min(first, last)
            p = binom.cdf(between, between + thinner, 0.5)
            p_values[one, other] = p_values[other, one] = p
    return p_values


def split_p_value(p_values: Matrix) -> float:
    """p-value of the data falling into two parts at least.

    The clusters are joined to a tree by their weakest valleys first. The deepest valley that the
    tree has to cross is where the data fall apart. It is the deepest of k - 1, so its p-value is
    corrected for as many tests.

    Parameters
    ----------
    p_values
        Shape (k, k), from :func:`valley_p_values`.

    References
    ----------
    Šidák (1967), Rectangular confidence regions for the means of multivariate normal
    distributions, Journal of the American Statistical Association 62.
    """
    reached, left, deepest = [0], set(range(1, len(p_values))), 1.0
    while left:
        p, cluster = max((p_values[one, other], other) for one in reached for other in left)
        deepest = min(deepest, float(p))
        reached.append(cluster)
        left.remove(cluster)
    return 1.0 - (1.0 - deepest) ** (len(p_values) - 1)
