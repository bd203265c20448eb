"""What the check says about inputs that are not refused."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from .helpers import check, sales


def test_small_losses_are_shown_with_their_reason(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    report = check(connection, tmp_path, {"sales": sales(*(f"{n}.5" for n in range(99)), "soon")})
    assert report.all_problems() == []
    assert report.remarks["sales"] == [
        "1 % of sales, 1 of 100 rows: sales_amount is not a number, such as `soon`"
    ]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (
            "net",
            "1 return(s) are subtracted, 5.00 of 100.00 of the sales before returns (5 %); "
            "segmentation.returns: reject would leave them out",
        ),
        (
            "reject",
            "1 return(s) are left out, 5.00 of 100.00 of the sales before returns (5 %), as "
            "segmentation.returns says",
        ),
    ],
)
def test_returns_are_shown_with_what_the_other_setting_would_do(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, setting: str, expected: str
) -> None:
    text = sales("60.00", "40.00", "-5.00")
    report = check(connection, tmp_path, {"sales": text}, {"returns": setting})
    assert report.remarks["sales"] == [expected]


def test_returns_of_more_than_the_sales_have_no_share(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    report = check(connection, tmp_path, {"sales": sales("60.00", "40.00", "-160.00")})
    assert report.verdicts()[-1] == (
        "sales: refused; 3 of 3 rows accepted, 100.00 of 100.00 of the money before returns of "
        "160.00, which are more"
    )
    assert report.remarks["sales"][0].startswith(
        "1 return(s) are subtracted, 160.00, which is more than the sales of 100.00 before returns"
    )


def test_a_verdict_says_that_its_money_is_before_returns(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    report = check(connection, tmp_path, {"sales": sales("60.00", "40.00", "-5.00")})
    assert report.verdicts()[-1] == (
        "sales: good; 3 of 3 rows accepted, 100.00 of 100.00 of the money before returns of 5.00 "
        "(5 %)"
    )


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("keep", "they count; segmentation.duplicate_sales: reject would leave them out"),
        ("reject", "they are left out, as segmentation.duplicate_sales says"),
    ],
)
def test_repeats_are_shown_with_their_money(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, setting: str, expected: str
) -> None:
    text = sales("10.00", "10.00", "10.0", "20.00")
    report = check(connection, tmp_path, {"sales": text}, {"duplicate_sales": setting})
    (remark,) = report.remarks["sales"]
    assert remark == (
        "2 row(s) (50 %) repeat another one exactly, 20.00 of 50.00 of the money (40 %); "
        + expected
    )


def test_sales_of_unknown_products_name_one_of_them(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = f"{sales(*(f'{n}.5' for n in range(99)))}s1;p9;1.25\n"
    report = check(connection, tmp_path, {"sales": text})
    assert report.remarks["sales"] == [
        "1 % of sales, 1 of 100 rows: product_id has no accepted row in products, such as `p9`"
    ]


def test_products_of_several_need_states_are_named(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    products = "product_id,category,need_state\np1,Food,Fresh\np1,Drinks,Wine\np2,Food,Fresh\n"
    report = check(connection, tmp_path, {"products": products, "sales": sales("1.5")})
    assert report.remarks["products"] == [
        "1 product(s) have several need states, such as 'p1' (Drinks / Wine, Food / Fresh); their "
        "sales are divided evenly"
    ]


def test_stores_without_facts_are_counted_in_the_verdict(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    shop = "store_id,product_id,sales_amount\n" + "".join(f"s{n},p1,1.5\n" for n in range(5))
    facts = "store_id,income\ns0,10\ns1,20\nx8,30\nx9,40\n"
    report = check(connection, tmp_path, {"sales": shop, "demographics": facts})
    assert report.all_problems() == []
    assert "demographics: good; 4 of 4 rows accepted, facts for 2 of 5 stores with sales" in (
        report.verdicts()
    )
    assert report.remarks["demographics"] == [
        "3 of the 5 stores in sales are not in demographics, such as 's2' and 's3'",
        "2 of the 4 stores in demographics are not in sales, such as 'x8' and 'x9'",
    ]


def test_a_few_split_ids_are_pointed_out(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = [f"{n},p1,{n}.5" for n in range(1, 101)]
    text = "\n".join(["store_id,product_id,sales_amount", *lines, "01,p1,0.5", ""])
    report = check(connection, tmp_path, {"sales": text})
    assert report.all_problems() == []
    (remark,) = report.remarks["sales"]
    assert remark.startswith(
        "store_id: 2 of the 101 ids in sales.store_id differ from another one only in leading "
        "zeros, such as '01' and '1'"
    )


def test_negative_units_with_a_positive_amount_are_named_with_rows_and_money(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    lines = ["s1;p1;10.50;1", "s1;p2;4.50;-2", "s2;p1;-3.25;-1", "s2;p2;5.25;3"]
    text = "\n".join(["store_id;product_id;sales_amount;units", *lines, ""])
    report = check(connection, tmp_path, {"sales": text})
    assert (
        "1 row(s) have negative units and a positive amount, 4.50 of 20.25 of the money (22 %); "
        "they count as sales. If they are returns, export their amounts with a minus"
    ) in report.remarks["sales"]


@pytest.mark.parametrize(("amount", "is_refused"), [("4006381333931", True), ("900.00", False)])
def test_a_barcode_among_the_amounts_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, amount: str, is_refused: bool
) -> None:
    text = sales(*(f"{n}.5" for n in range(10, 130)), amount)
    found = check(connection, tmp_path, {"sales": text}).all_problems()
    assert ["perhaps a barcode" in problem for problem in found] == [True] * is_refused
    formats = {"sales": {"sales_amount": "number"}}
    assert check(connection, tmp_path, {"sales": text}, formats=formats).all_problems() == []
