from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.neighbors import NearestCentroid

from segmentation.fitting.model import MODEL_SCHEMA, AffineModel


def row() -> dict[str, Any]:
    """Return a model of two kept features and one component, written by hand."""
    return {
        "features": [
            {"name": "age", "kept": True, "imputed": 40.0},
            {"name": "rent", "kept": False, "imputed": None},
            {"name": "income", "kept": True, "imputed": 5.0},
        ],
        "components": [{"weights": [0.5, 2.0], "bias": -1.0}],
        "centroids": [{"cluster": 7, "center": [30.0]}, {"cluster": 2, "center": [10.0]}],
    }


def test_scores_are_weights_times_values_plus_bias() -> None:
    model = AffineModel.from_row(row())
    z = model.transform(["age", "income"], np.array([[10.0, 3.0], [60.0, 1.0]]))
    np.testing.assert_allclose(z, [[10 * 0.5 + 3 * 2 - 1], [60 * 0.5 + 1 * 2 - 1]])


def test_missing_values_take_the_imputed_value() -> None:
    model = AffineModel.from_row(row())
    z = model.transform(["age", "income"], np.array([[np.nan, 3.0], [10.0, np.nan]]))
    expected = model.transform(["age", "income"], np.array([[40.0, 3.0], [10.0, 5.0]]))
    np.testing.assert_allclose(z, expected)


def test_features_are_found_by_name_in_any_order_among_any_others() -> None:
    model = AffineModel.from_row(row())
    z = model.transform(["new", "income", "rent", "age"], np.array([[9.0, 3.0, 8.0, 10.0]]))
    np.testing.assert_allclose(z, [[10.0]])


def test_a_feature_that_is_gone_counts_as_missing() -> None:
    model = AffineModel.from_row(row())
    z = model.transform(["age"], np.array([[10.0]]))
    np.testing.assert_allclose(z, [[10 * 0.5 + 5 * 2 - 1]])


def test_log_shares_with_gaps_are_centered_and_their_zeros_take_the_value_of_a_gap() -> None:
    gaps = {"column_effects": [1.0, 2.0], "gap_values": [-3.0, -4.0]}
    model = AffineModel.from_row({**row(), **gaps})
    z = model.transform(
        ["income", "age"],
        np.array([[5.0, 2.0], [np.nan, 2.0], [5.0, np.nan], [np.nan, np.nan]]),
    )
    # age and income: logs minus column effects are 1 and 3, and the average of both is taken off;
    # a store without any sales has the imputed values
    filled = np.array([[-1.0, 1.0], [0.0, -4.0], [-3.0, 0.0], [40.0, 5.0]])
    np.testing.assert_allclose(z, filled @ [[0.5], [2.0]] - 1)


@pytest.mark.parametrize("gaps", [{"column_effects": []}, {"column_effects": None}, {}])
def test_features_without_gaps_are_not_centered(gaps: dict[str, Any]) -> None:
    z = AffineModel.from_row({**row(), **gaps}).transform(
        ["age", "income"], np.array([[10.0, 3.0]])
    )
    np.testing.assert_allclose(z, [[10.0]])


def test_the_cluster_is_the_number_of_the_nearest_centroid_and_not_its_place() -> None:
    model = AffineModel.from_row(row())
    assert model.predict(np.array([[0.0], [19.0], [21.0], [99.0]])).tolist() == [2, 2, 7, 7]


def test_of_two_equally_near_centroids_the_first_one_is_taken() -> None:
    assert AffineModel.from_row(row()).predict(np.array([[20.0]])).tolist() == [7]


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_those_of_scikit_learns_nearest_centroid(seed: int) -> None:
    random = np.random.default_rng(seed)
    centers, z = random.normal(size=(4, 3)), random.normal(size=(50, 3))
    model = AffineModel(
        names=(),
        imputed=np.empty(0),
        weights=np.empty((3, 0)),
        bias=np.zeros(3),
        clusters=np.array([4, 1, 9, 2]),
        centers=centers,
    )
    independent = NearestCentroid().fit(centers, [4, 1, 9, 2])
    np.testing.assert_array_equal(model.predict(z), independent.predict(z))


def test_a_model_without_components_puts_every_store_into_its_only_cluster() -> None:
    model = AffineModel.from_row(
        {
            "features": [{"name": "age", "kept": False, "imputed": None}],
            "components": [],
            "centroids": [{"cluster": 3, "center": []}],
        }
    )
    z = model.transform(["age"], np.array([[1.0], [2.0]]))
    assert z.shape == (2, 0)
    assert model.predict(z).tolist() == [3, 3]


def test_no_store_has_no_cluster() -> None:
    model = AffineModel.from_row(row())
    assert model.predict(model.transform(["age"], np.empty((0, 1)))).tolist() == []


def test_a_row_reads_the_same_after_a_trip_through_a_table() -> None:
    before = {"model_id": "a", "k": 2, **row()}
    after = pl.DataFrame([before], schema=MODEL_SCHEMA).row(0, named=True)
    first, second = AffineModel.from_row(before), AffineModel.from_row(after)
    assert first.names == second.names
    for name in ("imputed", "weights", "bias", "clusters", "centers"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
