from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.engine.options import EngineOptions
from segmentation.engine.session import Engine
from segmentation.features.vectors import INTERNAL_SCHEMA, Matrix
from segmentation.fitting.model import MODEL_SCHEMA, NO_METRIC, TrainingData
from segmentation.fitting.registry import (
    MOST_FEATURES,
    Report,
    WorkerVersionError,
    _fitted,
    _named,
    code_version,
    fit_lane,
    library_versions,
    model_id,
    tampered_models,
    training_data,
    training_data_sha256,
)
from segmentation.settings import Settings
from segmentation.warehouse.code import folder_sha256
from tests.integration.helpers import is_listed

from ..helpers import blobs, scope_settings, training

#: Nothing to fit: every scope is one cluster at once, and the book-keeping is the same.
AT_ONCE: dict[str, Any] = {"ignore_features": ["*"]}
QUICK: dict[str, Any] = {"max_clusters": 3, "stability_resamples": 2, "gap_references": 3}


def ignore(_line: str) -> None:
    """Report to nobody."""


def lists(columns: int, scopes: Sequence[str]) -> pl.DataFrame:
    """`scope_features` of some scopes with the same number of features."""
    return pl.DataFrame(
        [
            {
                "lane": "internal",
                "scope": scope,
                "position": position,
                "feature": f"need_{position}",
                "category_column": None,
            }
            for scope in scopes
            for position in range(1, columns + 1)
        ],
        schema={
            "lane": pl.String,
            "scope": pl.String,
            "position": pl.Int64,
            "feature": pl.String,
            "category_column": pl.String,
        },
    )


def table(scopes: Mapping[str, Matrix], sales_amount: float = 100.0) -> pl.DataFrame:
    """`feat_internal` of some scopes."""
    return pl.DataFrame(
        [
            (scope, f"s{row:03d}", sales_amount, values, values, 100, False)
            for scope, matrix in scopes.items()
            for row, values in enumerate(matrix.tolist())
        ],
        schema=INTERNAL_SCHEMA,
        orient="row",
    )


