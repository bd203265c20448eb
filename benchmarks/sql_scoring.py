"""Scoring in SQL, as the project's models do it, against scikit-learn's transform and predict."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import polars as pl
from joblib import cpu_count
from threadpoolctl import threadpool_limits

from benchmarks import data
from benchmarks.dbt_runs import dbt, scratch
from benchmarks.harness import PAIRS, Stopwatch, Suite, measure, paired, ratio_row, row
from segmentation.features import to_matrix
from segmentation.model import MODEL_SCHEMA, AffineModel

TARGET: Final = "SQL scoring"
STORES, LARGE_STORES = 1_000_000, 10_000_000
FEATURES, COMPONENTS, CLUSTERS, TRAINING = 50, 20, 8, 5_000
#: DuckDB's limit where memory is the target; beyond it goes to disk.
LARGE_MEMORY: Final = "1GB"
MODELS: Final = ("external_components", "external_clusters")


def _model() -> pl.DataFrame:
    """A model of the generated vectors, fitted once and kept in the cache as the table has it."""
    from segmentation.registry import fit_lane  # noqa: PLC0415
    from segmentation.settings import Settings  # noqa: PLC0415

    path = data.cache() / "scoring-model.parquet"
    if not path.exists():
        stores = pl.read_parquet(data.vectors(TRAINING, FEATURES, missing=True))
        features = stores.with_columns(scope=pl.lit("external"), sales_amount=pl.lit(1.0))
        given = {
            "min_components": COMPONENTS,
            "pca_variance": 0.2,
            "min_clusters": CLUSTERS,
            "max_clusters": CLUSTERS,
            "stability_threshold": 0.0,
            "stability_resamples": 2,
            "gap_references": 2,
        }
        rows = fit_lane(
            "external", features, _names(), Settings({"external": given}), None, lambda _: None
        )
        rows.write_parquet(path)
    return pl.read_parquet(path).match_to_schema(MODEL_SCHEMA)


def _names() -> pl.DataFrame:
    """The table `scope_features` of the generated vectors."""
    names = [f"demographics.f{feature:03d}" for feature in range(FEATURES)]
    return pl.DataFrame(
        {
            "lane": "external",
            "scope": "external",
            "feature": names,
            "source": "demographics",
            "label": names,
            "category_column": pl.Series([None] * FEATURES, dtype=pl.String),
            "position": pl.Series(range(1, FEATURES + 1), dtype=pl.Int32),
        }
    )


def _database(folder: Path, stores: int) -> None:
    """The tables that scoring reads."""
    model, names = _model(), _names()
    empty = pl.DataFrame(schema=MODEL_SCHEMA)
    with duckdb.connect(str(folder / "bench.duckdb")) as connection:
        connection.execute("create schema features; create schema lanes")
        connection.execute("set memory_limit = '1GB'; set preserve_insertion_order = false")
        connection.register("model", model.to_arrow())
        connection.register("empty", empty.to_arrow())
        connection.register("names", names.to_arrow())
        connection.execute("create table lanes.external_cluster_models as from model")
        connection.execute("create table lanes.internal_cluster_models as from empty")
        connection.execute("create table features.scope_features as from names")
        connection.execute(
            f"""
            create table features.feat_external as
            select 'external' as scope, store_id, 1.0::double as sales_amount, x
            from '{data.vectors(stores, FEATURES, missing=True)}'
            """
        )
        connection.execute(
            """
            create table features.feat_internal (
                scope varchar, store_id varchar, sales_amount double, shares double[], x double[]
            )
            """
        )


def in_sql(stores: int, memory_limit: str | None = None) -> dict[str, Any]:
    """The models of components and clusters, with reading the model's numbers."""
    variables = {
        "inputs": {
            "sales": str(data.shop_sales(10, 1)),
            "products": str(data.shop_products(1)),
            "demographics": str(data.demographics()),
        },
        "external_sources": ["demographics"],
        "segmentation": {"memory_limit": memory_limit},
    }
    with scratch() as folder:
        _database(folder, stores)
        dbt(
            folder,
            "run",
            "--select",
            "current_cluster_models",
            "feature_usage",
            variables=variables,
        )
        measured = dbt(folder, "run", "--select", *MODELS, variables=variables)
        with duckdb.connect(str(folder / "bench.duckdb"), read_only=True) as connection:
            counted = connection.execute(
                "select sum(hash(store_id, cluster)), count(*) from lanes.external_clusters"
            ).fetchone()
    return {**measured, "labels": str(counted)}


