"""Files with the same rows, and amounts that fill two columns."""

from __future__ import annotations

from pathlib import Path

import duckdb
import openpyxl
import pytest

from segmentation.inputs.check import IntakeReport, check_data
from segmentation.inputs.options import InputOptions

from .helpers import TODAY, check, check_parts, total

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


def check_set(connection: duckdb.DuckDBPyConnection, folder: Path) -> IntakeReport:
    """Check the parts again, with the setting that all rows count."""
    options = InputOptions({"formats": {"sales": {"store_id": "category"}}})
    inputs = {"sales": str(folder / "sales-*.csv")}
    return check_data(connection, inputs, options, TODAY, judges_joins=False)


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


def test_without_days_all_rows_of_a_file_have_to_be_in_another_one(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = [row.rpartition(",")[0] for row in MANY]
    parts = {"a": text(rows), "b": text([*rows, "s1,p1,99.50"])}
    (problem,) = check_parts(connection, tmp_path, parts).all_problems()
    assert problem.startswith(f"inputs.sales: all 30 rows of {tmp_path}/sales-a.csv")


@pytest.mark.parametrize(
    "other",
    [
        text([*MANY[:26], *(f"s1,p1,{n}.75,2025-02-01" for n in range(4))], DATED),
        text([row.replace("2025-01", "2025-02") for row in MANY], DATED),
        text(MANY[:19], DATED),
        text([*[MANY[0]] * 4, *MANY[1:25]], DATED),
    ],
)
def test_files_that_share_only_some_rows_or_few_are_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, other: str
) -> None:
    report = check_parts(connection, tmp_path, {"a": text(MANY, DATED), "b": other})
    assert report.all_problems() == []


FIXED = [*MANY[:28], "s1,p1,99.50,2025-01-29", "s2,p1,98.50,2025-01-30"]


@pytest.mark.parametrize("more", [0, 500])
def test_a_file_with_a_few_rows_corrected_is_refused_with_both_names(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, more: int
) -> None:
    later = [f"s{n % 7},p2,{n}.25,2025-02-{n % 28 + 1:02d}" for n in range(more)]
    parts = {"a": text(MANY, DATED), "b": text([*FIXED, *later][::-1], DATED)}
    (problem,) = check_parts(connection, tmp_path, parts).all_problems()
    assert problem.startswith(
        f"inputs.sales: 28 of the 30 rows of {tmp_path}/sales-a.csv, which add up to 392.00, are "
        f"in {tmp_path}/sales-b.csv too"
    )
    assert check_set(connection, tmp_path).all_problems() == []


def test_nearly_the_same_rows_are_read_without_days_or_with_other_numbers_of_each(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    undated = [[row.rpartition(",")[0] for row in rows] for rows in (MANY, FIXED)]
    parts = {"a": text(undated[0]), "b": text(undated[1])}
    assert check_parts(connection, tmp_path, parts).all_problems() == []
    parts = {"a": text(MANY, DATED), "b": text([*FIXED, *MANY[:10]], DATED)}
    assert check_parts(connection, tmp_path, parts).all_problems() == []


def test_the_smaller_of_two_files_is_named_first(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    parts = {"a": text([*MANY, "s1,p1,99.50,2025-02-01"], DATED), "b": text(MANY, DATED)}
    (problem,) = check_parts(connection, tmp_path, parts).all_problems()
    assert problem.startswith(f"inputs.sales: all 30 rows of {tmp_path}/sales-b.csv")


LINES = [f"s{n % 5},p{n % 3},{n}.35,2025-04-{n % 30 + 1:02d}" for n in range(1, 90)]


def sums_by_store(rows: list[str], product: str, day: str) -> list[str]:
    """The sum of each store, as a row of one product and day."""
    sums: dict[str, float] = {}
    for row in rows:
        store, _, amount, _ = row.split(",")
        sums[store] = sums.get(store, 0) + float(amount)
    return [f"{store},{product},{money:.2f},{day}" for store, money in sums.items()]


@pytest.mark.parametrize("header", [DATED, HEADER])
def test_a_file_with_the_sums_of_another_one_is_refused_with_both_names(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, header: str
) -> None:
    sums = sums_by_store(LINES, "p1", "2025-04-30")
    parts = {"a": LINES, "b": sums, "c": [row.replace("-04-", "-05-") for row in LINES[:50]]}
    n = header.count(",") + 1
    texts = {
        name: text([",".join(row.split(",")[:n]) for row in rows], header)
        for name, rows in parts.items()
        if n == 4 or name != "c"
    }
    (problem,) = check_parts(connection, tmp_path, texts).all_problems()
    assert problem.startswith(
        f"inputs.sales: {tmp_path}/sales-a.csv and {tmp_path}/sales-b.csv have the same money in "
        "each of 5 stores, 4,036.15 in all"
    )
    assert check_set(connection, tmp_path).all_problems() == []


@pytest.mark.parametrize(
    "other",
    [
        sums_by_store(LINES, "p1", "2025-05-31"),
        [*sums_by_store(LINES, "p1", "2025-04-30"), "s1,p1,0.01,2025-04-30"],
        [*sums_by_store(LINES, "p1", "2025-04-30"), "s9,p1,5.01,2025-04-30"],
    ],
)
def test_files_of_other_days_or_other_money_by_store_are_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, other: list[str]
) -> None:
    parts = {"a": text(LINES, DATED), "b": text(other, DATED)}
    assert check_parts(connection, tmp_path, parts).all_problems() == []


def test_two_stores_with_the_same_money_in_two_files_are_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    parts = {"a": text(["s1,p1,5.50", "s2,p1,6.50"]), "b": text(["s1,p2,5.50", "s2,p2,6.50"])}
    assert check_parts(connection, tmp_path, parts).all_problems() == []


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
        ("sales_amount,store_id,product_id", ["12,10,p1", "7,25,p1", "8,05,p1"]),
        ("store_id,sales_amount,product_id", ["s1,12,10", "s2,7,25", "s3,8,05"]),
    ],
)
def test_whole_amounts_before_another_column_are_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, header: str, rows: list[str]
) -> None:
    place = header.split(",").index("sales_amount")
    known = [f"{product},Food,Fresh" for product in ("p1", "10", "25", "05")]
    products = text(known, "product_id,category,need_state")
    report = check(connection, tmp_path, {"sales": text(rows, header), "products": products})
    assert report.all_problems() == []
    money = sum(float(row.split(",")[place]) for row in rows)
    assert float(total(connection, report)) == money
