"""Scoring in SQL against the PyCaret pipeline itself, store by store."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from segmentation.fitting.lonely import RemoveLonely
from segmentation.fitting.weights import WeightColumns
from segmentation.settings import LANES

from .conftest import SeedsBuild
from .helpers import OWN_INPUTS, QUICK, Project, small_inputs

Matrix = npt.NDArray[np.float64]

#: Build, lane and scope of everything that is compared.
SCOPES: Final = (
    ("seeds", "external", "external"),
    ("seeds", "internal", "Baby & Family Care"),
    ("seeds", "internal", "Household Cleaning"),
    ("seeds", "internal", "Oral Care"),
    ("seeds", "internal", "Snacks"),
    ("other settings", "external", "external"),
    ("other settings", "internal", "Bread"),
    ("other settings", "internal", "Cheese"),
)
#: Settings that lead through other steps of the pipeline than the defaults.
OTHER_SETTINGS: Final[Mapping[str, Any]] = {
    **QUICK,
    "seed": 7,
    "min_training_sales": 100,
    "numeric_imputation": "mean",
    "pca_variance": 0.9,
    "outlier_fraction": 0.1,
    "internal": {"transform": "share", "normalize_method": "zscore"},
    "external": {"normalize_method": "minmax"},
    "scopes": {"Cheese": {"normalize_method": "maxabs", "outlier_method": "none"}},
}
#: Stores of the build with other settings that sell next to nothing.
THIN: Final = ("S005", "S018", "S033")
TOLERANCE: Final = 1e-9


@dataclass(frozen=True)
class Rebuilt:
    """One scope, fitted again with PyCaret from the feature tables alone.

    `imputed` is what the first step of the pipeline gives, in the unit of the table, `scaled` what
    the last step before the components gives; `features` name the columns of both.
    """

    store_ids: list[str]
    x: Matrix
    features: list[str]
    imputed: Matrix
    scaled: Matrix
    z: Matrix
    labels: npt.NDArray[np.int64]
    distances: Matrix
    centers: Matrix
    left_out: set[str]


@pytest.fixture(scope="module")
def builds(
    seeds_build: SeedsBuild, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Project]:
    """The example seeds with the defaults; small inputs with thin stores and other settings."""
    folder = tmp_path_factory.mktemp("parity")
    inputs = small_inputs(stores=60)
    amount = pl.col("sales_amount").cast(pl.Float64)
    row = pl.int_range(pl.len())
    inputs = replace(
        inputs,
        sales=inputs.sales.with_columns(
            pl.when(pl.col("store_id").is_in(THIN))
            .then((amount / 100 + 0.01).round(2))
            .otherwise(amount)
            .alias("sales_amount")
        ),
        demographics=inputs.demographics.with_columns(
            pl.when(row % 9 != 4).then("median_age_years"),
            pl.when(row % 11 != 4).then("area_type"),
        ),
    )
    project = Project(folder)
    variables = {**inputs.write(folder / "inputs"), "segmentation": dict(OTHER_SETTINGS)}
    project.build(*OWN_INPUTS, variables=variables)
    return {"seeds": seeds_build.project, "other settings": project}


@pytest.fixture(scope="module", params=SCOPES, ids=lambda scope: f"{scope[0]}, {scope[2]}")
def compared(
    request: pytest.FixtureRequest, builds: Mapping[str, Project]
) -> tuple[Project, str, str]:
    """Project, lane and scope, one after the other."""
    build, lane, scope = request.param
    return builds[build], lane, scope


@pytest.fixture(scope="module")
def project(compared: tuple[Project, str, str]) -> Project:
    """The project of the scope."""
    return compared[0]


@pytest.fixture(scope="module")
def scope(compared: tuple[Project, str, str]) -> tuple[str, str]:
    """Lane and name of the scope."""
    return compared[1:]


@pytest.fixture(scope="module")
def model(project: Project, scope: tuple[str, str]) -> dict[str, Any]:
    """Row of the model in force."""
    lane, name = scope
    rows = project.query(
        f"""
        select models.*
        from lanes.{lane}_cluster_models as models
        inner join governance.current_cluster_models as in_force
            on models.model_id = in_force.model_id and in_force.lane = ?
        where models.scope = ?
        """,
        [lane, name],
    )
    return rows.row(0, named=True)


@pytest.fixture(scope="module")
def rebuilt(project: Project, scope: tuple[str, str], model: dict[str, Any]) -> Rebuilt:
    """Set PyCaret up as a user would, with the stored settings, and let it transform all stores."""
    lane, name = scope
    features = project.query(
        "select store_id, sales_amount, is_thin_history, x"
        f" from features.feat_{lane} where scope = ? order by 1",
        [name],
    )
    positions = project.query(
        "select feature, category_column from features.scope_features"
        " where lane = ? and scope = ? order by position",
        [lane, name],
    )
    settings = {item["name"]: _parsed(item["value"]) for item in model["settings"]}
    kept = [item["name"] for item in model["features"] if item["kept"]]
    names = positions["feature"].to_list()
    columns = [names.index(feature) for feature in kept]
    groups = [positions["category_column"][column] for column in columns]
    x = np.array(features["x"].to_list(), dtype=np.float64)[:, columns]
    enough = features["sales_amount"].fill_null(0.0) >= settings["min_training_sales"]
    trained = enough.to_numpy() & ~features["is_thin_history"].to_numpy()
    if model["column_effects"]:
        x = _without_gaps(x, model)
    with threadpool_limits(limits=1):
        return _rebuild(features["store_id"].to_list(), kept, x, trained, groups, settings, model)


def _without_gaps(logs: Matrix, model: dict[str, Any]) -> Matrix:
    """Log-shares less row and column effects, store by store; a zero is the gap value."""
    rows = []
    for store in logs:
        known = ~np.isnan(store)
        residuals = store - np.array(model["column_effects"])
        effect = residuals[known].mean() if known.any() else np.nan
        rows.append(np.where(known, residuals - effect, model["gap_values"]))
    return np.array(rows)


def _parsed(value: str) -> Any:
    """A setting as the table keeps it: text as it is, everything else as JSON."""
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _rebuild(
    store_ids: list[str],
    kept: list[str],
    x: Matrix,
    trained: npt.NDArray[np.bool_],
    groups: Sequence[str | None],
    settings: dict[str, Any],
    model: dict[str, Any],
) -> Rebuilt:
    """PyCaret's pipeline on the training stores, applied to all stores."""
    os.environ.setdefault("PYCARET_CUSTOM_LOGGING_PATH", os.devnull)
    import pandas as pd  # noqa: PLC0415
    from pycaret.clustering import ClusteringExperiment  # noqa: PLC0415 (takes seconds)

    scales = settings["normalize_method"] != "none"
    unit = np.array(
        [
            np.nanstd(values) if scales and group is None else 1.0
            for values, group in zip(x[trained].T, groups, strict=True)
        ]
    )
    names = [f"f{column:05d}" for column in range(len(kept))]
    everything = pd.DataFrame(x / unit, columns=names)
    training = everything[trained].reset_index(drop=True)
    experiment = ClusteringExperiment().setup(
        training,
        session_id=settings["seed"],
        numeric_features=names,
        numeric_imputation=settings["numeric_imputation"],
        low_variance_threshold=0.0,
        remove_multicollinearity=True,
        multicollinearity_threshold=settings["multicollinearity_threshold"],
        remove_outliers=settings["outlier_method"] != "none",
        outliers_method="iforest",
        outliers_threshold=settings["outlier_fraction"],
        normalize=scales,
        normalize_method=settings["normalize_method"] if scales else "zscore",
        pca=True,
        pca_components=len(model["components"]),
        custom_pipeline=[("weights", WeightColumns(groups, adjust=scales))],
        custom_pipeline_position=-2,
        n_jobs=1,
        memory=False,
        html=False,
        verbose=False,
        system_log=False,
    )
    pipeline = clone(experiment.pipeline).set_params(pca__transformer__svd_solver="full")
    if "remove_outliers" in pipeline.named_steps:
        lonely = RemoveLonely(settings["outlier_fraction"], settings["seed"])
        pipeline.set_params(remove_outliers__transformer=lonely)
    fitted_rows = pipeline.fit_transform(training)
    # the rotation of the components that the row has, and their deviations within the clusters
    loadings = np.array([component["loadings"] for component in model["components"]])
    rotation = pipeline.named_steps["pca"].transformer.components_ @ loadings.T
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(len(loadings)), atol=TOLERANCE)
    deviations = np.array(model["within_deviations"])
    stored = np.array([centroid["center"] for centroid in model["centroids"]])
    estimator = experiment.models(internal=True).loc["kmeans"]
    clusterer = estimator["Class"](
        **{
            **estimator["Args"],
            "n_clusters": model["k"],
            "init": stored,  # if they are the centroids of K-means, it ends where it starts
            "n_init": 1,
            "random_state": settings["seed"],
        }
    ).fit(fitted_rows.to_numpy(dtype=np.float64) @ rotation / deviations)
    after = {}
    frame = everything
    for name, step in pipeline.steps:
        if name != "remove_outliers":  # it takes part in fitting only
            frame = step.transform(frame)
        after[name] = frame
    z = pipeline.transform(everything).to_numpy(dtype=np.float64) @ rotation / deviations
    training_ids = [store for store, chosen in zip(store_ids, trained, strict=True) if chosen]
    remaining = set(fitted_rows.index)
    assert list(after["weights"].columns) == names
    return Rebuilt(
        store_ids=store_ids,
        x=x,
        features=kept,
        imputed=after["numerical_imputer"].to_numpy(dtype=np.float64) * unit,
        scaled=after["weights"].to_numpy(dtype=np.float64),
        z=z,
        labels=clusterer.predict(z).astype(np.int64),
        distances=np.sort(clusterer.transform(z), axis=1),
        centers=clusterer.cluster_centers_,
        left_out={store for row, store in enumerate(training_ids) if row not in remaining},
    )


