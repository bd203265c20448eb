"""The metric in which the common covariance of the clusters is the identity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segmentation.features.vectors import Matrix


@dataclass(frozen=True)
class Metric:
    """Rotation of the components, then a unit for each of them: ``(z @ rotation) / deviations``.

    The rotation is orthonormal, so the rotated components are components like those before, along
    which the clusters do not correlate. In units of their deviation within the clusters, Euclidean
    distance is Mahalanobis distance, and the nearest centroid is the most probable cluster of a
    mixture with equal weights.

    Attributes
    ----------
    rotation
        Shape (components, components), orthonormal columns.
    deviations
        Shape (components,): standard deviation within the clusters along each rotated component.

    References
    ----------
    McLachlan (1992), Discriminant Analysis and Statistical Pattern Recognition, section 3.9
    (canonical variates).
    """

    rotation: Matrix
    deviations: Matrix

    @classmethod
    def identity(cls, n_components: int) -> Metric:
        """Leave the components as they are."""
        return cls(np.eye(n_components), np.ones(n_components))

    @classmethod
    def of_covariance(cls, covariance: Matrix) -> Metric:
        """Metric of a positive definite covariance, shape (components, components).

        The rotated components are in descending order of their deviation; the largest entry of
        each is positive, so that the same covariance gives the same signs everywhere.
        """
        variances, vectors = np.linalg.eigh(covariance)
        variances, vectors = variances[::-1], vectors[:, ::-1]
        largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(vectors))]
        return cls(vectors * np.where(largest < 0, -1.0, 1.0), np.sqrt(variances))

    def transform(self, z: Matrix) -> Matrix:
        """Rows x components in the metric."""
        transformed: Matrix = z @ self.rotation / self.deviations
        return transformed
