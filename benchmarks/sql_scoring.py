"""Scoring in SQL, as the project's models do it, against scikit-learn's transform and predict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import polars as pl
from joblib import cpu_count
from threadpoolctl import threadpool_limits

from benchmarks import data
from benchmarks.dbt_runs import compiled, dbt, scratch
from benchmarks.harness import Stopwatch, Suite, measure, paired, ratio_row, row
from segmentation.features.vectors import to_matrix
from segmentation.fitting.model import MODEL_SCHEMA, AffineModel

TARGET: Final = "SQL scoring"
STORES, LARGE_STORES = 1_000_000, 10_000_000
FEATURES, COMPONENTS, CLUSTERS, TRAINING = 50, 20, 8, 5_000
#: DuckDB's limit where memory is the target; beyond it goes to disk.
LARGE_MEMORY: Final = "1GB"
MODELS: Final = ("external_components", "external_clusters")
#: Inline query that reads the numbers of the model as the scoring macros do.
LITERALS: Final = (
    "{{ scoring_literals_query('external', ref('external_cluster_models'),"
    " ref('int_feature_usage'), ref('int_current_cluster_models')) }}"
)


def _model() -> pl.DataFrame:
    """A model of the generated vectors, fitted once and kept in the cache as the table has it."""
    from segmentation.fitting.registry import fit_lane  # noqa: PLC0415
    from segmentation.settings import Settings  # noqa: PLC0415

    path = data.cache() / "scoring-model.parquet"
    if not path.exists():
        stores = pl.read_parquet(data.vectors(TRAINING, FEATURES, missing=True))
        features = stores.with_columns(
            scope=pl.lit("external"), is_thin_history=pl.lit(value=False)
        )
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
            "external",
            {"external": features},
            _names(),
            Settings({"external": given}),
            None,
            lambda _: None,
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
            select 'external' as scope, store_id, 1.0::double as sales_amount, x, false as is_thin_history
            from '{data.vectors(stores, FEATURES, missing=True)}'
            """
        )
        connection.execute(
            """
            create table features.feat_internal (
                scope varchar, store_id varchar, sales_amount double, shares double[], x double[],
                n_rows bigint, is_thin_history boolean
            )
            """
        )


def _variables(memory_limit: str | None = None) -> dict[str, Any]:
    """Inputs of a few rows, so that the project parses."""
    return {
        "inputs": {
            "sales": str(data.shop_sales(10, 1)),
            "products": str(data.shop_products(1)),
            "demographics": str(data.demographics()),
        },
        "external_sources": ["demographics"],
        "segmentation": {"memory_limit": memory_limit},
    }


@contextmanager
def _prepared(stores: int, variables: dict[str, Any]) -> Iterator[Path]:
    """A folder whose database has vectors, a model, and what the scoring SQL is compiled from."""
    with scratch() as folder:
        _database(folder, stores)
        selected = ("int_current_cluster_models", "int_feature_usage")
        dbt(folder, "run", "--select", *selected, variables=variables)
        yield folder


def as_query(stores: int) -> dict[str, Any]:
    """The compiled SQL of the clusters straight from the vectors: vectors to a table of clusters.

    Reading the numbers of the model from its row is counted, too.
    """
    return _queried(
        stores,
        numbers=(LITERALS, "{{ cluster_products_query(ref('external_cluster_models')) }}"),
        clusters=("{{ nearest_clusters('external') }}",),
        query="select store_id, cluster from ({0})",
    )


def by_components(stores: int) -> dict[str, Any]:
    """The same by way of the components, of which `as_query` keeps only the products."""
    return _queried(
        stores,
        numbers=(LITERALS,),
        clusters=("{{ centroid_distances('external') }}", "{{ components('external') }}"),
        query="""
        select store_id, clusters[list_position(distances, list_min(distances))] as cluster
        from ({0})
        """,
    )


def _queried(
    stores: int, numbers: Sequence[str], clusters: Sequence[str], query: str
) -> dict[str, Any]:
    """Read the numbers of a model, then make the table of clusters; `clusters` goes into `query`.

    A second one in `clusters` is the view of the components that the first one reads.
    """
    variables = _variables()
    with _prepared(stores, variables) as folder:
        read = [compiled(folder, inline, variables) for inline in numbers]
        scored, *components = (compiled(folder, inline, variables) for inline in clusters)
        with duckdb.connect(str(folder / "bench.duckdb")) as connection:
            for view in components:
                connection.execute(f"create view lanes.external_components as {view}")
            watch = Stopwatch.start()
            for one in read:
                connection.execute(one).fetchall()
            connection.execute(f"create table labels as {query.format(scored)}")
            return {**watch.read(), "labels": _checksum(connection)}


