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