def _lasting_numbers(rebuilt: Rebuilt, model: dict[str, Any]) -> npt.NDArray[np.int64]:
    """Cluster number in the table of each cluster of the estimator, by their equal centroids."""
    stored = np.array([centroid["center"] for centroid in model["centroids"]])
    apart = np.abs(rebuilt.centers[:, None, :] - stored[None, :, :]).max(axis=2)
    place = apart.argmin(axis=1)
    assert sorted(place.tolist()) == list(range(model["k"]))
    np.testing.assert_allclose(apart[np.arange(model["k"]), place], 0.0, atol=TOLERANCE)
    numbers = np.array([centroid["cluster"] for centroid in model["centroids"]], dtype=np.int64)
    lasting: npt.NDArray[np.int64] = numbers[place]
    return lasting


def test_the_seeds_build_with_every_data_test_of_the_project(seeds_build: SeedsBuild) -> None:
    assert seeds_build.run.success, seeds_build.run.shown
    assert set(seeds_build.run.statuses.values()) <= {"success", "pass", "no-op"}


def test_every_scope_of_the_builds_is_compared_here(builds: Mapping[str, Project]) -> None:
    in_force = {
        (build, lane, scope): status
        for build, project in builds.items()
        for lane, scope, status in project.query(
            "select lane, scope, status from governance.current_cluster_models"
        ).iter_rows()
    }
    assert in_force == dict.fromkeys(SCOPES, "fitted")


