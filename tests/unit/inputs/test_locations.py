from __future__ import annotations

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