def as_models(stores: int, memory_limit: str | None = None) -> dict[str, Any]:
    """The models of components and clusters as dbt builds them, with reading the model's numbers."""
    variables = _variables(memory_limit)
    with _prepared(stores, variables) as folder:
        measured = dbt(folder, "run", "--select", *MODELS, variables=variables)
        with duckdb.connect(str(folder / "bench.duckdb")) as connection:
            connection.execute("create view labels as from lanes.external_clusters")
            return {**measured, "labels": _checksum(connection)}


def _pipeline() -> tuple[Any, AffineModel]:
    """scikit-learn's pipeline with the numbers of the model in it."""
    from sklearn.cluster import KMeans  # noqa: PLC0415
    from sklearn.decomposition import PCA  # noqa: PLC0415
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.pipeline import Pipeline  # noqa: PLC0415
    from sklearn.preprocessing import RobustScaler  # noqa: PLC0415

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
    steps = [("impute", imputer), ("scale", scaler), ("pca", pca), ("clusters", clusters)]
    return Pipeline(steps), affine


def in_sklearn(stores: int) -> dict[str, Any]:
    """The same by a pipeline of scikit-learn: vectors from the table, components, clusters, a table.

    `inside` is the time of `transform` and `predict` alone, from memory to memory.
    """
    pipeline, affine = _pipeline()
    # the package keeps linear algebra to one thread; the peer has all cores
    with (
        scratch() as folder,
        threadpool_limits(limits=cpu_count()),
    ):
        _database(folder, stores)
        with duckdb.connect(str(folder / "bench.duckdb")) as connection:
            watch = Stopwatch.start()
            frame = connection.sql("select store_id, x from features.feat_external").pl()
            x = to_matrix(frame["x"])
            inside = Stopwatch.start()
            z = pipeline[:-1].transform(x)
            labels = pipeline.predict(x)
            seconds_inside = inside.read()
            numbered = frame.select("store_id", cluster=affine.clusters[labels])
            connection.register("numbered", numbered.to_arrow())
            connection.execute("create table labels as from numbered")
            measured = watch.read()
            if z.shape != (stores, COMPONENTS):
                raise RuntimeError(f"scikit-learn's components have shape {z.shape}")
            return {**measured, "inside": seconds_inside, "labels": _checksum(connection)}


def _checksum(connection: duckdb.DuckDBPyConnection) -> str:
    """Stores and clusters of the table `labels` as one text."""
    query = "select sum(hash(store_id, cluster::integer)), count(*) from labels"
    return str(connection.execute(query).fetchone())


def results(suite: Suite) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of this target; there is no curve."""
    stores = LARGE_STORES if suite == "bench-large" else STORES
    data.vectors(TRAINING, FEATURES, missing=True)
    data.vectors(stores, FEATURES, missing=True)
    if suite == "bench-large":
        once = measure(as_models, stores=stores, memory_limit=LARGE_MEMORY)
        note = f"with `memory_limit: {LARGE_MEMORY}`, in {once.seconds:.0f} s"
        peak = [once.peak_mb / 1000]
        return [row(TARGET, "memory at 10 M stores", suite, peak, 2.5, "at most", "GB", note)], []
    pairs = paired(
        partial(measure, as_query, stores=stores), partial(measure, in_sklearn, stores=stores)
    )
    built = measure(as_models, stores=stores)
    through = measure(by_components, stores=stores)
    labels = {one.result["labels"] for one in [built, through, *chain.from_iterable(pairs)]}
    same = (
        "labels identical" if len(labels) == 1 else "LABELS DIFFER: " + json.dumps(sorted(labels))
    )
    in_memory = [(ours, replace(peer, **peer.result["inside"])) for ours, peer in pairs]
    name = "1 M stores x 50 features to 20 components and 8 clusters"
    return [
        ratio_row(
            TARGET,
            name,
            suite,
            pairs,
            4,
            "at least",
            f"{same}; both from the table of vectors to a table of clusters, ours with the"
            " components multiplied into a product per cluster",
        ),
        ratio_row(
            TARGET,
            f"{name}: by way of the components",
            suite,
            [(through, pairs[0][1])],
            None,
            "at least",
            "the components of each store are computed, as the peer does",
        ),
        ratio_row(
            TARGET,
            f"{name}: against the matrix in memory",
            suite,
            in_memory,
            None,
            "at least",
            "the peer neither reads nor writes a table",
        ),
        ratio_row(
            TARGET,
            f"{name}: as dbt builds it",
            suite,
            [(built, pairs[0][1])],
            None,
            "at least",
            "components, both nearest clusters, margins and typical distances, in two tables",
        ),
    ], []
