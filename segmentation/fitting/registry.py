"""What is fitted again and what is not: one row per model, addressed by its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

import duckdb
import numpy as np
import polars as pl
from joblib import cpu_count

from segmentation.engine.options import EngineError
from segmentation.engine.session import Engine
from segmentation.features.vectors import Matrix, lane_features, to_matrix
from segmentation.fitting.model import MODEL_SCHEMA, NO_METRIC, AffineModel, ModelRow, TrainingData
from segmentation.fitting.processes import each_in_processes, each_on_cluster
from segmentation.settings import EXTERNAL_SCOPE, ONLY_IN, Lane, ScopeSettings, Settings
from segmentation.warehouse.code import folder_sha256

#: Libraries whose version can move a number.
LIBRARIES: Final = ("numpy", "pandas", "pycaret-core", "scikit-learn", "scipy")
#: Packages whose code can move a number.
_CODE: Final = ("features", "fitting")
#: Settings that act after the fit; they do not belong to a model.
_AFTER_FIT: Final = frozenset({"min_segment_size"})
_ID_LENGTH: Final = 16
#: Fewer fits are done in this process: each worker process imports PyCaret, which takes seconds.
_MIN_PARALLEL: Final = 8
#: Stores from which the K-means of one scope keeps several threads busy.
_LARGE_SCOPE: Final = 5000
#: Training data that is held at a time, in bytes: other scopes are read once these are fitted.
_MOST_BYTES: Final = 2**30
#: A fit compares all features with each other: with 5,000 it takes a minute and 2 GB.
MOST_FEATURES: Final = 5000

#: Column with the hash of a model's row, and below the SQL that computes it. A row that comes into
#: force again is the same model in another place.
_HASH_COLUMN: Final = "content_sha256"
_CONTENT: Final = [name for name in MODEL_SCHEMA if name not in {_HASH_COLUMN, "in_force_order"}]


def _hash_sql(columns: Sequence[str]) -> str:
    """SQL of the hash of some columns of a model's row."""
    fields = ", ".join(f'"{name}" := "{name}"' for name in columns)
    return f"sha256(to_json(struct_pack({fields}))::varchar)"


#: Rows written by version 0.1.0 have no value in the columns that later versions added.
_CONTENT_BEFORE: Final = [name for name in _CONTENT if name not in NO_METRIC]
CONTENT_HASH_SQL: Final = (
    f"case when criteria is null then {_hash_sql(_CONTENT_BEFORE)} else {_hash_sql(_CONTENT)} end"
)

Report = Callable[[str], None]


class WorkerVersionError(RuntimeError):
    """A worker would compute something else than this machine; the message says what differs."""


def fit_lane(
    lane: Lane,
    features: Mapping[str, pl.DataFrame],
    scope_features: pl.DataFrame,
    settings: Settings,
    existing: pl.DataFrame | None,
    report: Report,
    engine: Engine | None = None,
) -> pl.DataFrame:
    """Rows to add to `<lane>_cluster_models` so that every scope has the model of today's data.

    A scope whose model stands in the table already is not fitted; if an older row of the table
    fits today's data, that row comes back with a new place in the order. A scope whose fit fails
    becomes a row with status `failed` and the reason, and is tried again by the next build; the
    other scopes go on.

    Parameters
    ----------
    lane
        `internal` or `external`.
    features
        Rows of `feat_<lane>` by scope, sorted: scope, store_id, is_thin_history, x (and shares in
        the internal lane). One scope is read after the other (`warehouse.parts.RowsBy`).
    scope_features
        `scope_features`: lane, scope, position, feature.
    settings
        Parsed settings.
    existing
        All rows of the table so far, None on the first build.
    report
        Called with one line of progress per scope.
    engine
        The engine that fits with the setting `fit_on: engine`.

    Returns
    -------
    polars.DataFrame
        Schema `MODEL_SCHEMA`; no row where nothing is new.
    """
    known = pl.DataFrame(schema=MODEL_SCHEMA) if existing is None else existing
    if lane == "external" and not features:
        report("external: no external data")
    if lane == "internal":
        for scope in sorted(set(settings.project.scopes) - {*features, EXTERNAL_SCOPE}):
            report(
                f"segmentation.scopes.{scope}: no such category; there are: {', '.join(features)}"
            )
    planned = (
        _find_or_plan(
            lane,
            scope,
            features[scope],
            scope_features.filter((pl.col("lane") == lane) & (pl.col("scope") == scope)),
            settings,
            known.filter(pl.col("scope") == scope).sort("in_force_order"),
            partial(_report_place, report, f"{lane} lane {place}/{len(features)}"),
        )
        for place, scope in enumerate(features, start=1)
    )
    rows: list[ModelRow] = []
    for batch in _batches(planned):
        fitted = _fit_all([one for one in batch if isinstance(one, _Fit)], settings, engine)
        rows += [next(fitted) if isinstance(one, _Fit) else one for one in batch]
    return _with_content_hash(pl.DataFrame(rows, schema=MODEL_SCHEMA, orient="row"))


