from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import duckdb

from segmentation.inputs.check import check_data
from segmentation.inputs.options import InputOptions
from segmentation.inputs.select import select_of


def test_staging_sees_plain_numbers_and_iso_dates(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text(
        "Store;product_id;sales_amount;sold_on;units\n"
        "101.0;p1;1.234,50;31.01.2025;1\n"
        "102;p2;2,5;01.02.2025;\n"
        "102;p2;1.5;2025;2\n"
    )
    options = InputOptions({"columns": {"sales": {"store_id": "Store"}}})
    with duckdb.connect() as connection:
        inputs = {"sales": str(tmp_path / "sales.csv")}
        report = check_data(connection, inputs, options, dt.date(2026, 6, 30))
        query = select_of(report.plans["sales"], report.columns["sales"])
        rows = connection.execute(query).fetchall()
    assert rows == [
        ("101.0", "p1", "1234.5000", "2025-01-31", Decimal(1)),
        ("102", "p2", "2.5000", "2025-02-01", None),
        ("102", "p2", "not a number: 1.5", "2025", Decimal(2)),
    ]


def test_ignored_columns_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "facts.csv").write_text("store_id,income,note\ns1,10,x\n")
    options = InputOptions({"formats": {"demographics": {"note": "ignore"}}})
    with duckdb.connect() as connection:
        inputs = {"demographics": str(tmp_path / "facts.csv")}
        report = check_data(connection, inputs, options, dt.date(2026, 6, 30))
        query = select_of(report.plans["demographics"], report.columns["demographics"])
        assert connection.execute(query).pl().columns == ["store_id", "income"]


def selected(path: Path, name: str) -> duckdb.DuckDBPyRelation:
    """An input of one file as staging sees it."""
    connection = duckdb.connect()
    report = check_data(connection, {name: str(path)}, InputOptions(), dt.date(2026, 6, 30))
    return connection.sql(select_of(report.plans[name], report.columns[name]))


def test_a_column_in_which_everything_is_understood_has_its_type(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text(
        "store_id;product_id;sales_amount;sold_on\ns1;p1;1.234,50;31.01.2025\ns2;p1;n/a;01.02.2025\n"
    )
    found = selected(path, "sales")
    assert [str(kind) for kind in found.types] == ["VARCHAR", "VARCHAR", "DECIMAL(18,4)", "DATE"]
    assert found.fetchall() == [
        ("s1", "p1", Decimal("1234.50"), dt.date(2025, 1, 31)),
        ("s2", "p1", None, dt.date(2025, 2, 1)),
    ]


def test_what_staging_would_read_in_another_way_is_behind_a_remark(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    odd = {
        ("2.75", "2199-01-01"): ("not a number: 2.75", "not a date: 2199-01-01"),
        (" inf ", " 2025-01-01 "): ("inf", "not a date: 2025-01-01"),
        ("1e20", "2025-13-01"): ("1e20", "2025-13-01"),
        ("n/a", "00.00.0000"): (None, None),
    }
    rows = ["1,50;31.01.2025"] * 30 + [";".join(written) for written in odd]
    lines = ["store_id;product_id;sales_amount;sold_on", *(f"s1;p1;{row}" for row in rows)]
    path.write_text("\n".join(lines))
    found = selected(path, "sales").fetchall()
    assert {row[2:] for row in found} == {("1.5000", "2025-01-31"), *odd.values()}


def test_measures_of_stores_are_floats_and_infinity_is_none(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    odd = {"1.5e30": "not a number: 1.5e30", "1e30": "1e+30", "inf": "inf", "7x": "7x", "n/a": None}
    values = ["12,25"] * 40 + list(odd)
    lines = [f"s{row};{value}" for row, value in enumerate(values)]
    path.write_text("\n".join(['store_id;income "net"', *lines]))
    found = selected(path, "demographics")
    assert found.columns == ["store_id", 'income "net"']
    assert [value for _, value in found.fetchall()[39:]] == ["12.25", *odd.values()]


def test_columns_with_types_of_their_own_keep_them(tmp_path: Path) -> None:
    path = tmp_path / "sales.parquet"
    duckdb.sql(
        "select 1 as store_id, 'p1' as product_id, 1.5::float as sales_amount, "
        "timestamp '2025-01-31 10:00:00' as sold_on"
    ).write_parquet(str(path))
    found = selected(path, "sales")
    assert [str(kind) for kind in found.types] == ["INTEGER", "VARCHAR", "FLOAT", "TIMESTAMP"]
    assert found.fetchall() == [(1, "p1", 1.5, dt.datetime(2025, 1, 31, 10))]
