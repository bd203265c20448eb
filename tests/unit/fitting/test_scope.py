from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from segmentation.features.vectors import Matrix, closure, log_shares
from segmentation.fitting.model import AffineModel, ModelRow, TrainingData
from segmentation.fitting.scope import fit_scope
from segmentation.fitting.weights import measurement_weight

from ..helpers import blobs, scope_settings, training

QUICK: dict[str, Any] = {
    "selection": "vote",
    "max_clusters": 4,
    "stability_resamples": 3,
    "gap_references": 4,
}
#: Drops the two columns that are planted for it and no other.
SELECTION: dict[str, Any] = {"low_variance_threshold": 0.02, "multicollinearity_threshold": 0.999}
SIZES = (38, 31, 27)
MEASURED = 6
GROUPS = (None,) * MEASURED + ("format",) * 3 + (None,) * 2
NEAR_CONSTANT, COLLINEAR = 9, 10
#: Columns of the planted matrix that pass the selection.
KEPT = list(range(9))

SCALERS: dict[str, Any] = {
    "robust": RobustScaler(),
    "zscore": StandardScaler(),
    "minmax": MinMaxScaler(),
    "maxabs": MaxAbsScaler(),
    "none": None,
}
STRATEGIES = {"mean": "mean", "median": "median", "mode": "most_frequent"}


def planted_matrix() -> Matrix:
    """Three clouds in six measurements of very different units, a category, two bad columns."""
    random = np.random.default_rng(5)
    centers = 9.0 * np.repeat(np.eye(3), 2, axis=1)
    clouds = blobs(SIZES, centers, seed=5)
    clouds[3] += 15.0  # two stores that are unlike any other
    clouds[50] -= 15.0
    measured = clouds * [1.0, 1e3, 1e-2, 5.0, 1e5, 1.0] + [0.0, 5e3, 1.0, -7.0, 0.0, 3.0]
    rounded = np.round(measured / measured.std(axis=0), 1) * measured.std(axis=0)
    rounded[random.random(rounded.shape) < 0.05] = np.nan
    format_levels = np.eye(3)[random.integers(0, 3, size=len(clouds))]
    near_constant = np.zeros(len(clouds))
    near_constant[0] = 1.0
    return np.column_stack([rounded, format_levels, near_constant, -2.0 * rounded[:, 0]])


@cache
def planted() -> TrainingData:
    """Give the planted matrix as training data."""
    return training(planted_matrix(), GROUPS)


@cache
def fitted(normalize_method: str = "robust", numeric_imputation: str = "median") -> ModelRow:
    """Fit the planted matrix once per method."""
    return fit_scope(
        planted(),
        scope_settings(
            **QUICK,
            normalize_method=normalize_method,
            numeric_imputation=numeric_imputation,
            **SELECTION,
        ),
    )


def outlier_rows(row: ModelRow) -> npt.NDArray[np.bool_]:
    """Which stores of the planted matrix the model calls outliers."""
    flags: npt.NDArray[np.bool_] = np.isin(planted().store_ids, row["outlier_store_ids"])
    return flags


def independent_scores(row: ModelRow, normalize_method: str, numeric_imputation: str) -> Matrix:
    """Component scores of all stores by plain scikit-learn, fitted without the outliers."""
    x, learned_from = planted().x[:, KEPT], ~outlier_rows(row)
    filled = SimpleImputer(strategy=STRATEGIES[numeric_imputation]).fit_transform(x)
    scaler = SCALERS[normalize_method]
    scaled = filled if scaler is None else scaler.fit(filled[learned_from]).transform(filled)
    variances = scaled[learned_from].var(axis=0)
    levels = slice(MEASURED, MEASURED + 3)
    if scaler is not None:
        for column in range(MEASURED):
            scaled[:, column] *= measurement_weight(scaled[learned_from, column])[0]
    scaled[:, levels] *= np.sqrt(0.35 * variances[:MEASURED].mean() / variances[levels].sum())
    for_variance = PCA(0.8, svd_solver="full").fit(scaled[learned_from])
    components = max(5, for_variance.n_components_)
    scores: Matrix = PCA(components, svd_solver="full").fit(scaled[learned_from]).transform(scaled)
    return scores