def tampered_models(connection: duckdb.DuckDBPyConnection, lane: Lane) -> list[tuple[str, str]]:
    """Scope and model id of rows of `<lane>_cluster_models` that are not as they were written.

    A row whose hash is gone is one of them. A table of a version that had other columns cannot be
    judged.
    """
    table = f"{lane}_cluster_models"
    known = connection.execute(
        "select column_name from duckdb_columns()"
        " where database_name = current_database() and schema_name = 'lanes' and table_name = ?",
        [table],
    ).fetchall()
    columns = {name for (name,) in known}
    if not set(_CONTENT) <= columns:
        return []
    written = _HASH_COLUMN if _HASH_COLUMN in columns else "null"
    return connection.execute(
        f"select scope, model_id from lanes.{table}"  # noqa: S608
        f" where {written} is distinct from {CONTENT_HASH_SQL} order by all"
    ).fetchall()


def _with_content_hash(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the hash of their content, as DuckDB writes it down."""
    if rows.is_empty():
        return rows
    with duckdb.connect() as connection:
        connection.register("rows", rows.to_arrow())
        hashed = connection.sql(
            f"select in_force_order, {CONTENT_HASH_SQL} as {_HASH_COLUMN}, model_id from rows"  # noqa: S608
        ).pl()
    return (
        rows.drop(_HASH_COLUMN)
        .join(hashed, on=["model_id", "in_force_order"], how="left", maintain_order="left")
        .select(MODEL_SCHEMA.names())
    )


def training_data(
    lane: Lane, features: pl.DataFrame, scope_features: pl.DataFrame, settings: ScopeSettings
) -> TrainingData:
    """Stores of one scope with enough history to learn from, sorted by id."""
    chosen = features.filter(~pl.col("is_thin_history")).sort("store_id")
    columns = scope_features.sort("position")
    x = to_matrix(chosen["x"], len(columns))
    raw = to_matrix(lane_features(chosen, lane), len(columns))
    return TrainingData(
        scope=str(features["scope"][0]),
        store_ids=tuple(chosen["store_id"].to_list()),
        names=tuple(columns["feature"].to_list()),
        groups=tuple(columns["category_column"].to_list()),
        raw=raw,
        x=x,
        has_gaps=lane == "internal" and settings.transform == "log_ratio_gaps",
    )


def training_data_sha256(data: TrainingData) -> str:
    """Hash of stores, features and values; the same data gives the same hash on any machine."""
    digest = hashlib.sha256()
    groups = (group or "" for group in data.groups)
    for part in (data.scope, *data.names, *groups, *data.store_ids):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    for matrix in (data.raw, data.x):
        digest.update(_canonical(matrix))
    return digest.hexdigest()


@cache
def code_version() -> str:
    """Version of the package and hash of the folders with the code of a fit and of its features."""
    package = Path(__file__).parents[1]
    folders = "".join(folder_sha256(package / name) for name in _CODE)
    digest = hashlib.sha256(folders.encode()).hexdigest()
    return f"store-segments {metadata.version('store-segments')} {digest[:12]}"


@cache
def library_versions() -> dict[str, str]:
    """Versions of the libraries whose release can move a number."""
    return {name: metadata.version(name) for name in LIBRARIES}


def fit_settings(lane: Lane, settings: ScopeSettings) -> dict[str, Any]:
    """Settings that a model of the lane depends on."""
    idle = _AFTER_FIT | ONLY_IN["external" if lane == "internal" else "internal"]
    return {
        key: value for key, value in settings.model_dump(mode="json").items() if key not in idle
    }


def model_id(training_sha256: str, settings: Mapping[str, Any], fitted_by: str) -> str:
    """Address of a model: hash of data, settings, code and library versions."""
    content = json.dumps(
        [training_sha256, dict(settings), fitted_by, library_versions()], sort_keys=True
    )
    return hashlib.sha256(content.encode()).hexdigest()[:_ID_LENGTH]


@dataclass(frozen=True)
class _Fit:
    """A fit that is to be made, with what becomes of the row whatever comes out."""

    identity: dict[str, Any]
    data: TrainingData
    settings: ScopeSettings
    previous: AffineModel | None
    highest_used: int
    report: Report

    def tell(self, row: ModelRow) -> ModelRow:
        """Report the outcome and give it back."""
        failed = row["status"] == "failed"
        outcome = (
            f"FAILED, {row['reason']}" if failed else f"{row['status']}, {row['k']} cluster(s)"
        )
        self.report(f"{self.data.scope}: {outcome}")
        return row


def _batches(planned: Iterable[ModelRow | _Fit | None]) -> Iterator[list[ModelRow | _Fit]]:
    """What is new, in order and in parts that have no more training data than fits in memory."""
    batch: list[ModelRow | _Fit] = []
    size = 0
    for one in planned:
        if one is None:
            continue
        batch.append(one)
        if isinstance(one, _Fit):
            size += one.data.x.nbytes + one.data.raw.nbytes
        if size > _MOST_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


def _fit_all(fits: Sequence[_Fit], settings: Settings, engine: Engine | None) -> Iterator[ModelRow]:
    """Rows of all fits, in order: many scopes in worker processes, a large one in threads."""
    fit_on = settings.project.fit_on
    n_cores = cpu_count()
    n_workers = min(n_cores, len(fits)) if len(fits) >= _MIN_PARALLEL else 1
    n_threads = max(n_cores // n_workers, 1) if fit_on == "processes" else 1
    orders = [
        (
            fit.identity,
            fit.data,
            fit.settings,
            fit.previous,
            fit.highest_used,
            n_threads if len(fit.data.store_ids) >= _LARGE_SCOPE else 1,
        )
        for fit in fits
    ]
    if fit_on == "processes":
        rows = each_in_processes(_fitted, orders, n_workers)
    else:
        rows = _fitted_elsewhere(fits, orders, fit_on, engine)
    for fit, row in zip(fits, rows, strict=True):
        yield fit.tell(row)


def _fitted_elsewhere(
    fits: Sequence[_Fit],
    orders: Sequence[Sequence[Any]],
    fit_on: Literal["engine", "dask", "ray"],
    engine: Engine | None,
) -> Iterator[ModelRow]:
    """Rows from an engine or a cluster; if it fails, the rest of the scopes have failed."""
    n_done = 0
    try:
        if fit_on == "engine":
            assert engine is not None  # noqa: S101 (the check of the run refuses the setting)
            rows = engine.each(_fitted, orders, LIBRARIES)
        else:
            rows = each_on_cluster(_fitted, orders, fit_on)
        for row in rows:
            yield row
            n_done += 1
    except Exception as error:
        shown = str(error) if isinstance(error, EngineError) else _named_error(error)
        for fit in fits[n_done:]:
            yield _failed(fit.identity, fit.data, f"fit_on: {fit_on}: {shown}")


def _fitted(
    identity: Mapping[str, Any],
    data: TrainingData,
    settings: ScopeSettings,
    previous: AffineModel | None,
    highest_used: int,
    n_jobs: int,
) -> ModelRow:
    """Row of one fit; of one that fails the row says why."""
    from segmentation.fitting.scope import fit_scope  # noqa: PLC0415 (PyCaret, only for a fit)

    found = {"fitted_by": code_version(), "versions": _named(library_versions())}
    if wrong := [name for name, value in found.items() if identity[name] != value]:
        raise WorkerVersionError(
            f"a worker has other {' and '.join(wrong)}: "
            + "; ".join(f"{found[name]} instead of {identity[name]}" for name in wrong)
        )
    try:
        return {**identity, **fit_scope(data, settings, previous, highest_used, n_jobs)}
    except Exception as error:
        return _failed(identity, data, f"the fit failed with {_named_error(error)}")


def _find_or_plan(
    lane: Lane,
    scope: str,
    features: pl.DataFrame,
    scope_features: pl.DataFrame,
    settings: Settings,
    known: pl.DataFrame,
    report: Report,
) -> ModelRow | _Fit | None:
    """Nothing where the newest model of the scope is the right one, else its row or the fit."""
    chosen = settings.for_scope(lane, scope)
    data = training_data(lane, features, scope_features, chosen)
    given = fit_settings(lane, chosen)
    sha256, fitted_by = training_data_sha256(data), code_version()
    identity = {
        "model_id": model_id(sha256, given, fitted_by),
        "scope": scope,
        "in_force_order": int(known["in_force_order"].max() or 0) + 1,  # type: ignore[arg-type]
        "settings": _named(given),
        "versions": _named(library_versions()),
        "training_data_sha256": sha256,
        "fitted_by": fitted_by,
    }
    usable = known.filter(pl.col("status") != "failed")
    if settings.project.retrain == "never":
        if not usable.is_empty():
            report(f"{scope}: retrain is never, model {usable['model_id'][-1]} stays")
            return None
        return _failed(identity, data, "retrain is never and the scope has no model yet")
    same = usable.filter(pl.col("model_id") == identity["model_id"])
    if not same.is_empty():
        if usable["model_id"][-1] == identity["model_id"]:
            report(f"{scope}: unchanged, model {identity['model_id']}")
            return None
        report(f"{scope}: data and settings of an earlier model, {identity['model_id']} again")
        return {**same.row(0, named=True), "in_force_order": identity["in_force_order"]}
    if len(data.names) > MOST_FEATURES:
        reason = _too_many(lane, len(data.names))
        report(f"{scope}: FAILED, {reason}")
        return _failed(identity, data, reason)
    report(f"{scope}: fitting {len(data.store_ids)} stores x {len(data.names)} features")
    previous = AffineModel.from_row(usable.row(-1, named=True)) if len(usable) else None
    return _Fit(identity, data, chosen, previous, _highest_cluster(usable), report)


def _too_many(lane: Lane, n_features: int) -> str:
    """Reason not to fit that many features."""
    if lane == "internal":
        return (
            f"{n_features:,} need states are more than {MOST_FEATURES:,}: a need state is a group"
            " of products, usually one of 5 to 50 in a category; check the column need_state of"
            " the products"
        )
    return (
        f"{n_features:,} external features are more than {MOST_FEATURES:,}: leave columns out with"
        " ignore_features"
    )


def _report_place(report: Report, place: str, text: str) -> None:
    """Put the place in the work in front of a line of progress."""
    report(f"{place}: {text}")


def _failed(identity: Mapping[str, Any], data: TrainingData, reason: str) -> ModelRow:
    """Row of a scope without a usable model: status and reason, no numbers."""
    return {
        **identity,
        "status": "failed",
        "reason": reason,
        "n_stores": len(data.store_ids),
        "n_outliers": 0,
        "features": [],
        "components": [],
        "search": [],
        "k": None,
        "centroids": [],
        "outlier_store_ids": [],
        "means": [],
        "distributions": [],
        **NO_METRIC,
    }


def _highest_cluster(known: pl.DataFrame) -> int:
    """Highest cluster number that any model of the scope has used."""
    return max(
        (
            centroid["cluster"]
            for centroids in known["centroids"].to_list()
            for centroid in centroids
        ),
        default=0,
    )


def _named_error(error: Exception) -> str:
    """Kind and message of an error, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _named(values: Mapping[str, Any]) -> list[dict[str, str]]:
    """Mapping to sorted name and value pairs; every value as JSON text unless it is text."""
    return [
        {"name": name, "value": value if isinstance(value, str) else json.dumps(value)}
        for name, value in sorted(values.items())
    ]


def _canonical(matrix: Matrix) -> bytes:
    """Bytes of a matrix in which every missing value and every zero is written one way."""
    tidy = np.where(np.isnan(matrix), np.nan, matrix) + 0.0
    shape = ",".join(str(length) for length in tidy.shape)
    return shape.encode() + np.ascontiguousarray(tidy, dtype="<f8").tobytes()