def test_components_in_sql_are_the_transform_of_the_pipeline(
    project: Project, scope: tuple[str, str], rebuilt: Rebuilt
) -> None:
    lane, name = scope
    table = project.query(
        f"select store_id, z from lanes.{lane}_components where scope = ? order by 1", [name]
    )
    assert table["store_id"].to_list() == rebuilt.store_ids
    np.testing.assert_allclose(np.array(table["z"].to_list()), rebuilt.z, rtol=0, atol=TOLERANCE)


def test_clusters_in_sql_are_the_predictions_of_the_estimator(
    project: Project, scope: tuple[str, str], rebuilt: Rebuilt, model: dict[str, Any]
) -> None:
    lane, name = scope
    table = project.query(
        "select store_id, cluster, distance, second_distance, margin"
        f" from lanes.{lane}_clusters where scope = ? order by 1",
        [name],
    )
    assert table["store_id"].to_list() == rebuilt.store_ids
    expected = _lasting_numbers(rebuilt, model)[rebuilt.labels]
    assert table["cluster"].to_list() == expected.tolist()
    distances = table.select("distance", "second_distance").to_numpy()
    np.testing.assert_allclose(distances, rebuilt.distances[:, :2], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(
        table["margin"].to_numpy(),
        1.0 - rebuilt.distances[:, 0] / rebuilt.distances[:, 1],
        rtol=0,
        atol=TOLERANCE,
    )


@pytest.mark.parametrize("build", ["seeds", "other settings"])
def test_clusters_straight_from_the_vectors_are_those_by_way_of_the_components(
    build: str, builds: Mapping[str, Project]
) -> None:
    project = builds[build]
    for lane in LANES:
        query = project.compiled(f"{{{{ nearest_clusters('{lane}') }}}}")
        found = project.query(
            f"select scope, store_id, model_id, cluster from ({query}) order by all"
        )
        expected = project.query(
            f"select scope, store_id, model_id, cluster from lanes.{lane}_clusters"
            " where cluster is not null order by all"
        )
        assert expected.height
        assert found.equals(expected)


def test_scaled_features_are_the_steps_of_the_pipeline(
    project: Project, scope: tuple[str, str], rebuilt: Rebuilt
) -> None:
    lane, name = scope
    table = project.query(
        "select store_id, feature, imputed_value, scaled_value, was_imputed"
        f" from lanes.{lane}_scaled_features where scope = ?",
        [name],
    )
    for column, expected in (
        ("imputed_value", rebuilt.imputed),
        ("scaled_value", rebuilt.scaled),
        ("was_imputed", np.isnan(rebuilt.x)),
    ):
        wide = table.pivot(on="feature", index="store_id", values=column).sort("store_id")
        assert wide["store_id"].to_list() == rebuilt.store_ids
        found = wide.select(rebuilt.features).to_numpy()
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_the_outliers_are_those_that_the_pipeline_leaves_out(
    project: Project, scope: tuple[str, str], rebuilt: Rebuilt, model: dict[str, Any]
) -> None:
    lane, name = scope
    outliers = project.query(
        f"select store_id, cluster from lanes.{lane}_clusters where scope = ? and is_outlier",
        [name],
    )
    assert len(outliers) == model["n_outliers"]
    assert set(outliers["store_id"]) == rebuilt.left_out
    assert outliers["cluster"].null_count() == 0


def test_what_is_compared_includes_shares_of_zero(builds: Mapping[str, Project]) -> None:
    query = (
        "select count(*) from (select unnest(x) as x from features.feat_internal) where x is null"
    )
    assert builds["seeds"].value(query) > 0


def test_the_probability_of_a_cluster_is_its_share_of_the_weighted_densities(
    project: Project, scope: tuple[str, str], rebuilt: Rebuilt, model: dict[str, Any]
) -> None:
    lane, name = scope
    table = project.query(
        f"select assignment_probability from lanes.{lane}_clusters where scope = ?"
        " order by store_id",
        [name],
    )
    sizes = np.array([centroid["n_stores"] for centroid in model["centroids"]])
    stored = np.array([centroid["center"] for centroid in model["centroids"]])
    squares = ((rebuilt.z[:, None, :] - stored[None, :, :]) ** 2).sum(axis=2)
    weighted = sizes * np.exp(-(squares - squares.min(axis=1, keepdims=True)) / 2)
    nearest = squares.argmin(axis=1)
    expected = weighted[np.arange(len(nearest)), nearest] / weighted.sum(axis=1)
    np.testing.assert_allclose(table["assignment_probability"].to_numpy(), expected, atol=1e-7)


def test_what_is_compared_includes_missing_values_outliers_and_thin_stores(
    builds: Mapping[str, Project],
) -> None:
    for condition, table in (
        ("was_imputed", "external_scaled_features"),
        ("is_outlier", "external_clusters"),
        ("is_outlier", "internal_clusters"),
    ):
        query = f"select count(*) from lanes.{table} where {condition}"
        assert builds["seeds"].value(query) > 0
    for lane in ("internal", "external"):
        thin = builds["other settings"].query(
            f"select distinct store_id from lanes.{lane}_clusters where is_thin_history order by 1"
        )
        assert thin["store_id"].to_list() == list(THIN)


@pytest.mark.parametrize("lane", ["internal", "external"])
@pytest.mark.parametrize("build", ["seeds", "other settings"])
def test_every_store_with_features_is_scored(
    builds: Mapping[str, Project], build: str, lane: str
) -> None:
    counts = {
        table: builds[build].query(
            f"select scope, count(*) as n, count(distinct store_id) as n_stores from {table}"
            " group by scope order by scope"
        )
        for table in (f"features.feat_{lane}", f"lanes.{lane}_components", f"lanes.{lane}_clusters")
    }
    features, components, clusters = counts.values()
    assert components.equals(features)
    assert clusters.equals(features)


def test_a_store_is_in_the_segments_of_every_category_it_sells_in(
    builds: Mapping[str, Project],
) -> None:
    for project in builds.values():
        sells = project.query("select store_id, category from features.int_sales_by_need_state")
        segments = project.query("select store_id, category from segments.store_segments")
        assert segments.n_unique() == len(segments)
        assert set(sells.iter_rows()) == set(segments.iter_rows())
