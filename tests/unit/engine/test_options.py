from __future__ import annotations

from typing import Any

import pytest

from segmentation.engine.options import EngineError, EngineOptions, is_table, location_problem

_GOOD = {"remote": "sc://host:15002", "shared": "/exchange"}


def test_without_the_var_there_is_no_engine() -> None:
    assert EngineOptions.from_var({}) is None
    assert EngineOptions.from_var(None) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("sc://host", "engine: 'sc://host' is not allowed; it is a mapping of remote, shared"),
        (
            {**_GOOD, "remote": "spark://host"},
            "engine.remote: 'spark://host' is not allowed; it is",
        ),
        (
            {**_GOOD, "remote": "sc://host:99999"},
            "engine.remote: 'sc://***' is not allowed; it is the",
        ),
        ({**_GOOD, "tables": "a b"}, "engine.tables: 'a b' is not allowed; it is a schema of the"),
        ({**_GOOD, "tables": "a.b.c.d"}, "engine.tables: 'a.b.c.d' is not allowed; it is a schema"),
        ({**_GOOD, "partitions": 0}, "engine.partitions: 0 is not allowed; it is a number of"),
        ({**_GOOD, "partitions": True}, "engine.partitions: True is not allowed; it is a number"),
        ({**_GOOD, "format": "csv"}, "engine.format: 'csv' is not allowed; input should be"),
        ({**_GOOD, "folder": "/x"}, "engine.folder: unknown setting; allowed here: remote, shared"),
        ({"shared": "/x"}, "engine.remote: it is missing; an engine needs remote and shared"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_allowed(
    given: Any, message: str
) -> None:
    with pytest.raises(EngineError) as raised:
        EngineOptions.from_var(given)
    assert str(raised.value).startswith(message)


def test_a_token_in_the_address_is_never_shown() -> None:
    address = "sc://host:443/;use_ssl=true;token=dapi123"
    options = EngineOptions.from_var({**_GOOD, "remote": address})
    assert options is not None
    assert options.shown == "sc://host:443"
    with pytest.raises(EngineError) as raised:
        EngineOptions.from_var({**_GOOD, "remote": "http://host/;token=dapi123"})
    assert "dapi123" not in str(raised.value)


@pytest.mark.parametrize("location", ["a.csv", "s3://b/a*.tsv.gz", "x/Sales.XLSX", "h://a.txt?s=1"])
def test_files_without_types_are_refused_with_the_conversion(location: str) -> None:
    problem = location_problem(location)
    assert location in problem
    assert 'duckdb -c "copy (from read_' in problem
    assert "sales.parquet" in problem


@pytest.mark.parametrize(
    "location", ["a/*.parquet", "s3://bucket/sales", "sales.parquet", "my-shop.main.sales"]
)
def test_parquet_folders_and_tables_are_allowed(location: str) -> None:
    assert location_problem(location) == ""
    assert is_table(location) == (location == "my-shop.main.sales")
