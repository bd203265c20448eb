"""What an input loses, and the sentences about it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from segmentation.inputs.columns import ColumnFormat
from segmentation.inputs.losses import (
    RETURN,
    ROW_NUMBERS,
    UNKNOWN_PRODUCT,
    WRAPPED,
    Loss,
    Losses,
    amounts,
    describe,
    estimated_amount,
    gate_problem,
    listed,
    percent,
)
from segmentation.inputs.reading import InputPlan
from segmentation.inputs.sql_text import SET_BY_FORMATS

from .helpers import check, sales


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100 %"),
        (0.625, "62 %"),
        (0.1, "10 %"),
        (0.0999, "10 %"),
        (0.0512, "5.1 %"),
        (0.00412, "0.41 %"),
        (0.0, "0 %"),
    ],
)
def test_shares_have_two_digits(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (4.5, 35, "4.50 of 35.00"),
        (1234.5, 999_999.99, "1,234.50 of 999,999.99"),
        (250_000, 1_000_000, "0.25 of 1.00 m"),
        (10_000, 1_000_000, "0.01 of 1.00 m"),
        (9_999, 1_000_000, "9,999.00 of 1.00 m"),
        (-9_999, 2_500_000, "-9,999.00 of 2.50 m"),
        (0, 1_000_000, "0.00 of 1.00 m"),
        (1.5e9, 2e9, "1.50 of 2.00 bn"),
        (5e6, 1e9, "5,000,000.00 of 1.00 bn"),
    ],
)
def test_both_amounts_have_the_same_unit(part: float, whole: float, text: str) -> None:
    assert amounts(part, whole) == text


@pytest.mark.parametrize(
    ("names", "given", "text"),
    [
        ("a", {}, "a"),
        ("abc", {}, "a, b, c"),
        ("abcde", {}, "a, b, c and 2 more"),
        ("abc", {"most": 1}, "a and 2 more"),
        ("abcd", {"joint": " or ", "last": "or"}, "a or b or c or 1 more"),
    ],
)
def test_a_list_has_its_first_names(names: str, given: dict[str, Any], text: str) -> None:
    assert listed(list(names), **given) == text


def plan(header: str, delimiter: str = ",") -> InputPlan:
    """Sales with these columns."""
    columns = {name: name for name in header.split(",")}
    return InputPlan("sales", "sales.csv", "sales", {}, columns, 9, delimiter=delimiter)


@pytest.mark.parametrize(
    ("line", "amount"),
    [
        ("s1,p1,1,234.50,7", "1234.50"),
        ("s1,p1,-12.50,7", "12.50"),
        ("s1,p1,1,234,567.50,7", "1234567.50"),
        ('s1,p1,"1,234.50",7', "1234.50"),
        ("s1,p1", None),
        ("s1,p1,many,7", None),
        ("s1,p1,12.50,7,8,9", None),
        ("", None),
    ],
)
def test_an_amount_that_fills_several_values_is_put_together(line: str, amount: str | None) -> None:
    found = estimated_amount(line, plan("store_id,product_id,sales_amount,units"))
    assert found == (None if amount is None else Decimal(amount))


def test_of_two_readings_of_an_amount_the_larger_one_is_lost() -> None:
    semicolons = plan("sales_amount,store_id,product_id", ";")
    assert estimated_amount("1.234;s1;p1", semicolons) == 1234
    assert estimated_amount("1,234;s1;p1;more", plan("product_id,sales_amount", ";")) is None


def of_sales(*losses: Loss, **given: Any) -> Losses:
    """Sales of 1,000 rows and as much money."""
    numbers = {"n_rows": 1000, "money": 1000.0, "n_accepted": 900, **given}
    return Losses("sales", by_reason=losses, **numbers)


MISSING = "store_id is missing"


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (
            Loss(MISSING, "store_id", 10, 500.0),
            "50 % of the sales, 500.00 of 1,000.00 (10 of 1,000 rows)",
        ),
        (
            Loss(MISSING, "store_id", 100, 10.0),
            "1 % of the sales, 10.00 of 1,000.00 (100 of 1,000 rows)",
        ),
        (Loss(MISSING, "store_id", 100, 9.9), "10 % of sales, 100 of 1,000 rows"),
        (Loss(MISSING, "store_id", 100, 0.0), "10 % of sales, 100 of 1,000 rows"),
        (Loss(MISSING, "store_id", 100, None), "10 % of sales, 100 of 1,000 rows"),
        (
            Loss(RETURN, "sales_amount", 10, -50.0),
            "5 % of the sales, 50.00 of 1,000.00 (10 of 1,000 rows)",
        ),
    ],
)
def test_a_loss_leads_with_the_money_unless_that_is_small_beside_the_rows(
    loss: Loss, text: str
) -> None:
    assert describe(of_sales(loss), loss) == f"{text}: {loss.reason}"


def test_a_loss_names_up_to_two_short_examples() -> None:
    loss = Loss(MISSING, "store_id", 100, None, ("a" * 90, "b", "c"))
    assert describe(of_sales(loss), loss).endswith(f"missing, such as `{'a' * 80}` or `b`")


def test_a_share_is_that_of_the_rows_or_of_the_money_whichever_is_larger() -> None:
    rows, money = Loss("", "", 200, 100.0), Loss("", "", 100, -300.0)
    assert (of_sales().share(rows), of_sales().share_of_money(rows)) == (0.2, 0.1)
    assert (of_sales().share(money), of_sales().share_of_money(money)) == (0.3, 0.3)
    assert of_sales(money=None).share(money) == 0.1
    assert of_sales(money=0.0, n_rows=0).share(Loss("", "", 0, 5.0)) == 0


TOTALS = "so they hold totals: remove them"
STORE = ColumnFormat("store_id", "Shop", "id", "", "", "store_id")


@pytest.mark.parametrize(
    ("losses", "begins"),
    [
        (of_sales(Loss(MISSING, "store_id", 100, 50.0)), ""),
        (of_sales(Loss(MISSING, "store_id", 101, 50.0)), "5 % of the sales"),
        (of_sales(Loss(MISSING, "store_id", 10, 101.0)), "10 % of the sales"),
        (of_sales(Loss(RETURN, "sales_amount", 400, -400.0)), ""),
        (
            of_sales(Loss(MISSING, "store_id", 60, 60.0), Loss("more values", "", 40, 40.0)),
            "",
        ),
        (
            of_sales(Loss(MISSING, "store_id", 60, 60.0), Loss("more values", "", 41, 41.0)),
            "together 10 % of sales is rejected: 6 % of the sales, 60.00 of 1,000.00 (60 of 1,000 "
            "rows): store_id is missing; 4.1 % of the sales",
        ),
        (
            of_sales(
                Loss(MISSING, "store_id", 60, 60.0),
                Loss("sold_on is not a date", "sold_on", 90, 90.0, is_rejected=False),
            ),
            "",
        ),
        (of_sales(n_rows=0, money=0.0), "sales has no rows; there is nothing to segment"),
        (Losses("demographics", 0, None, 0), ""),
        (of_sales(n_accepted=0), "sales has no accepted row"),
        (Losses("demographics", 9, None, 0), ""),
        (of_sales(returns=999.0), ""),
        (of_sales(returns=1000.0), "the accepted sales add up to 0.00, returns included"),
        (
            of_sales(Loss(MISSING, "store_id", 10, 60.0), returns=950.0),
            "the accepted sales add up to -10.00, returns included",
        ),
        (Losses("products", 9, None, 1, by_reason=(Loss("category is missing", "", 8, None),)), ""),
    ],
)
def test_an_input_may_lose_as_much_as_the_setting_says(losses: Losses, begins: str) -> None:
    problems = gate_problem(losses, 0.1, {"store_id": STORE})
    assert len(problems) == (begins != "")
    assert all(problem.startswith(begins) for problem in problems)


@pytest.mark.parametrize(
    ("loss", "advice"),
    [
        (
            Loss(MISSING, "store_id", 300, 300.0),
            "complete the column 'Shop', or name another one in columns.sales; if the rows hold "
            "totals, remove them",
        ),
        (
            Loss("product_id is missing", "product_id", 300, 300.0),
            "complete the column 'product_id', or name another one in columns.sales; if the rows "
            "hold totals, remove them",
        ),
        (
            Loss("sales_amount is missing", "sales_amount", 300, 300.0),
            "complete the column 'sales_amount', or name another one in columns.sales",
        ),
        (
            Loss(UNKNOWN_PRODUCT, "product_id", 300, 300.0),
            "complete the products, or check that both inputs write product_id in the same way; if "
            "the rows hold totals, remove them",
        ),
        (
            Loss(ROW_NUMBERS, "", 300, 300.0),
            "export the file without row numbers (in R, row.names = FALSE), or name them in the "
            "header",
        ),
        (Loss(WRAPPED, "", 300, 300.0), "export the file without quotes around whole lines"),
        (
            Loss("line has fewer values than the header", "", 300, 300.0),
            "the file may be cut off, or have line breaks in values; export it again",
        ),
        (
            Loss("line has more values than the header", "", 300, 300.0),
            "export the file again with values that hold the separator in quotes, such as "
            '"1,234.50", or with semicolons between the values',
        ),
        (
            Loss("line is odd", "", 300, 300.0),
            "export the file again with values that hold the separator in quotes",
        ),
        (
            Loss(MISSING, "store_id", 9, 500.0),
            f"these rows have as much money as all others, {TOTALS}",
        ),
        (
            Loss(MISSING, "store_id", 9, 500.2),
            f"these rows have as much money as all others, {TOTALS}",
        ),
        (
            Loss(MISSING, "store_id", 9, 750.0),
            f"these rows have 3 times as much money as all others, {TOTALS}",
        ),
        (
            Loss(MISSING, "store_id", 9, 501.0),
            "complete the column 'Shop', or name another one in columns.sales; if the rows hold "
            "totals, remove them",
        ),
    ],
)
def test_every_loss_has_its_advice(loss: Loss, advice: str) -> None:
    losses = of_sales(loss)
    (problem,) = gate_problem(losses, 0.1, {"store_id": STORE})
    assert problem == f"{describe(losses, loss)}; {advice}"


@pytest.mark.parametrize(
    ("examples", "format_", "advice"),
    [
        (
            ("31.01.2025",),
            "%Y-%m-%d",
            "formats.sales.sold_on says %Y-%m-%d; correct it, or remove it",
        ),
        (
            ("31.01.25", "1.2.25"),
            "",
            "export the dates with years of four digits, or set formats.sales.sold_on to ignore if "
            "the dates do not matter",
        ),
        (
            ("2025-01", "2025-02"),
            "",
            "set formats.sales.sold_on to '%Y-%m', which takes the first day of each month, or to "
            "ignore if the dates do not matter",
        ),
        (
            ("31Jan2025",),
            "",
            "set formats.sales.sold_on to '%d%b%Y', or to ignore if the dates do not matter",
        ),
        (
            ("soon",),
            "",
            "dates have a year of four digits and lie between 1970 and tomorrow; set "
            "formats.sales.sold_on, for instance to %d/%m/%Y, or to ignore if the dates do not "
            "matter",
        ),
    ],
)
def test_the_advice_on_dates_fits_the_texts(
    examples: tuple[str, ...], format_: str, advice: str
) -> None:
    evidence = SET_BY_FORMATS if format_ else "the only format that fits"
    day = ColumnFormat("sold_on", "Day", "date", format_, evidence, "sold_on")
    loss = Loss("sold_on is not a date", "sold_on", 300, 300.0, examples, is_rejected=False)
    losses = of_sales(loss)
    (problem,) = gate_problem(losses, 0.1, {"sold_on": day})
    assert problem == f"{describe(losses, loss)}; {advice}"


def test_what_helps_with_other_values_is_what_their_column_says() -> None:
    loss = Loss("sales_amount is not a number", "sales_amount", 300, 300.0)
    for remedy, advice in (("remove the notes", "remove the notes"), ("", "correct the values in")):
        amount = ColumnFormat("sales_amount", "Net", "number", "", "", "", remedy=remedy)
        (problem,) = gate_problem(of_sales(loss), 0.1, {"sales_amount": amount})
        assert f"sales_amount is not a number; {advice}" in problem


def test_returns_are_lost_rows_if_they_are_rejected(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    text = sales("0.00", *["100.00"] * 30, "-1.50", "-2.00")
    netted = check(connection, tmp_path, {"sales": text}).losses["sales"]
    assert (netted.n_accepted, netted.returns, netted.n_returns) == (33, 3.5, 2)
    assert netted.by_reason == ()
    rejected = check(connection, tmp_path, {"sales": text}, {"returns": "reject"}).losses["sales"]
    assert (rejected.n_accepted, rejected.returns, rejected.n_returns) == (31, 0.0, 0)
    assert rejected.by_reason == (Loss(RETURN, "sales_amount", 2, -3.5),)
    assert rejected.money == netted.money == 3000


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["1,s1,p1,5.50", "2,s2,p1,6.50"], ROW_NUMBERS),
        (["1,s1,p1,5.50", "7,s2,p1,6.50"], "line has more values than the header"),
        (["1,s1,p1,5.50,x", "2,s2,p1,6.50,x"], "line has more values than the header"),
        (['"s1,p1,5.50"', '"s2,p1,6.50"'], WRAPPED),
    ],
)
def test_what_is_wrong_with_all_lines_is_said_once(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, lines: list[str], reason: str
) -> None:
    text = "\n".join(["store_id,product_id,sales_amount", *lines, ""])
    losses = check(connection, tmp_path, {"sales": text}).losses["sales"]
    assert [(one.reason, one.n_rows, one.examples) for one in losses.by_reason] == [
        (reason, 2, (lines[0],))
    ]


def test_every_row_of_the_sales_is_counted_once_with_its_money(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = [
        *[f"s{n % 7},p1,{n}.50,2025-01-{n % 28 + 1:02d}" for n in range(90)],
        ",p1,10.00,2025-01-05",
        "n/a,p1,11.00,2025-01-05",
        "s1,,12.00,2025-01-05",
        "s1,p9,13.00,2025-01-05",
        "s1,p8,14.00,2025-01-05",
        "s1,p1,,2025-01-05",
        '"s1","p1","2.345,60",2025-01-05',
        "s1,p1,about 9,2025-01-05",
        "s1,p1,15.00,soon",
        "s1,p1,16.00,",
        "s1,p1,-4.25,2025-01-05",
        "s1,p1,1,234.50,2025-01-05",
        "s1,p1,1,000.00,2025-01-05",
        "s1,p1",
    ]
    text = "\n".join(["store_id,product_id,sales_amount,sold_on", *rows, ""])
    report = check(connection, tmp_path, {"sales": text})
    losses = report.losses["sales"]
    good = sum(n + 0.5 for n in range(90)) + 15 + 16
    lost = 10 + 11 + 12 + 13 + 14 + 2345.6 + 1234.5 + 1000
    assert losses.n_rows == len(rows)
    assert losses.money == pytest.approx(good + lost)
    assert losses.n_accepted == 93
    assert (losses.returns, losses.n_returns) == (4.25, 1)
    by_reason = [(one.reason, one.column, one.n_rows, one.money) for one in losses.by_reason]
    assert by_reason == [
        ("sales_amount is not a number", "sales_amount", 2, 2345.6),
        ("line has more values than the header", "", 2, 2234.5),
        (UNKNOWN_PRODUCT, "product_id", 2, 27.0),
        (MISSING, "store_id", 2, 21.0),
        ("sold_on is not a date", "sold_on", 1, 15.0),
        ("product_id is missing", "product_id", 1, 12.0),
        ("line has fewer values than the header", "", 1, None),
        ("sales_amount is missing", "sales_amount", 1, 0.0),
    ]
    assert [one.reason for one in losses.by_reason if not one.is_rejected] == [
        "sold_on is not a date"
    ]
    examples = {one.reason: one.examples for one in losses.by_reason}
    assert examples[UNKNOWN_PRODUCT] == ("p8",)
    assert examples["sold_on is not a date"] == ("soon",)
    assert examples[MISSING] == ()
    assert examples["line has more values than the header"] == ("s1,p1,1,234.50,2025-01-05",)