def scores(row: ModelRow) -> Matrix:
    """Component scores of all stores by the numbers of the row."""
    return AffineModel.from_row(row).transform(planted().names, planted().x)


@pytest.mark.parametrize(
    ("normalize_method", "numeric_imputation"),
    [
        ("robust", "median"),
        ("robust", "mean"),
        ("robust", "mode"),
        ("zscore", "median"),
        ("minmax", "mean"),
        ("maxabs", "median"),
        ("none", "median"),
    ],
)
def test_scores_from_the_row_are_those_of_scikit_learns_own_steps(
    normalize_method: str, numeric_imputation: str
) -> None:
    row = fitted(normalize_method, numeric_imputation)
    expected = independent_scores(row, normalize_method, numeric_imputation)
    np.testing.assert_allclose(
        scores(row) / np.abs(expected).max(), expected / np.abs(expected).max(), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("normalize_method", ["robust", "minmax"])
def test_clusters_from_the_row_are_those_of_scikit_learns_nearest_centroid(
    normalize_method: str,
) -> None:
    row = fitted(normalize_method, "median" if normalize_method == "robust" else "mean")
    z, model = scores(row), AffineModel.from_row(row)
    independent = NearestCentroid().fit(model.centers, model.clusters)
    np.testing.assert_array_equal(model.predict(z), independent.predict(z))


def test_the_planted_clouds_are_found_and_numbered_from_large_to_small() -> None:
    row = fitted("zscore")
    assert (row["status"], row["k"]) == ("fitted", 3)
    assert row["reason"].startswith("k = 3 chosen: best by rank sum")
    clusters = AffineModel.from_row(row).predict(scores(row))
    usual = ~outlier_rows(row)
    planted_clusters = np.repeat([1, 2, 3], SIZES)
    # a store whose missing value is replaced with the median may end up elsewhere
    assert (clusters[usual] == planted_clusters[usual]).mean() > 0.95


def test_centroids_are_the_means_of_the_stores_that_were_learned_from() -> None:
    row = fitted("zscore")
    z, usual = scores(row), ~outlier_rows(row)
    clusters = AffineModel.from_row(row).predict(z)
    assert [centroid["cluster"] for centroid in row["centroids"]] == [1, 2, 3]
    for centroid in row["centroids"]:
        members = z[usual & (clusters == centroid["cluster"])]
        assert centroid["n_stores"] == len(members)
        np.testing.assert_allclose(centroid["center"], members.mean(axis=0), atol=1e-9)


def test_the_planted_outliers_are_left_out_and_at_most_the_asked_share() -> None:
    row = fitted()
    assert row["n_stores"] == sum(SIZES)
    assert row["n_outliers"] == len(row["outlier_store_ids"])
    assert row["n_outliers"] <= 0.05 * row["n_stores"] + 1
    assert {"s003", "s050"} <= set(row["outlier_store_ids"])
    assert sum(centroid["n_stores"] for centroid in row["centroids"]) == (
        row["n_stores"] - row["n_outliers"]
    )


def test_outliers_are_among_those_of_scikit_learns_isolation_forest() -> None:
    row = fitted()
    filled = SimpleImputer(strategy="median").fit_transform(planted().x[:, KEPT])
    filled[:, :MEASURED] /= np.nanstd(planted().x[:, :MEASURED], axis=0)
    forest = IsolationForest(contamination=0.05, random_state=42).fit_predict(filled)
    assert outlier_rows(row).any()
    assert (forest[outlier_rows(row)] == -1).all()


def test_every_store_gets_a_cluster_outliers_and_stores_without_any_value_too() -> None:
    row = fitted("zscore")
    model = AffineModel.from_row(row)
    nothing = np.full((1, len(GROUPS)), np.nan)
    z = model.transform(planted().names, np.concatenate([planted().x, nothing]))
    assert np.isfinite(z).all()
    assert set(model.predict(z).tolist()) == {1, 2, 3}


@pytest.mark.parametrize("given", [{"outlier_method": "none"}, {"outlier_fraction": 0}])
def test_without_outlier_detection_every_store_is_learned_from(given: dict[str, Any]) -> None:
    row = fit_scope(planted(), scope_settings(**QUICK, **given))
    assert (row["n_outliers"], row["outlier_store_ids"]) == (0, [])
    assert sum(centroid["n_stores"] for centroid in row["centroids"]) == row["n_stores"]


def test_features_tell_why_they_take_part_or_not_and_what_the_model_does_with_them() -> None:
    features = fitted()["features"]
    assert [feature["name"] for feature in features] == list(planted().names)
    reasons = {feature["name"]: feature["reason"] for feature in features if not feature["kept"]}
    assert reasons == {f"n{NEAR_CONSTANT}": "near-constant", f"n{COLLINEAR}": "collinear"}
    x = planted().x
    for column, feature in enumerate(features):
        assert feature["missing_share"] == pytest.approx(np.isnan(x[:, column]).mean())
        numbers = [feature["imputed"], feature["center"], feature["scale"]]
        if feature["kept"]:
            assert np.isfinite(numbers).all()
            assert feature["imputed"] == pytest.approx(np.nanmedian(x[:, column]))
        else:
            assert numbers == [None, None, None]


def test_components_say_how_much_variance_they_explain_of_the_stores_learned_from() -> None:
    row = fitted("zscore")
    z = scores(row)[~outlier_rows(row)]
    variances = [component["explained_variance"] for component in row["components"]]
    np.testing.assert_allclose(variances, z.var(axis=0, ddof=1), rtol=1e-9)
    assert variances == sorted(variances, reverse=True)
    shares = [component["explained_variance_share"] for component in row["components"]]
    assert 0.8 <= sum(shares) <= 1.0
    assert [one["component"] for one in row["components"]] == list(range(1, len(shares) + 1))


def test_the_search_of_the_row_has_every_candidate_with_its_verdict() -> None:
    search = fitted()["search"]
    assert [candidate["k"] for candidate in search] == [2, 3, 4]
    assert all(candidate["verdict"] for candidate in search)
    assert all("model" not in candidate for candidate in search)


def test_the_same_data_and_seed_give_exactly_the_same_row_again() -> None:
    settings = scope_settings(**QUICK, **SELECTION)
    assert fit_scope(planted(), settings) == fitted()


def test_the_seed_reaches_the_isolation_forest_and_the_resamples() -> None:
    other = fit_scope(planted(), scope_settings(**QUICK, seed=7, **SELECTION))
    assert other["search"] != fitted()["search"]


def clouds(features: int = 4, seed: int = 1) -> Matrix:
    """Give two clouds of 25 stores in a few measurements."""
    centers = np.array([[0.0] * features, [8.0] * features])
    centers[1, 1::2] *= -0.5
    return blobs([25, 25], centers, seed=seed)


@pytest.mark.parametrize(("min_components", "expected"), [(1, 1), (3, 3), (99, 4)])
def test_components_are_at_least_the_minimum_as_far_as_there_are_features(
    min_components: int, expected: int
) -> None:
    settings = scope_settings(
        **QUICK, min_components=min_components, pca_variance=0.5, multicollinearity_threshold=1
    )
    assert len(fit_scope(training(clouds()), settings)["components"]) == expected


def test_all_the_variance_is_kept_when_all_of_it_is_asked_for() -> None:
    row = fit_scope(training(clouds()), scope_settings(**QUICK, pca_variance=1, min_components=1))
    shares = [component["explained_variance_share"] for component in row["components"]]
    assert sum(shares) == pytest.approx(1.0)


def test_a_feature_whose_middle_half_is_constant_does_not_outweigh_the_others() -> None:
    x = clouds()
    rare = np.zeros((50, 1))
    rare[::5, 0] = np.linspace(1e6, 2e6, 10)  # in its own unit it would be all there is
    row = fit_scope(
        training(np.hstack([x, rare])),
        scope_settings(
            **{**QUICK, "max_clusters": 2}, outlier_method="none", multicollinearity_threshold=1
        ),
    )
    assert row["features"][4]["kept"]
    assert row["features"][4]["scale"] == pytest.approx(rare.std())
    model = AffineModel.from_row(row)
    clusters = model.predict(model.transform(["n0", "n1", "n2", "n3", "n4"], np.hstack([x, rare])))
    assert len(set(clusters.tolist())) == 2
    assert len(set(clusters[:25].tolist())) == len(set(clusters[25:].tolist())) == 1


def test_the_units_of_the_measurements_change_no_cluster() -> None:
    settings = scope_settings(**QUICK, multicollinearity_threshold=1)
    x = clouds()
    other = x * [1e-3, 1.0, 1e3, 1e6]
    clusters = []
    for matrix in (x, other):
        model = AffineModel.from_row(fit_scope(training(matrix), settings))
        clusters.append(model.predict(model.transform(["n0", "n1", "n2", "n3"], matrix)).tolist())
    assert clusters[0] == clusters[1]


def test_data_without_structure_is_one_cluster_around_the_mean_with_the_reason() -> None:
    x = blobs([60], np.zeros((1, 4)), seed=8)
    row = fit_scope(training(x), scope_settings(**QUICK))
    assert (row["status"], row["k"]) == ("no_structure", 1)
    assert "one cluster explains" in row["reason"] or "passes the gates" in row["reason"]
    assert [candidate["k"] for candidate in row["search"]] == [2, 3, 4]
    (centroid,) = row["centroids"]
    assert centroid["n_stores"] == 60 - row["n_outliers"]
    np.testing.assert_allclose(centroid["center"], 0.0, atol=1e-9)
    assert len(row["components"]) == 4


MIXTURE: dict[str, Any] = {**QUICK, "selection": "mixture", "max_clusters": 8}


@pytest.mark.parametrize("kind", ["counts", "flags", "levels", "categories", "missing"])
def test_columns_with_levels_that_have_nothing_to_do_with_each_other_are_no_groups(
    kind: str,
) -> None:
    random = np.random.default_rng([1, *kind.encode()])
    for _ in range(2):
        groups: list[str | None] = [None] * 6
        if kind == "counts":
            x = random.poisson([0.5, 1.0, 1.5, 2.0, 2.0, 3.0], size=(200, 6)).astype(float)
        elif kind == "flags":
            x = (random.random((200, 6)) < [0.1, 0.2, 0.3, 0.4, 0.5, 0.5]).astype(float)
        elif kind == "levels":
            x = random.integers(0, 4, size=(200, 6)).astype(float)
        elif kind == "categories":
            x = np.hstack([np.eye(3)[random.integers(0, 3, 200)] for _ in range(3)])
            groups = [f"category {column // 3}" for column in range(9)]
        else:
            x = random.normal(size=(200, 6))
            x[random.random(x.shape) < 0.3] = np.nan
        row = fit_scope(training(x, groups), scope_settings(**MIXTURE))
        assert (row["status"], row["k"]) == ("no_structure", 1), row["reason"]


def test_zeros_at_random_hide_no_groups() -> None:
    random = np.random.default_rng(2)
    truth = random.integers(0, 3, 300)
    preferred = np.array([np.repeat(3.0 ** (np.arange(4) == group), 2) for group in range(3)])
    amounts = random.gamma(25.0 * preferred[truth])
    amounts[random.random(300) < 1 / 3, 0] = 0.0
    x = log_shares(closure(amounts), 0.05)
    data = replace(training(x, scope="Snacks"), raw=closure(amounts), has_gaps=True)
    row = fit_scope(data, scope_settings("internal", "Snacks", **MIXTURE))
    model = AffineModel.from_row(row)
    assert row["k"] == 3
    labels = model.predict(model.transform(data.names, x))
    assert adjusted_rand_score(truth, labels) > 0.95


@pytest.mark.parametrize(
    ("stores", "given", "reason"),
    [
        (0, {}, "0 training stores are too few for 2 clusters"),
        (1, {"low_variance_threshold": 0}, "no usable feature is left"),
        (2, {"min_clusters": 3}, "2 training stores are too few for 3 clusters"),
        (50, {"ignore_features": ["n*"]}, "no usable feature is left"),
    ],
)
def test_without_stores_or_features_there_is_one_cluster_and_no_component(
    stores: int, given: dict[str, Any], reason: str
) -> None:
    row = fit_scope(training(clouds()[:stores]), scope_settings(**QUICK, **given))
    assert (row["status"], row["k"]) == ("no_structure", 1)
    assert row["reason"].startswith(reason)
    assert not any(feature["kept"] for feature in row["features"])
    assert (row["components"], row["search"], row["outlier_store_ids"]) == ([], [], [])
    assert row["centroids"] == [{"cluster": 1, "n_stores": stores, "center": []}]
    model = AffineModel.from_row(row)
    assert model.predict(model.transform(["n0"], np.ones((3, 1)))).tolist() == [1, 1, 1]


def test_a_handful_of_stores_is_one_cluster_and_says_how_many_there_would_have_to_be() -> None:
    row = fit_scope(training(clouds()[:8]), scope_settings(**QUICK, outlier_method="none"))
    assert (row["status"], row["k"]) == ("no_structure", 1)
    assert row["reason"] == (
        "8 training stores (8 different ones) are too few for 2 clusters of at least 5"
    )


def test_one_single_feature_is_enough_for_clusters() -> None:
    row = fit_scope(training(clouds(1)), scope_settings(**QUICK))
    assert (row["status"], row["k"], len(row["components"])) == ("fitted", 2, 1)


def test_categories_alone_are_enough_for_clusters() -> None:
    levels = np.eye(3)[np.repeat([0, 1, 2], 20)]
    row = fit_scope(
        training(levels[:, :2], ("format", "format")),
        scope_settings(**QUICK, outlier_method="none"),
    )
    assert row["features"][0]["kept"]
    assert np.isfinite([component["bias"] for component in row["components"]]).all()


def test_cluster_numbers_last_when_the_sizes_change_their_order() -> None:
    x = clouds()
    settings = scope_settings(**QUICK)
    first = fit_scope(training(x), settings)
    before = AffineModel.from_row(first)
    grown = np.concatenate([x, x[25:] + 0.01, x[25:] - 0.01])  # the second cloud is now larger
    second = fit_scope(training(grown), settings, before, highest_used=2)
    after = AffineModel.from_row(second)
    names = ["n0", "n1", "n2", "n3"]
    np.testing.assert_array_equal(
        before.predict(before.transform(names, x)), after.predict(after.transform(names, x))
    )
    assert sorted(after.clusters.tolist()) == [1, 2]
    sizes = [centroid["n_stores"] for centroid in second["centroids"]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_cluster_that_is_new_gets_a_number_above_all_that_were_ever_used() -> None:
    settings = scope_settings(**QUICK)
    x = blobs([30], np.zeros((1, 4)), seed=8)
    one = fit_scope(training(x), settings)
    assert one["k"] == 1
    split = np.concatenate([x, x[:20] + 30.0])
    row = fit_scope(training(split), settings, AffineModel.from_row(one), highest_used=5)
    assert [centroid["cluster"] for centroid in row["centroids"]] == [1, 6]


def test_a_single_cluster_without_features_does_not_take_a_number_back() -> None:
    # the model before has number 2 only; number 1 has been retired
    before = AffineModel(
        (), np.empty(0), np.empty((0, 0)), np.empty(0), np.array([2]), np.empty((1, 0))
    )
    settings = scope_settings(**QUICK, ignore_features=["*"])
    row = fit_scope(training(clouds()), settings, before, highest_used=2)
    assert [centroid["cluster"] for centroid in row["centroids"]] == [2]


FIT_IN_A_NEW_PROCESS = """
import numpy as np
from segmentation.fitting.scope import fit_scope
from segmentation.fitting.weights import measurement_weight
from segmentation.fitting.model import TrainingData
from segmentation.settings import Settings

x = np.random.default_rng(0).normal(size=(12, 2))
ids = tuple(f"s{row}" for row in range(12))
data = TrainingData("external", ids, ("a", "b"), (None, None), x, x)
fit_scope(data, Settings({"max_clusters": 2}).for_scope("external", "external"))
"""


def test_a_fit_leaves_no_file_in_the_working_directory(tmp_path: Path) -> None:
    # PyCaret opens its log once per process, wherever that process stands at its first fit
    name = "PYCARET_CUSTOM_LOGGING_PATH"
    environment = {key: value for key, value in os.environ.items() if key != name}
    command = [sys.executable, "-W", "ignore", "-c", FIT_IN_A_NEW_PROCESS]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert list(tmp_path.iterdir()) == []


def test_values_too_large_for_the_pipeline_are_an_error_and_no_model() -> None:
    with pytest.raises(ValueError, match=r"infinity or a value too large|Eigenvalues did not"):
        fit_scope(training(clouds() * 1e200), scope_settings("internal", "Snacks", **QUICK))
