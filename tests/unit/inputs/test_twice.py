"""Files with the same rows, and amounts that fill two columns."""

from __future__ import annotations

from pathlib import Path

import duckdb
import openpyxl
import pytest

from .helpers import check, check_parts, total

HEADER = "store_id,product_id,sales_amount"
ROWS = ["s1,p1,12.50", "s2,p1,7.25", "s1,p2,1234.00", "s1,p1,12.50"]


def text(rows: list[str], header: str = HEADER) -> str:
    """A file of the given lines."""
    return "\n".join([header, *rows, ""])


@pytest.mark.parametrize(
    "copy",
    [
        "\ufeff" + text(ROWS),
        text(ROWS).replace("\n", "\r\n"),
        text(ROWS[::-1]),
        text(ROWS).replace(",", ";"),
        text(ROWS).replace(",", ";").replace(".", ","),
        text(ROWS).replace("s1", " s1"),
        text(ROWS).replace("12.50", "12.5"),
        text(ROWS).replace("12.50", "$12.50"),
        text([",".join(row.split(",")[::-1]) for row in ROWS], "sales_amount,product_id,Store ID"),
        "Report of January\n\n" + text(ROWS),
    ],
)
def test_the_same_rows_in_two_files_are_refused_by_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, copy: str
) -> None:
    report = check_parts(connection, tmp_path, {"a": text(ROWS), "b": copy, "c": text(ROWS[:1])})
    (problem,) = report.all_problems()
    assert problem.startswith(
        f"inputs.sales: {tmp_path}/sales-a.csv and {tmp_path}/sales-b.csv have the same rows"
    )


@pytest.mark.parametrize(
    "other",
    [
        text([*ROWS[:3], "s1,p1,12.51"]),
        text([*ROWS[:3], ROWS[1]]),
        text(ROWS[:3]),
        text([f"{row},2025-01-31" for row in ROWS], f"{HEADER},sold_on"),
    ],
)
def test_other_rows_are_no_copy(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, other: str
) -> None:
    report = check_parts(connection, tmp_path, {"a": text(ROWS), "b": other})
    assert report.all_problems() == []


MANY = [f"s{n % 7},p1,{n}.50,2025-01-{n % 28 + 1:02d}" for n in range(30)]
DATED = f"{HEADER},sold_on"


@pytest.mark.parametrize(
    "other",
    [
        text([*MANY, "s1,p1,99.50,2025-02-01"], DATED),
        text([*MANY, *(f"s1,p2,{n}.25,2025-02-01" for n in range(30))][::-1], DATED),
        text([f"{row},{n}" for n, row in enumerate(MANY)], f"{DATED},receipt"),
        text([*MANY, MANY[0]], DATED).replace(",", ";").replace(".50", ",5"),
    ],
)
def test_a_file_whose_rows_are_all_in_another_one_is_refused_by_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, other: str
) -> None:
    parts = {"a": text(MANY, DATED), "b": other, "c": text(["s1,p9,1.50,2025-03-01"], DATED)}
    (problem,) = check_parts(connection, tmp_path, parts).all_problems()
    assert problem.startswith(
        f"inputs.sales: all 30 rows of {tmp_path}/sales-a.csv, which add up to 450.00, are in "
        f"{tmp_path}/sales-b.csv too"
    )


@pytest.mark.parametrize(
    "other",
    [
        text([*MANY[:29], "s1,p1,99.50,2025-02-01"], DATED),
        text([row.replace("2025-01", "2025-02") for row in MANY], DATED),
        text(MANY[:19], DATED),
        text([*[MANY[0]] * 2, *MANY[1:25]], DATED),
    ],
)
def test_files_that_share_only_some_rows_or_few_are_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, other: str
) -> None:
    report = check_parts(connection, tmp_path, {"a": text(MANY, DATED), "b": other})
    assert report.all_problems() == []


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
def test_copies_in_workbooks_and_parquet_files_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, ending: str
) -> None:
    rows = [tuple(row.split(",")) for row in ROWS]
    for name, lines in (("a", rows), ("b", rows[::-1])):
        path = tmp_path / f"sales-{name}.{ending}"
        if ending == "xlsx":
            book = openpyxl.Workbook()
            for line in [tuple(HEADER.split(",")), *lines]:
                book.active.append(line)
            book.save(path)
        else:
            relation = f"(values {', '.join(map(repr, lines))}) as rows ({HEADER})"
            connection.execute(f"copy (from {relation}) to '{path}'")
    (problem,) = check_parts(connection, tmp_path, {}, f"sales-*.{ending}").all_problems()
    assert "have the same rows" in problem


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        (f"{HEADER},note", ["s1,p1,12,50", "s2,p1,7,25"]),
        (f"{HEADER},", ["s1,p1,12,50", "s2,p1,7,5"]),
        (f"{HEADER},", ["s1,p1,12,50", "s2,p1,7,"]),
        (f"{HEADER},units", ["s1,p1,12,50", "s2,p1,7,25"]),
        (f"{HEADER},units", [f"s1,p1,{n},{n:02d}" for n in range(100)]),
        (f"{HEADER},units", ["s1,p1,1,050", "s2,p1,7,125"]),
        (f"{HEADER},note", ["s1,p1,12,50-", "s2,p1,37,25", "s2,p1,-1,00"]),
        (f"{HEADER},note", ["s1,p1,€ 12,50", "s2,p1,€ 7,05"]),
        (f"{HEADER},note", ["s1,p1,12,50 EUR", "s2,p1,7,05 EUR"]),
        ("sales_amount,note,store_id,product_id", ["12,50,s1,p1", "-7,25,s2,p1", "100,00,s1,p2"]),
    ],
)
def test_amounts_that_fill_two_columns_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, header: str, rows: list[str]
) -> None:
    report = check(connection, tmp_path, {"sales": text(rows, header)})
    (problem,) = report.all_problems()
    assert "row(s) of sales have amounts such as" in problem
    assert "fills two columns" in problem
    assert "{decimal" not in problem
    formats = {"sales": {"sales_amount": {"decimal": "."}}}
    report = check(connection, tmp_path, {"sales": text(rows, header)}, formats=formats)
    assert report.all_problems() == []


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        (f"{HEADER},units", ["s1,p1,12,5", "s2,p1,7,25"]),
        (f"{HEADER},units", ["s1,p1,12.50,50", "s2,p1,7,25"]),
        (f"{HEADER},units", [f"s1,p1,{n},{10 + n % 90}" for n in range(1, 100)]),
        (f"{HEADER},", ["s1,p1,12,", "s2,p1,7,"]),
        (f"{HEADER},note", ["s1,p1,12,50", "s2,p1,7,see 25"]),
        (f"{HEADER},sold_on", ["s1,p1,12,20250131", "s2,p1,7,20250201"]),
    ],
)
def test_whole_amounts_before_another_column_are_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, header: str, rows: list[str]
) -> None:
    report = check(connection, tmp_path, {"sales": text(rows, header)})
    assert report.all_problems() == []
    money = sum(float(row.split(",")[2]) for row in rows)
    assert float(total(connection, report)) == money