def by_scope(features: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Rows of each scope."""
    parts = features.partition_by("scope", as_dict=True)
    return {str(scope): part for (scope,), part in sorted(parts.items())}


def small(number: float = 0.0) -> Matrix:
    """Give four stores and two features; another number is other data."""
    return np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6 + number]])


def run(
    matrices: Mapping[str, Matrix],
    existing: pl.DataFrame | None = None,
    report: Report = ignore,
    **given_settings: Any,
) -> pl.DataFrame:
    """Fit the internal lane, by default with nothing to fit."""
    features = table(matrices)
    columns = 0 if features.is_empty() else len(features["x"][0])
    return fit_lane(
        "internal",
        by_scope(features),
        lists(columns, features["scope"].unique().to_list()),
        Settings(given_settings or AT_ONCE),
        existing,
        report,
    )


def test_the_first_build_has_one_row_for_each_scope_with_all_that_identifies_it() -> None:
    rows = run({"Snacks": small(), "Dairy": small(1.0)})
    assert rows.schema == MODEL_SCHEMA
    assert rows["scope"].to_list() == ["Dairy", "Snacks"]
    assert rows["model_id"].n_unique() == 2
    assert rows["in_force_order"].to_list() == [1, 1]
    assert rows["status"].to_list() == ["no_structure"] * 2
    settings = {pair["name"]: pair["value"] for pair in rows["settings"][0]}
    assert settings["ignore_features"] == '["*"]'
    assert settings["transform"] == "log_ratio_gaps"
    versions = {pair["name"]: pair["value"] for pair in rows["versions"][0]}
    assert versions == library_versions()
    assert rows["fitted_by"].to_list() == [code_version()] * 2


def test_the_same_data_and_settings_add_no_row() -> None:
    scopes = {"Snacks": small(), "Dairy": small(1.0)}
    assert run(scopes, run(scopes)).rows() == []


def test_only_the_scope_whose_data_changed_is_fitted_again() -> None:
    first = run({"Snacks": small(), "Dairy": small(1.0)})
    second = run({"Snacks": small(0.01), "Dairy": small(1.0)}, first)
    assert second.select("scope", "in_force_order").rows() == [("Snacks", 2)]
    assert second["model_id"][0] not in first["model_id"]


def test_only_the_scope_whose_settings_changed_is_fitted_again() -> None:
    first = run({"Snacks": small(), "Dairy": small(1.0)})
    second = run(
        {"Snacks": small(), "Dairy": small(1.0)},
        first,
        **AT_ONCE,
        scopes={"Dairy": {"max_clusters": 4}},
    )
    assert second["scope"].to_list() == ["Dairy"]


def test_a_scope_that_is_new_is_fitted_and_one_that_is_gone_keeps_its_rows() -> None:
    first = run({"Snacks": small()})
    assert run({"Dairy": small()}, first)["scope"].to_list() == ["Dairy"]


def test_earlier_data_bring_their_model_back_with_a_new_place_in_the_order() -> None:
    first = run({"Snacks": small()})
    second = run({"Snacks": small(0.01)}, first)
    both = pl.concat([first, second])
    third = run({"Snacks": small()}, both)
    assert third.drop("in_force_order").equals(first.drop("in_force_order"))
    assert third["in_force_order"].to_list() == [3]
    everything = pl.concat([both, third])
    assert run({"Snacks": small()}, everything).is_empty()
    assert run({"Snacks": small(0.01)}, everything)["in_force_order"].to_list() == [4]


def test_the_order_of_the_rows_of_the_table_does_not_matter() -> None:
    first = run({"Snacks": small()})
    both = pl.concat([run({"Snacks": small(0.01)}, first), first])
    assert run({"Snacks": small(0.01)}, both).is_empty()
    assert run({"Snacks": small()}, both)["in_force_order"].to_list() == [3]


def test_the_order_of_the_stores_and_of_the_feature_list_does_not_matter() -> None:
    scopes = {"Snacks": small(), "Dairy": small(1.0)}
    first, features = run(scopes), table(scopes)
    shuffled = features.sample(fraction=1.0, shuffle=True, seed=1)
    names = lists(2, ["Dairy", "Snacks"]).reverse()
    assert fit_lane(
        "internal", by_scope(shuffled), names, Settings(AT_ONCE), first, ignore
    ).is_empty()


def test_with_retrain_never_the_models_stay_whatever_the_data() -> None:
    first = run({"Snacks": small()})
    assert run({"Snacks": small(0.01)}, first, **AT_ONCE, retrain="never").is_empty()


def test_with_retrain_never_a_scope_without_a_model_is_a_failed_row_with_the_reason() -> None:
    rows = run({"Snacks": small()}, **AT_ONCE, retrain="never")
    assert rows.select("scope", "status", "reason", "k", "n_stores").rows() == [
        ("Snacks", "failed", "retrain is never and the scope has no model yet", None, 4)
    ]
    assert rows["centroids"].to_list() == [[]]
    again = run({"Snacks": small()}, rows)
    assert again.select("status", "in_force_order").rows() == [("no_structure", 2)]


def test_as_many_need_states_as_a_retailer_has_products_are_a_failed_row_with_the_reason() -> None:
    wide = np.full((4, MOST_FEATURES + 1), 1.0 / (MOST_FEATURES + 1))
    rows = run({"Snacks": wide})
    assert rows["status"].to_list() == ["failed"]
    (reason,) = rows["reason"]
    assert reason.startswith("5,001 need states are more than 5,000")
    assert is_listed(reason)


def test_a_scope_that_cannot_be_fitted_is_a_row_with_the_reason_and_the_others_are_fitted() -> None:
    good = blobs([15, 15], np.array([[0.0, 0.0, 0.0], [9.0, -9.0, 3.0]]))
    lines: list[str] = []
    rows = run(
        {"Bakery": good * 1e200, "Dairy": good, "Snacks": good + 1.0},
        report=lines.append,
        multicollinearity_threshold=1,
        **QUICK,
    )
    assert rows["status"].to_list() == ["failed", "fitted", "fitted"]
    failed = rows.row(0, named=True)
    assert re.search("ValueError: .* contain(s)? infinity|LinAlgError: Eigenv", failed["reason"])
    assert (failed["k"], failed["features"], failed["components"]) == (None, [], [])
    assert failed["n_stores"] == 30
    assert f"internal lane 1/3: Bakery: FAILED, {failed['reason']}" in lines
    assert "internal lane 2/3: Dairy: fitted, 2 cluster(s)" in lines
    # the next build tries the failed one again and nothing else
    scopes = {"Bakery": good * 1e200, "Dairy": good, "Snacks": good + 1.0}
    again = run(scopes, rows, multicollinearity_threshold=1, **QUICK)
    assert again.select("scope", "status", "in_force_order").rows() == [("Bakery", "failed", 2)]
    # repaired data take the place of the failure, and that model then stays
    scopes["Bakery"] = good
    repaired = run(scopes, pl.concat([rows, again]), multicollinearity_threshold=1, **QUICK)
    assert repaired.select("scope", "status", "in_force_order").rows() == [("Bakery", "fitted", 3)]


def test_a_failure_does_not_push_out_the_model_that_was_there_before() -> None:
    good = run({"Snacks": small()})
    failed = good.with_columns(
        status=pl.lit("failed"), model_id=pl.lit("another"), in_force_order=pl.lit(2, pl.Int64)
    )
    assert run({"Snacks": small()}, pl.concat([good, failed])).is_empty()


def test_cluster_numbers_go_on_from_the_model_before() -> None:
    centers = np.array([[0.0, 0.0, 0.0], [9.0, -9.0, 3.0]])
    x = blobs([20, 15], centers)
    given_settings = {**QUICK, "multicollinearity_threshold": 1}
    first = run({"Snacks": x}, **given_settings)
    # the smaller cloud outgrows the other one and still keeps its number
    grown = np.concatenate([x, x[20:] + 0.01, x[20:] - 0.01])
    second = run({"Snacks": grown}, first, **given_settings)
    sizes = {c["cluster"]: c["n_stores"] for c in second["centroids"][0]}
    assert set(sizes) == {1, 2}
    assert sizes[2] > sizes[1]


def test_a_scope_without_any_training_store_does_not_stop_the_lane() -> None:
    features = table({"Dairy": small(), "Snacks": small()}).with_columns(
        is_thin_history=pl.col("scope") == "Dairy"
    )
    names = lists(2, ["Dairy", "Snacks"])
    rows = fit_lane("internal", by_scope(features), names, Settings(AT_ONCE), None, ignore)
    assert rows["scope"].to_list() == ["Dairy", "Snacks"]
    assert rows["n_stores"].to_list() == [0, 4]


def test_an_external_lane_without_data_adds_no_row_and_says_so() -> None:
    lines: list[str] = []
    rows = fit_lane("external", {}, lists(0, []), Settings(None), None, lines.append)
    assert rows.is_empty()
    assert rows.schema == MODEL_SCHEMA
    assert lines == ["external: no external data"]


def test_progress_tells_what_is_fitted_and_what_is_not() -> None:
    lines: list[str] = []
    first = run({"Snacks": small(), "Dairy": small(1.0)})
    run({"Snacks": small(0.01), "Dairy": small(1.0)}, first, report=lines.append)
    assert lines[0].startswith("internal lane 1/2: Dairy: unchanged, model ")
    assert lines[1] == "internal lane 2/2: Snacks: fitting 4 stores x 2 features"
    assert lines[2] == "internal lane 2/2: Snacks: no_structure, 1 cluster(s)"


def test_stores_with_a_thin_history_are_not_learned_from() -> None:
    features = table({"Snacks": small()}).with_columns(
        is_thin_history=pl.Series([False, True, True, False])
    )
    kept = training_data("internal", features, lists(2, ["Snacks"]), scope_settings())
    assert kept.store_ids == ("s000", "s003")
    np.testing.assert_array_equal(kept.x, small()[[0, 3]])


def test_training_data_take_constancy_from_the_shares_and_names_from_the_positions() -> None:
    features = table({"Snacks": small()}).with_columns(x=pl.Series([[1.0, None]] * 4))
    data = training_data("internal", features, lists(2, ["Snacks"]).reverse(), scope_settings())
    np.testing.assert_array_equal(data.raw, small())
    np.testing.assert_array_equal(data.x, [[1.0, np.nan]] * 4)
    assert (data.scope, data.names, data.groups) == ("Snacks", ("need_1", "need_2"), (None, None))


def changed(data: TrainingData, **parts: Any) -> str:
    """Hash of the data with some parts replaced."""
    return training_data_sha256(replace(data, **parts))


def test_every_part_of_the_training_data_moves_their_hash() -> None:
    data = training(small())
    other = small()
    other[2, 1] = np.nextafter(other[2, 1], 1.0)
    hashes = {
        training_data_sha256(data),
        changed(data, scope="Dairy"),
        changed(data, names=("n0", "other")),
        changed(data, groups=(None, "format")),
        changed(data, store_ids=("s000", "s001", "s002", "s009")),
        changed(data, x=other),
        changed(data, raw=other),
        changed(data, x=np.where(other > 0.85, np.nan, other)),
    }
    assert len(hashes) == 8


def test_names_are_hashed_one_by_one_and_not_as_one_text() -> None:
    data = training(small())
    assert changed(data, names=("ab", "c")) != changed(data, names=("a", "bc"))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), max_size=8))
def test_neither_the_sign_of_a_zero_nor_the_bits_of_a_nan_move_the_hash(
    cells: list[tuple[int, int]],
) -> None:
    zeros, signed = small(), small()
    for row, column in cells:
        zeros[row, column] = 0.0
        signed[row, column] = -0.0
    assert training_data_sha256(training(zeros)) == training_data_sha256(training(signed))
    zeros[0, 0], signed[0, 0] = np.nan, -np.nan
    assert training_data_sha256(training(zeros)) == training_data_sha256(training(signed))


def test_the_layout_of_a_matrix_in_memory_does_not_move_the_hash() -> None:
    data = training(small())
    assert changed(data, x=np.asfortranarray(small())) == training_data_sha256(data)
    assert changed(data, x=small().T, raw=small().T) != training_data_sha256(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1),
        ("transform", "share"),
        ("outlier_fraction", 0.1),
        ("max_clusters", 9),
        ("ignore_features", ["x"]),
        ("min_training_sales", 1.0),
    ],
)
def test_a_setting_of_the_fit_makes_another_model(name: str, value: object) -> None:
    first = run({"Snacks": small()})
    given_settings: dict[str, Any] = {
        **AT_ONCE,
        name: ["*", "x"] if name == "ignore_features" else value,
    }
    second = run({"Snacks": small()}, first, **given_settings)
    assert len(second) == 1
    assert second["model_id"][0] != first["model_id"][0]


@pytest.mark.parametrize(
    "after_fit", [{"min_segment_size": 99}, {"pinned_models": {"A": "b"}}, {"seed": 42}]
)
def test_a_setting_that_acts_after_the_fit_or_repeats_the_default_keeps_the_model(
    after_fit: dict[str, Any],
) -> None:
    first = run({"Snacks": small()})
    assert run({"Snacks": small()}, first, **AT_ONCE, **after_fit).is_empty()


def test_a_model_id_depends_on_data_settings_and_code_but_not_on_the_order_of_the_settings() -> (
    None
):
    one = model_id("data", {"a": 1, "b": 2}, "code")
    assert one == model_id("data", {"b": 2, "a": 1}, "code")
    others = {
        model_id("other", {"a": 1, "b": 2}, "code"),
        model_id("data", {"a": 1, "b": 3}, "code"),
        model_id("data", {"a": 1, "b": 2}, "other"),
    }
    assert len({one, *others}) == 4
    assert len(one) == 16


def test_the_code_version_names_the_package_and_is_the_same_every_time() -> None:
    assert code_version().startswith("store-segments ")
    assert code_version() == code_version()


@pytest.mark.parametrize("package", ["features", "fitting"])
def test_code_of_the_features_and_of_the_fit_is_part_of_the_code_version(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_version.__wrapped__()

    def edited(folder: Path) -> str:
        return folder_sha256(folder) + ("edited" if folder.name == package else "")

    monkeypatch.setattr("segmentation.fitting.registry.folder_sha256", edited)
    assert code_version.__wrapped__() != before


@pytest.mark.slow
def test_fits_in_processes_give_the_rows_of_fits_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = np.random.default_rng(3).normal(size=(2, 40, 3))
    # the last scope cannot be fitted, and its row says so either way
    scopes = {"Dairy": noise[0], "Snacks": noise[1], "Tea": noise[1] * 1e200}
    quick: dict[str, Any] = {"max_clusters": 2, "stability_resamples": 2, "gap_references": 2}
    alone = run(scopes, **quick)
    lines: list[str] = []
    monkeypatch.setattr("segmentation.fitting.registry._MIN_PARALLEL", 2)
    monkeypatch.setattr("segmentation.fitting.registry.cpu_count", lambda: 2)
    together = run(scopes, report=lines.append, **quick)
    assert together.equals(alone)
    assert together["status"].to_list()[-1] == "failed"
    assert [line for line in lines if "FAILED" in line and "Tea" in line]


def test_a_row_of_version_0_1_0_is_whole_and_a_changed_one_is_not() -> None:
    """Its hash covers the columns that version 0.1.0 had; the others are empty in it."""
    old = [name for name in MODEL_SCHEMA if name not in NO_METRIC]
    hashed = [name for name in old if name not in {"content_sha256", "in_force_order"}]
    fields = ", ".join(f'"{name}" := "{name}"' for name in hashed)
    rows = run({"Snacks": small()}).select(old)
    with duckdb.connect() as connection:
        connection.execute("create schema lanes")
        connection.register("rows", rows.to_arrow())
        connection.execute(
            "create table lanes.internal_cluster_models as"
            f" select * replace (sha256(to_json(struct_pack({fields}))::varchar) as content_sha256)"
            " from rows"
        )
        for name in NO_METRIC:
            kind = "struct(k integer)[]" if name == "criteria" else "double[]"
            connection.execute(
                f"alter table lanes.internal_cluster_models add column {name} {kind}"
            )
        assert tampered_models(connection, "internal") == []
        connection.execute("update lanes.internal_cluster_models set n_stores = n_stores + 1")
        assert [scope for scope, _ in tampered_models(connection, "internal")] == ["Snacks"]


def test_scopes_that_an_engine_cannot_fit_have_failed_with_its_reason(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        remote = f"sc://127.0.0.1:{nobody.getsockname()[1]}"
        engine = Engine(EngineOptions(remote=remote, shared=str(tmp_path)))
        scopes = by_scope(table({"Dairy": small(1.0), "Snacks": small()}))
        rows = fit_lane(
            "internal",
            scopes,
            lists(2, [*scopes]),
            Settings({"fit_on": "engine"}),
            None,
            ignore,
            engine,
        )
    assert rows["status"].to_list() == ["failed"] * 2
    (reason,) = rows["reason"].unique()
    assert reason.startswith(f"fit_on: engine: engine.remote: {remote} cannot be reached")


def test_a_worker_with_other_code_or_libraries_refuses_to_fit() -> None:
    data = training_data(
        "internal",
        table({"Snacks": small()}),
        lists(2, ["Snacks"]),
        Settings(None).for_scope("internal", "Snacks"),
    )
    same = {"fitted_by": code_version(), "versions": _named(library_versions())}
    for name, other in (
        ("fitted_by", "store-segments 0.1.0"),
        ("versions", _named({"numpy": "1"})),
    ):
        with pytest.raises(WorkerVersionError, match=f"a worker has other {name}"):
            _fitted(
                {**same, name: other}, data, Settings(None).for_scope("internal", ""), None, 0, 1
            )
