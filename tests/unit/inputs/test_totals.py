"""Rows that hold totals of other rows are refused, and stores that only look like them are not."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from .helpers import check, check_parts

HEADER = "store_id;product_id;sales_amount"
STORES = ["101;p1;10.50", "102;p1;20.25", "102;p2;4.25", "103;p2;7.00"]
TOTAL = "p1;42.00"


def sales(*rows: str) -> str:
    """Sales of three stores that add up to 42, and further rows."""
    return "\n".join([HEADER, *STORES, *rows, ""])


@pytest.mark.parametrize(
    "name",
    [
        *("Total", "TOTAL:", "ALL", "Grand total", "Summe", "Gesamt", "Total général"),
        *("*** Total ***", "Sub-Total", "Gesamtergebnis", "合計", "ИТОГО", " sum_ "),
    ],
)
@pytest.mark.parametrize("amount", ["42.00", "41.00"])
def test_a_store_that_is_called_like_a_total_is_refused_with_its_money(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, amount: str
) -> None:
    report = check(connection, tmp_path, {"sales": sales(f"{name};p1;{amount}")})
    (problem,) = report.all_problems()
    assert problem.startswith("inputs.sales: 1 row(s) of sales hold totals of other rows")
    assert f"{amount} of {float(amount) + 42:.2f} of the money" in problem
    formats = {"sales": {"store_id": "category"}}
    files = {"sales": sales(f"{name};p1;{amount}")}
    assert check(connection, tmp_path, files, formats=formats).all_problems() == []


@pytest.mark.parametrize(
    "rows",
    [
        ["9999;p1;42.00"],
        ["9999;p1;30.75", "9999;p2;11.25"],
        ["North;p1;42.00"],
        ["North total;p1;34.75", "Total South;p1;7.25"],
        ["Summe Nord;p1;30.00", "Süd Ergebnis;p1;12.00"],
    ],
)
def test_stores_that_add_up_to_all_the_others_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, rows: list[str]
) -> None:
    (problem,) = check(connection, tmp_path, {"sales": sales(*rows)}).all_problems()
    assert f"{len(rows)} row(s) of sales hold totals of other rows" in problem
    assert "42.00 of 84.00 of the money" in problem
    assert repr(rows[0].partition(";")[0]) in problem


@pytest.mark.parametrize(
    "rows", [["9999;p1;41.50"], ["Total Paris;p1;12.00", "Ergebnisse;p1;5.00"], ["Tall;p1;42.50"]]
)
def test_a_store_with_other_sales_is_no_total(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, rows: list[str]
) -> None:
    assert check(connection, tmp_path, {"sales": sales(*rows)}).all_problems() == []


def test_a_store_that_another_input_knows_is_no_total(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    facts = "store_id;income\n101;1\n102;2\n103;3\n9999;4\n"
    files = {"sales": sales("9999;p1;42.00"), "demographics": facts}
    assert check(connection, tmp_path, files).all_problems() == []
    files["demographics"] = facts.replace("9999", "104")
    assert len(check(connection, tmp_path, files).all_problems()) == 1


def with_regions(n_stores: int, regions: dict[str, range]) -> list[str]:
    """Sales of stores, and of regions that hold their totals by product."""
    rows = mix(n_stores)
    money = {(store, p): float(amount) for store, p, amount in (row.split(";") for row in rows)}
    return rows + [
        f"{region};{p};{sum(money[f's{n}', p] for n in stores):.2f}"
        for region, stores in regions.items()
        for p in AMOUNTS
    ]


def test_stores_that_together_hold_the_totals_of_the_others_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = with_regions(9, {"North": range(4), "8001": range(4, 6), "8002": range(6, 9)})
    files = {"sales": "\n".join([HEADER, *rows, ""]), "products": PRODUCTS}
    (problem,) = check(connection, tmp_path, files).all_problems()
    assert "15 row(s) of sales hold totals of other rows" in problem
    assert all(repr(name) in problem for name in ("North", "8001", "8002"))
    facts = {"demographics": "store_id;income\n8001;1\n8002;2\ns1;3\n"}
    assert check(connection, tmp_path, files | facts).problems["sales"] == []
    formats = {"sales": {"store_id": "category"}}
    assert check(connection, tmp_path, files, formats=formats).all_problems() == []


def test_large_stores_that_sell_other_products_are_no_totals(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = with_regions(9, {"North": range(4), "South": range(4, 9)})
    other = [row.replace("North;p1", "North;p2") for row in rows]
    for lines in (other, ["a;p1;40", "b;p1;30", "c;p1;30", "d;p1;20", "e;p1;20"]):
        files = {"sales": "\n".join([HEADER, *lines, ""]), "products": PRODUCTS}
        assert check(connection, tmp_path, files).all_problems() == []


def test_two_stores_of_the_same_sales_are_no_totals(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = "\n".join([HEADER, "101;p1;10.50", "102;p1;10.50", ""])
    assert check(connection, tmp_path, {"sales": text}).all_problems() == []


def test_a_total_among_facts_about_stores_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    facts = "store_id;income\n101;1\n102;2\n103;3\nTotal;6\n"
    (problem,) = check(connection, tmp_path, {"demographics": facts}).problems["demographics"]
    assert problem.startswith("1 row(s) of demographics hold totals of other rows")


PRODUCTS = """product_id,category,need_state
p1,Food,Fresh
p2,Food,Fresh
p3,Food,Wine
p4,Drinks,Wine
p5,Drinks,Wine
ALL,All,All
9999,Food,Fresh
DRINKS,Drinks,Wine
FRESH,Food,Fresh
"""
AMOUNTS = {"p1": 10.5, "p2": 3.25, "p3": 7.75, "p4": 1.5, "p5": 4.2}


def mix(n_stores: int, **totals: set[str]) -> list[str]:
    """Sales of every product in every store, and rows with the total of some of them."""
    rows = []
    for n in range(n_stores):
        amounts = {name: round(money * (1 + n % 7) + n, 2) for name, money in AMOUNTS.items()}
        sums = {name: sum(amounts[part] for part in parts) for name, parts in totals.items()}
        amounts |= sums
        rows += [f"s{n};{name};{money:.2f}" for name, money in amounts.items()]
    return rows


@pytest.mark.parametrize("n_stores", [3, 40])
@pytest.mark.parametrize("name", ["ALL", "9999", "TOTAL"])
def test_a_product_with_the_sum_of_all_others_in_every_store_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, n_stores: int
) -> None:
    rows = mix(n_stores, **{name: set(AMOUNTS)})
    files = {"sales": "\n".join([HEADER, *rows, ""]), "products": f"{PRODUCTS}TOTAL,x,y\n"}
    (problem,) = check(connection, tmp_path, files).all_problems()
    assert problem.startswith(
        f"inputs.sales: {n_stores} row(s) of {tmp_path}/sales.csv hold totals of other rows and "
        f"would count twice: product_id is {name!r}"
    )
    assert f"of all other products in {n_stores} of {n_stores} stores" in problem
    money = sum(float(line.split(";")[2]) for line in rows)
    assert f"{money / 2:,.2f} of {money:,.2f} of the money" in problem
    formats = {"sales": {"product_id": "category"}}
    assert check(connection, tmp_path, files, formats=formats).all_problems() == []


@pytest.mark.parametrize(
    ("totals", "named", "among"),
    [
        ({"DRINKS": {"p4", "p5"}}, "'DRINKS'", "other products of its category"),
        (
            {"DRINKS": {"p4", "p5"}, "ALL": set(AMOUNTS)},
            "'DRINKS'",
            "other products of its category",
        ),
        ({"FRESH": {"p1", "p2"}}, "'FRESH'", "other products of its need state"),
    ],
)
def test_a_product_with_the_sum_of_its_category_or_need_state_is_refused(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    totals: dict[str, set[str]],
    named: str,
    among: str,
) -> None:
    text = "\n".join([HEADER, *mix(20, **totals), ""])
    files = {"sales": text, "products": PRODUCTS}
    (problem,) = check(connection, tmp_path, files).all_problems()
    assert f"product_id is {named}, whose money is that of the {among} in 20 of 20" in problem


def test_totals_by_day_and_in_one_file_of_several_are_refused_with_the_file(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for month, totals in enumerate([{}, {"ALL": set(AMOUNTS)}, {}], start=1):
        rows = [f"{row};2025-{month:02d}-{day}" for day in (10, 20) for row in mix(12, **totals)]
        text = "\n".join([f"{HEADER};sold_on", *rows, ""])
        (tmp_path / f"sales-{month}.csv").write_text(text)
    (problem,) = check_parts(connection, tmp_path, {}).all_problems()
    assert problem.startswith(f"inputs.sales: 24 row(s) of {tmp_path}/sales-2.csv hold totals")


@pytest.mark.parametrize("n_parts", [0, 1])
def test_totals_that_some_stores_lack_or_that_lack_a_part_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, n_parts: int
) -> None:
    left_out = [f"s{n};{name};" for n in (3, 7, 9) for name in (["p1"] if n_parts else ["ALL"])]
    rows = [row for row in mix(20, ALL=set(AMOUNTS)) if not row.startswith(tuple(left_out))]
    files = {"sales": "\n".join([HEADER, *rows, ""]), "products": PRODUCTS}
    (problem,) = check(connection, tmp_path, files).all_problems()
    assert f"of all other products in 17 of {17 + 3 * n_parts} stores" in problem


def by_day(n_stores: int, n_days: int) -> list[str]:
    """Sales of every product in every store on some days, of amounts that vary."""
    return [
        f"s{n};{p};{money * (1 + (n * 5 + day * day) % 7) + n:.2f};2025-01-{day:02d}"
        for day in range(1, n_days + 1)
        for n in range(n_stores)
        for p, money in AMOUNTS.items()
    ]


def sums_on(day: str, rows: list[str]) -> list[str]:
    """A row per store and product with the sum of the given rows, on one day."""
    sums: dict[str, float] = {}
    for row in rows:
        store, product, amount, _ = row.split(";")
        sums[f"{store};{product}"] = sums.get(f"{store};{product}", 0) + float(amount)
    return [f"{key};{money:.2f};{day}" for key, money in sums.items()]


@pytest.mark.parametrize("day", ["2025-01-31", "2025-01-09"])
@pytest.mark.parametrize("n_stores", [1, 12])
def test_rows_of_one_day_with_the_totals_of_all_days_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, n_stores: int, day: str
) -> None:
    rows = by_day(n_stores, 9)
    text = "\n".join([f"{HEADER};sold_on", *rows, *sums_on(day, rows), ""])
    files = {"sales": text, "products": PRODUCTS}
    (problem,) = check(connection, tmp_path, files).all_problems()
    assert problem.startswith(
        f"inputs.sales: {5 * n_stores} row(s) of sales hold totals of other rows and would count "
        f"twice: their sold_on is {day}"
    )
    formats = {"sales": {"store_id": "category"}}
    assert check(connection, tmp_path, files, formats=formats).all_problems() == []


def test_a_day_with_half_of_the_money_is_no_total(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = by_day(12, 9)
    # the sums of other stores: as much on the whole, but not in each store
    moved = [row.replace("s0;", "x;") for row in sums_on("2025-01-31", rows)]
    moved = [
        f"s{(int(row[1:].split(';')[0]) + 1) % 12};{row.split(';', 1)[1]}"
        for row in moved
        if row[0] == "s"
    ]
    for more in (moved, [row.replace("01-09", "01-31") for row in by_day(12, 9)[-60:]]):
        text = "\n".join([f"{HEADER};sold_on", *rows, *more, ""])
        files = {"sales": text, "products": PRODUCTS}
        assert check(connection, tmp_path, files).all_problems() == []


def test_products_that_only_look_like_totals_are_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    stores = range(40)
    by_kind = {
        "two products": [f"s{n};{p};{n + 1}.50" for n in stores for p in ("p1", "p2")],
        "one product": [f"s{n};p1;{n + 1}.50" for n in stores],
        "equal sales": [f"s{n};{p};10.00" for n in stores for p in AMOUNTS],
        "the sum in some stores": [
            *(f"s{n};{p};{1 + n % 3}" for n in stores for p in ("p1", "p2")),
            *(f"s{n};p3;{2 * (1 + n % 3) + (n % 2 == 0)}" for n in stores),
        ],
        "the sum in the chain": [
            *(f"s{n};{p};10.00" for n in stores for p in ("p1", "p2")),
            *(f"s{n};p3;{15 + n % 2 * 10}.00" for n in stores),
        ],
        "the sum in one store": ["s1;p1;30.00", "s1;p2;10.00", "s1;p3;20.00"],
    }
    for kind, rows in by_kind.items():
        files = {"sales": "\n".join([HEADER, *rows, ""]), "products": PRODUCTS}
        assert check(connection, tmp_path, files).all_problems() == [], kind
