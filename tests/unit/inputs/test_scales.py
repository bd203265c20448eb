"""Files of a pattern with amounts in cents or thousands."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import pytest

from segmentation.inputs.check import IntakeReport, check_data
from segmentation.inputs.options import InputOptions

from .helpers import TODAY, check, listed, sales

PRICES = {"p1": 1.29, "p2": 4.5, "p3": 12.99, "p4": 0.79, "p5": 30.0}


def part(month: int, stores: range = range(10), *, factor: float = 1, n_times: int = 3) -> str:
    """Sales of a month: every product in every store some times, with amounts that vary."""
    places = 2 if factor >= 1 else 4
    chance = random.Random(month)  # noqa: S311 (no secret)
    rows = [
        f"s{store};{product};{price * chance.uniform(0.5, 6) * factor:.{places}f}"
        for store in stores
        for product, price in PRICES.items()
        for _ in range(n_times)
    ]
    return "\n".join(["store_id;product_id;sales_amount", *rows, ""])


def check_months(
    connection: duckdb.DuckDBPyConnection, folder: Path, parts: list[str], **formats: object
) -> IntakeReport:
    """Check sales of several months."""
    for month, text in enumerate(parts, start=1):
        (folder / f"sales-{month}.csv").write_text(text)
    options = InputOptions({"formats": {"sales": formats}} if formats else {})
    inputs = {"sales": str(folder / "sales-*.csv")}
    return listed(check_data(connection, inputs, options, TODAY, judges_joins=False))


@pytest.mark.parametrize(
    ("factors", "file", "said"),
    [
        ((1, 100, 1), 2, "are about 100 times those of"),
        ((100, 1), 1, "are about 100 times those of"),
        ((1, 1, 1000), 3, "are about 1,000 times those of"),
        ((1, 0.001, 1), 2, "are about a thousandth of those of"),
        ((1, 0.01, 1), 2, "are about a hundredth of those of"),
    ],
)
def test_a_file_in_another_unit_is_refused_by_name_and_money(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    factors: tuple[float, ...],
    file: int,
    said: str,
) -> None:
    # the file with the most rows is the one that others are compared with
    parts = [
        part(month, factor=factor, n_times=3 + (factor == 1))
        for month, factor in enumerate(factors, start=1)
    ]
    (problem,) = check_months(connection, tmp_path, parts).all_problems()
    assert problem.startswith(f"inputs.sales: the amounts of {tmp_path}/sales-{file}.csv, ")
    assert said in problem
    assert " of the money" in problem
    report = check_months(connection, tmp_path, parts, sales_amount="number")
    assert report.all_problems() == []


def test_files_of_other_stores_or_other_rows_are_pointed_out(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    kiosks = [part(1), part(2, range(10, 20), factor=100)]
    report = check_months(connection, tmp_path, kiosks)
    assert report.all_problems() == []
    (remark,) = (text for text in report.remarks["sales"] if "about 100 times" in text)
    assert f"{tmp_path}/sales-2.csv" in remark


@pytest.mark.parametrize(
    "parts",
    [
        [part(1), part(2), part(3)],
        [part(1), part(2, factor=10)],
        [part(1), part(2, factor=30)],
        [part(1), part(2, range(10, 20), factor=3)],
        [part(1), part(2, n_times=100)],
        [part(1), part(2, range(1), factor=100, n_times=1)],
        [part(1), part(2, factor=100).replace(";p", ";q").replace("qr", "pr")],
    ],
)
def test_honest_files_are_read_without_a_word(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, parts: list[str]
) -> None:
    report = check_months(connection, tmp_path, parts)
    assert report.all_problems() == []
    assert not any("those of" in text for text in report.remarks["sales"])


def by_store(factors: list[int], *, n_times: int = 30, is_whole: bool = True) -> list[str]:
    """A file per store, some of them with amounts in cents."""
    texts = []
    for store, factor in enumerate(factors):
        header, *rows = part(store, range(store, store + 1), n_times=n_times).split()
        places = 0 if factor > 1 and is_whole else 2
        lines = []
        for row in rows:
            key, _, amount = row.rpartition(";")
            lines.append(f"{key};{float(amount) * factor * 1.003:.{places}f}")
        texts.append("\n".join([header, *lines, ""]))
    return texts


@pytest.mark.parametrize(
    ("factors", "files"),
    [([1, 100, 1, 1], [2]), ([1, 100, 100, 1], [2, 3])],
)
def test_files_of_single_stores_in_whole_cents_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, factors: list[int], files: list[int]
) -> None:
    parts = by_store(factors)
    (problem,) = check_months(connection, tmp_path, parts).all_problems()
    assert "are about 100 times those of" in problem
    named = problem.partition(" of the money")[0]
    assert [n for n in range(1, 5) if f"sales-{n}.csv" in named] == files
    report = check_months(connection, tmp_path, parts, sales_amount="number")
    assert report.all_problems() == []
    report = check_months(connection, tmp_path, by_store(factors, is_whole=False))
    assert report.all_problems() == []
    assert any("about 100 times" in text for text in report.remarks["sales"])


def test_files_are_refused_where_the_one_with_the_most_rows_is_in_cents(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    parts = [by_store([100], n_times=40)[0], *by_store([1, 1, 1])[1:]]
    (problem,) = check_months(connection, tmp_path, parts).all_problems()
    assert "are about a hundredth of those of" in problem


def test_amounts_with_as_many_units_are_sums_and_not_cents(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = part(1, n_times=9).replace("\n", ";1\n").replace("amount;1", "amount;units")
    header, *rows = part(2, range(20, 21), factor=100, n_times=8).split()
    for units in (100, 1):
        sums = [f"{row.rpartition('.')[0]};{units}" for row in rows]
        parts = [lines, "\n".join([f"{header};units", *sums, ""])]
        report = check_months(connection, tmp_path, parts)
        assert bool(report.all_problems()) == (units == 1)
        assert units == 1 or not any("those of" in text for text in report.remarks["sales"])


@pytest.mark.parametrize(
    ("others", "large", "is_refused"),
    [
        (["1.00"] * 99, "891.00", True),
        (["1.00"] * 99, "890.00", False),
        (["1.00"] * 98, "4006381333931.00", False),
        (["1.00"] * 98 + ["about 3", ""], "4006381333931.00", False),
    ],
)
def test_one_of_a_hundred_amounts_that_are_read_has_less_than_nine_tenths_of_the_money(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    others: list[str],
    large: str,
    is_refused: bool,
) -> None:
    problems = check(connection, tmp_path, {"sales": sales(*others, large)}).all_problems()
    assert len(problems) == is_refused
    assert all(
        f"one of 100 row(s) of sales has the amount {large}, 90 % of the money" in problem
        for problem in problems
    )
