from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from segmentation.inputs.locations import Location


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("data/sales.csv", "/shop/data/sales.csv"),
        ("/data/sales.csv", "/data/sales.csv"),
        ("C:/data/sales.csv", "C:/data/sales.csv"),
        ("s3://bucket/sales.parquet", "s3://bucket/sales.parquet"),
    ],
)
def test_relative_paths_start_at_the_project(given: str, path: str) -> None:
    assert Location(given, "/shop").path == path


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("a.parquet", "parquet"),
        ("A.PQ", "parquet"),
        ("a*.csv", "text"),
        ("a.tsv.gz", "text"),
        ("a.TXT.zst", "text"),
        ("sales", "table"),
        ("shop.main.sales", "table"),
        ("sales.xlsx.sheet.1", "nothing"),
        ("a/b", "nothing"),
        ("", "nothing"),
    ],
)
def test_the_name_tells_what_a_location_is(given: str, kind: str) -> None:
    location = Location(given)
    found = {
        "parquet": location.is_parquet,
        "text": location.is_text,
        "table": location.is_table,
        "nothing": not (location.is_file or location.is_table),
    }
    assert [name for name, holds in found.items() if holds] == [kind]


def test_text_is_read_as_text_and_short_lines_end_in_nulls(tmp_path: Path) -> None:
    path = tmp_path / "it's sales.csv"
    path.write_text("store_id,amount\n007,1.50\n008\n")
    rows = duckdb.sql(f"from {Location(str(path)).relation()}").fetchall()
    assert rows == [("007", "1.50"), ("008", None)]


def test_a_line_that_cannot_be_read_is_left_out_whatever_columns_are_asked_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(b"store_id,amount\n1,2\n3,\xff\n6,7\n")
    relation = Location(str(path)).relation("ignore_errors = true, parallel = false")
    assert duckdb.sql(f"select store_id from {relation}").fetchall() == [("1",), ("6",)]


def test_a_table_is_read_by_its_name() -> None:
    assert Location("shop.main.sales", "/project").relation() == "shop.main.sales"