def in_sklearn(stores: int) -> dict[str, Any]:
    """The same steps as a pipeline of scikit-learn, on a matrix in memory."""
    from sklearn.cluster import KMeans  # noqa: PLC0415
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.pipeline import Pipeline  # noqa: PLC0415
    from sklearn.preprocessing import RobustScaler  # noqa: PLC0415

    frame = pl.read_parquet(data.vectors(stores, FEATURES, missing=True))
    x = to_matrix(frame["x"])
    model = _model().row(0, named=True)
    small = np.random.default_rng(0).normal(size=(200, FEATURES))
    imputer = SimpleImputer(strategy="median").fit(small)
    scaler = RobustScaler().fit(small)
    pca = PCA(n_components=COMPONENTS).fit(small)
    clusters = KMeans(CLUSTERS, n_init=1).fit(small[:, :COMPONENTS])
    kept = [feature for feature in model["features"] if feature["kept"]]
    imputer.statistics_ = np.array([feature["imputed"] for feature in kept])
    scaler.center_ = np.array([feature["center"] for feature in kept])
    scaler.scale_ = np.array([feature["scale"] for feature in kept])
    pca.components_ = np.array([component["loadings"] for component in model["components"]])
    pca.mean_ = np.array(model["means"])
    pca.n_components_ = COMPONENTS
    affine = AffineModel.from_row(model)
    clusters.cluster_centers_ = affine.centers
    pipeline = Pipeline([("impute", imputer), ("scale", scaler), ("pca", pca), ("k", clusters)])
    # the package keeps linear algebra to one thread; the peer has all cores
    with threadpool_limits(limits=cpu_count()):
        watch = Stopwatch.start()
        labels = pipeline.predict(x)
        measured = watch.read()
    numbered = pl.DataFrame({"store_id": frame["store_id"], "cluster": affine.clusters[labels]})
    with duckdb.connect() as connection:
        connection.register("numbered", numbered.to_arrow())
        counted = connection.execute(
            "select sum(hash(store_id, cluster::integer)), count(*) from numbered"
        ).fetchone()
    return {**measured, "labels": str(counted)}


def results(suite: Suite) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of this target; there is no curve."""
    stores = LARGE_STORES if suite == "bench-large" else STORES
    data.vectors(TRAINING, FEATURES, missing=True)
    data.vectors(stores, FEATURES, missing=True)
    if suite == "bench-large":
        once = measure(in_sql, stores=stores, memory_limit=LARGE_MEMORY)
        note = f"with `memory_limit: {LARGE_MEMORY}`, in {once.seconds:.0f} s"
        peak = [once.peak_mb / 1000]
        return [row(TARGET, "memory at 10 M stores", suite, peak, 2.5, "at most", "GB", note)], []
    pairs = paired(
        partial(measure, in_sql, stores=stores), partial(measure, in_sklearn, stores=stores), PAIRS
    )
    labels = {one.result["labels"] for pair in pairs for one in pair}
    same = (
        "labels identical" if len(labels) == 1 else "LABELS DIFFER: " + json.dumps(sorted(labels))
    )
    return [
        ratio_row(
            TARGET,
            "1 M stores x 50 features to 20 components and 8 clusters",
            suite,
            pairs,
            4,
            "at least",
            f"{same}; ours from table to two tables, the peer from memory to memory",
        )
    ], []
