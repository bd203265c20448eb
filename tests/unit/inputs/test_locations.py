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
        ("a.parquet", "file"),
        ("A.PQ", "file"),
        ("a*.csv", "file"),
        ("a-202?.csv", "file"),
        ("a.tsv.gz", "file"),
        ("a.TXT.zst", "file"),
        ("a.xlsx", "file"),
        ("https://host/a.csv?signature=b", "file"),
        ("sales", "table"),
        ("shop.main.sales", "table"),
        ("sales.xlsx.sheet.1", "nothing"),
        ("sales/a.xlsx.gz", "nothing"),
        ("a/b", "nothing"),
        ("", "nothing"),
    ],
)
def test_the_name_tells_what_a_location_is(given: str, kind: str) -> None:
    location = Location(given)
    found = {
        "file": location.is_file,
        "table": location.is_table,
        "nothing": not (location.is_file or location.is_table),
    }
    assert [name for name, holds in found.items() if holds] == [kind]


def test_files_are_read_from_their_path(tmp_path: Path) -> None:
    path = tmp_path / "it's sales.csv"
    path.write_text("store_id,amount\n7,1.50\n")
    assert duckdb.sql(f"from {Location(str(path)).relation}").fetchall() == [(7, 1.5)]


def test_a_table_is_read_by_its_name() -> None:
    assert Location("shop.main.sales", "/project").relation == "shop.main.sales"
