from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from segmentation.warehouse.fingerprints import Fingerprint, differing_tables, table_fingerprints

ROWS = "select * from (values ('a', 0.1), ('b', 0.2), (null, 0.3)) as given (store_id, share)"


def node(name: str = "shares", schema: str = "features", **more: Any) -> dict[str, Any]:
    """A node of a manifest."""
    return {"resource_type": "model", "schema": schema, "alias": name, "columns": {}, **more}


def fingerprints(
    folder: Path, name: str, query: str, *nodes: dict[str, Any], kind: str = "table"
) -> dict[str, Fingerprint]:
    """Fingerprints of a database with one table, `shares`, in `features` and in `raw`."""
    path = folder / f"{name}.duckdb"
    with duckdb.connect(str(path)) as connection:
        for schema in ("features", "raw"):
            connection.execute(f"create schema {schema}")
            connection.execute(f"create {kind} {schema}.shares as {query}")
    manifest = {"nodes": {str(number): given for number, given in enumerate(nodes or (node(),))}}
    return table_fingerprints(path, manifest)


def one(folder: Path, name: str, query: str, *nodes: dict[str, Any]) -> Fingerprint:
    """Fingerprint of the one table."""
    (found,) = fingerprints(folder, name, query, *nodes).values()
    return found


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path) -> None:
    first = one(tmp_path, "first", ROWS)
    assert first.n_rows == 3
    assert one(tmp_path, "other", f"from ({ROWS}) order by share desc") == first


def test_a_view_has_the_fingerprint_of_its_rows(tmp_path: Path) -> None:
    (view,) = fingerprints(tmp_path, "view", ROWS, kind="view").values()
    assert view == one(tmp_path, "table", ROWS)


@pytest.mark.parametrize(
    "query",
    [
        f"select store_id, if(store_id = 'b', {float(np.nextafter(0.2, 1))}::double, share::double)"
        f" as share from ({ROWS})",
        f"select coalesce(store_id, '') as store_id, share::double as share from ({ROWS})",
        f"select store_id, share::double as share from ({ROWS} union all {ROWS})",
        f"select store_id, share::double as share from ({ROWS}) where share < 0.3",
        f"select store_id, share::double as another from ({ROWS})",
    ],
)
def test_any_other_content_has_another_fingerprint(tmp_path: Path, query: str) -> None:
    same = f"select store_id, share::double as share from ({ROWS})"
    assert one(tmp_path, "changed", query) != one(tmp_path, "same", same)


def test_lists_and_structs_count_element_by_element(tmp_path: Path) -> None:
    first = one(tmp_path, "first", "select [{'a': 1.5::double}] as z")
    assert one(tmp_path, "again", "select [{'a': 1.5::double}] as z") == first
    assert one(tmp_path, "other", "select [{'a': 1.25::double}] as z") != first


@pytest.mark.parametrize("place", ["meta", "config"])
def test_columns_that_tell_of_the_run_are_left_out(tmp_path: Path, place: str) -> None:
    meta = {"run_specific": True}
    described: dict[str, Any] = {"meta": meta} if place == "meta" else {"config": {"meta": meta}}
    lasting = node(columns={"share": described})
    first = one(tmp_path, "first", ROWS, lasting)
    other = one(tmp_path, "other", f"select store_id, 7 as share from ({ROWS})", lasting)
    assert first == other


def test_rows_that_tell_of_the_run_are_left_out(tmp_path: Path) -> None:
    lasting = node(config={"meta": {"run_specific": "store_id = 'moved'"}})
    first = one(tmp_path, "first", ROWS, lasting)
    more = f"select * from ({ROWS}) union all by name select 'moved' as store_id, 1 as share"
    assert one(tmp_path, "other", more, lasting) == first != one(tmp_path, "all", more)


def test_tables_of_runs_of_other_layers_and_seeds_are_left_out(tmp_path: Path) -> None:
    found = fingerprints(
        tmp_path,
        "some",
        ROWS,
        node(),
        node(config={"meta": {"run_specific": True}}, alias="runs"),
        node(schema="raw"),
        node(resource_type="seed"),
        node(resource_type="test"),
    )
    assert list(found) == ["features.shares"]


def test_what_differs_or_is_missing_is_named() -> None:
    first = {"a": Fingerprint(1, "x"), "b": Fingerprint(1, "y"), "c": Fingerprint(1, "z")}
    other = {"a": Fingerprint(1, "x"), "b": Fingerprint(2, "y"), "d": Fingerprint(1, "z")}
    assert differing_tables(first, other) == ["b", "c", "d"]
    assert differing_tables(first, first) == []
