"""What an input loses: rows and money by reason, and whether it is too much.

The money is that of the sales. The money of a line or of an amount that could not be read is
estimated where its text tells it, so that `1,234.50` counts as 1,234.50 and not as one row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import duckdb
import polars as pl

from segmentation.inputs.columns import ColumnFormat
from segmentation.inputs.date_formats import proposed_format
from segmentation.inputs.names import REQUIRED
from segmentation.inputs.number_formats import CANDIDATES, NumberFormat
from segmentation.inputs.reading import ID_COLUMNS, InputPlan
from segmentation.inputs.sql_text import NOTHING, or_null, tidy
from segmentation.inputs.text_files import unwrapped
from segmentation.warehouse.database import sql_literal, sql_name

#: The money of further lines or amounts is not estimated; they still count as rows.
_MOST_LINES_LOOKED_AT: Final = 100_000
#: Shares from here on are shown without decimals.
_WHOLE_PERCENT: Final = 0.1
#: Relative difference of totals from the sum of the other rows.
_ROUNDING: Final = 1e-3
#: Amounts from here on do not fit into `MONEY_TYPE`: they are errors and no lost money.
_TOO_LARGE: Final = Decimal(10) ** 14
#: A date whose year has two digits.
_SHORT_YEAR: Final = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{2}( .*)?")
_NOT_A_NUMBER: Final = "sales_amount is not a number"
#: Rows that a setting leaves out; the gate does not count them.
RETURN: Final = "sales_amount is negative"
#: Why no line of a file, or many of them, could be read.
ROW_NUMBERS: Final = "line begins with a row number, which the header does not name"
WRAPPED: Final = "line is in quotes as a whole, so that it is one value"
UNKNOWN_PRODUCT: Final = "product_id has no accepted row in products"


@dataclass(frozen=True)
class Loss:
    """Rows of an input that do not count, for one reason.

    `column` is empty for whole lines. `money` is None where the input has none, and an estimate
    for lines and amounts that could not be read. `is_rejected` is false for a value that is lost
    while its row counts.
    """

    reason: str
    column: str
    n_rows: int
    money: float | None
    examples: tuple[str, ...] = ()
    is_rejected: bool = True


@dataclass(frozen=True)
class Losses:
    """What an input loses, and what it has.

    Attributes
    ----------
    input
        Name of the input.
    n_rows, money
        The whole input, including lines that could not be read.
    n_accepted
        Rows that count.
    returns, n_returns
        Sum of the negative amounts that count, as a positive number, and their rows.
    by_reason
        The most money first, then the most rows.
    """

    input: str
    n_rows: int
    money: float | None
    n_accepted: int
    returns: float = 0.0
    n_returns: int = 0
    by_reason: tuple[Loss, ...] = ()

    def share(self, loss: Loss) -> float:
        """Share of the money or of the rows, whichever is larger."""
        return max(self.share_of_money(loss), loss.n_rows / max(self.n_rows, 1))

    def share_of_money(self, loss: Loss) -> float:
        """Share of the money; 0 where the input has none."""
        return abs(loss.money or 0.0) / self.money if self.money else 0.0


def losses_of(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    products: tuple[InputPlan, Sequence[ColumnFormat]] | None = None,
    *,
    returns_are_netted: bool = True,
) -> Losses:
    """Count what an input loses by reason.

    Parameters
    ----------
    connection
        Connection that reads the relation of the plan.
    plan, columns
        The input and how its columns are read.
    products
        The same of the products, if the sales are to be joined with them.
    returns_are_netted
        Whether negative amounts count.
    """
    by_name = {column.column: column for column in columns}
    amount = by_name["sales_amount"].sql if plan.name == "sales" else "null::double"
    date = by_name.get("sold_on") if plan.name == "sales" else None
    cases = [
        _case(by_name[name])
        for name in ("store_id", "product_id", "category", "need_state", "sales_amount")
        if name in by_name
        and by_name[name].read_as != "text"
        and by_name[name].n_missing + by_name[name].n_not_understood
    ]
    if plan.name == "sales" and not returns_are_netted:
        cases.append(f"when {amount} < 0 then {sql_literal(RETURN)}")
    if plan.name == "sales" and products is not None:
        cases.append(
            f"when {by_name['product_id'].sql} not in (select id from _intake_known_products) "
            f"then {sql_literal(UNKNOWN_PRODUCT)}"
        )
        connection.execute(
            "create or replace temp table _intake_known_products as "
            f"select distinct {_sql_of(products[1], 'product_id')} as id "
            f"from {products[0].relation} where id is not null "
            f"and {_sql_of(products[1], 'category')} is not null "
            f"and {_sql_of(products[1], 'need_state')} is not null"
        )
    reason = f"case {' '.join(cases)} end" if cases else "null::varchar"
    product = by_name["product_id"].sql if plan.name == "sales" and products else "null"
    bad_date = "false"
    if date is not None and date.n_not_understood:
        text = or_null(tidy(sql_name("sold_on")), NOTHING)
        bad_date = f"{text} is not null and {date.sql} is null"
    known = {"_intake_known_products": "from _intake_known_products"}
    by_outcome = plan.grouped(
        connection,
        f"""
        select
            reason,
            has_bad_date,
            count(*) as n_rows,
            sum(amount) as net,
            sum(amount) filter (amount > 0) as sold,
            sum(-amount) filter (amount < 0) as returned,
            count(*) filter (amount < 0) as n_returns,
            min(product) filter (reason = {sql_literal(UNKNOWN_PRODUCT)}) as product
        from (
            select
                {reason} as reason,
                {bad_date} as has_bad_date,
                {amount} as amount,
                {product}::varchar as product
            from {plan.relation}
        )
        group by all
        """,
        dict.fromkeys(("n_rows", "net", "sold", "returned", "n_returns"), "sum")
        | {"product": "min"},
        beside=known if products is not None else None,
    )
    rows = connection.execute(
        "select reason, has_bad_date, n_rows, net::double, sold::double, returned::double, "
        f"n_returns, product from {by_outcome}"
    ).fetchall()
    lines = _lines(plan)
    unread = _unread_money(connection, plan, by_name)
    by_reason = [*lines]
    for why in sorted({row[0] for row in rows if row[0]}):
        matching = [row for row in rows if row[0] == why]
        column = why.split(" ")[0]
        examples = tuple(sorted(row[7] for row in matching if row[7])[:1])
        if "not a number" in why and column in by_name:
            examples = by_name[column].examples
        by_reason.append(
            Loss(
                why,
                column,
                sum(row[2] for row in matching),
                sum(row[3] or 0.0 for row in matching) + unread * (why == _NOT_A_NUMBER)
                if plan.name == "sales"
                else None,
                examples,
            )
        )
    dated = [row for row in rows if row[0] is None and row[1]]
    if dated and date is not None:
        by_reason.append(
            Loss(
                "sold_on is not a date",
                "sold_on",
                sum(row[2] for row in dated),
                sum(row[3] or 0.0 for row in dated),
                date.examples,
                is_rejected=False,
            )
        )
    money = sum(row[4] or 0.0 for row in rows) + sum(line.money or 0.0 for line in lines) + unread
    return Losses(
        plan.name,
        plan.n_rows + plan.lines.height,
        money if plan.name == "sales" else None,
        sum(row[2] for row in rows if row[0] is None),
        sum(row[5] or 0.0 for row in rows if row[0] is None),
        sum(row[6] for row in rows if row[0] is None),
        tuple(
            sorted(by_reason, key=lambda loss: (-(loss.money or 0.0), -loss.n_rows, loss.reason))
        ),
    )


def _unread_money(
    connection: duckdb.DuckDBPyConnection, plan: InputPlan, columns: Mapping[str, ColumnFormat]
) -> float:
    """Money that amounts seem to have whose text is not understood."""
    column = columns.get("sales_amount")
    if plan.name != "sales" or column is None or not column.n_not_understood:
        return 0.0
    text = or_null(tidy(sql_name("sales_amount")), NOTHING)
    unread = plan.grouped(
        connection,
        f"select {text} as text, count(*) as n_rows from {plan.relation}"
        f" where {text} is not null and {column.sql} is null group by all",
        {"n_rows": "sum"},
    )
    values = connection.execute(
        f"from {unread} order by text limit {_MOST_LINES_LOOKED_AT}"
    ).fetchall()
    amounts_seen = ((_plain_amount(text) or Decimal(0), n_rows) for text, n_rows in values)
    return float(sum(amount * n for amount, n in amounts_seen if amount < _TOO_LARGE))


def _case(column: ColumnFormat) -> str:
    """`when` clauses for a column that a row cannot do without."""
    text = or_null(tidy(sql_name(column.column)), NOTHING)
    if column.read_as != "number":
        return f"when {column.sql} is null then '{column.column} is missing'"
    if column.n_not_understood == 0:
        return f"when {column.sql} is null then '{column.column} is missing'"
    return (
        f"when {column.sql} is null then case when {text} is null "
        f"then '{column.column} is missing' else '{column.column} is not a number' end"
    )


def _sql_of(columns: Sequence[ColumnFormat], name: str) -> str:
    return next(column.sql for column in columns if column.column == name)


def _lines(plan: InputPlan) -> list[Loss]:
    """Lines that could not be read, by reason, with the money that they seem to have."""
    losses = []
    for (reason,), lines in plan.lines.group_by("reason", maintain_order=True):
        looked_at = lines.head(_MOST_LINES_LOOKED_AT)
        money = None
        if plan.name == "sales":
            known = [estimated_amount(text, plan) for text in looked_at["text"]]
            found = [amount for amount in known if amount is not None]
            money = float(sum(found)) * lines.height / looked_at.height if found else None
        why = _plain_cause(plan, looked_at) or str(reason)
        losses.append(Loss(why, "", lines.height, money, tuple(looked_at["text"].head(1))))
    return losses


def _plain_cause(plan: InputPlan, lines: pl.DataFrame) -> str:
    """What is wrong with all of the lines that could not be read; empty if it is not plain."""
    n_columns = len(plan.sources)
    wrapped = [unwrapped(text) for text in lines["text"]]
    if all(text and len(_values(text, plan)) == n_columns for text in wrapped):
        return WRAPPED
    if plan.n_rows:
        return ""
    places = pl.int_range(1, pl.len() + 1).over("file").cast(pl.String)
    numbered = zip(lines["text"], lines.select(places).to_series(), strict=True)
    values = ((_values(text, plan), place) for text, place in numbered)
    if all(len(cells) == n_columns + 1 and cells[0] == place for cells, place in values):
        return ROW_NUMBERS
    return ""


def _values(line: str, plan: InputPlan) -> list[str]:
    """The values of a line; none if it cannot be split."""
    try:
        return next(csv.reader([line], delimiter=plan.delimiter or ","), [])
    except csv.Error:
        return []


def estimated_amount(line: str, plan: InputPlan) -> Decimal | None:
    """The amount in a line of the sales with too many values, if it is plain.

    An amount such as `1,234.50` without quotes falls into two values. They are put together again
    at the place of the amount.
    """
    columns = list(plan.sources)
    place, values = columns.index("sales_amount"), _values(line, plan)
    n_more = max(len(values) - len(columns), 0)
    text = (plan.delimiter or ",").join(values[place : place + n_more + 1]).strip()
    return _plain_amount(text)


def listed(names: Sequence[str], most: int = 3, joint: str = ", ", last: str = "and") -> str:
    """The first of some names, and how many more there are."""
    more = f" {last} {len(names) - most:,} more" if len(names) > most else ""
    return joint.join(names[:most]) + more


def _plain_amount(text: str) -> Decimal | None:
    """The largest amount that a text can be in a format that understands it, without its sign."""
    formats = [NumberFormat(decimal, thousands) for decimal, thousands in CANDIDATES]
    found = [Decimal(fmt.digits(text)) for fmt in formats if fmt.understands(text)]
    return max(found, default=None)


def gate_problem(losses: Losses, limit: float, columns: Mapping[str, ColumnFormat]) -> list[str]:
    """Why an input loses too much; empty if it does not.

    Products are judged by the sales that they lose: one that nobody sells may lack a need state.

    Parameters
    ----------
    losses
        What the input loses.
    limit
        Share of the rows or of the money that may be lost (`max_rejected_share`).
    columns
        Columns of the input by name, for examples and settings.
    """
    if losses.n_rows == 0:
        nothing = f"{losses.input} has no rows; there is nothing to segment"
        return [nothing] if losses.input in REQUIRED else []
    problems = [
        describe(losses, loss) + _advice(losses, loss, columns)
        for loss in losses.by_reason
        if losses.share(loss) > limit and loss.reason != RETURN and losses.input != "products"
    ]
    rejected = [loss for loss in losses.by_reason if loss.is_rejected and loss.reason != RETURN]
    n_lost = sum(loss.n_rows for loss in rejected)
    money_lost = sum(loss.money or 0.0 for loss in rejected)
    together = max(n_lost / losses.n_rows, money_lost / losses.money if losses.money else 0.0)
    if not problems and together > limit and losses.input != "products":
        parts = "; ".join(describe(losses, loss) for loss in rejected)
        problems = [f"together {percent(together)} of {losses.input} is rejected: {parts}"]
    if not problems and losses.n_accepted == 0 and losses.input in REQUIRED:
        problems = [f"{losses.input} has no accepted row"]
    net = (losses.money or 0.0) - money_lost - losses.returns
    if not problems and losses.money is not None and net <= 0:
        problems = [
            f"the accepted sales add up to {net:,.2f}, returns included; there is nothing to "
            "segment. If the export writes sales with a minus, change the sign"
        ]
    return problems


def describe(losses: Losses, loss: Loss) -> str:
    """One loss as a sentence that leads with the money."""
    rows = f"{loss.n_rows:,} of {losses.n_rows:,} rows"
    share = losses.share_of_money(loss)
    lead = (
        f"{percent(share)} of the sales, {amounts(abs(loss.money), losses.money)} ({rows})"
        if loss.money and losses.money and share >= loss.n_rows / losses.n_rows / 10
        else f"{percent(loss.n_rows / max(losses.n_rows, 1))} of {losses.input}, {rows}"
    )
    such = f", such as {' or '.join(f'`{text[:80]}`' for text in loss.examples[:2])}"
    return f"{lead}: {loss.reason}" + (such if loss.examples else "")


def _advice(losses: Losses, loss: Loss, columns: Mapping[str, ColumnFormat]) -> str:
    name = losses.input
    if multiple := _multiple_of_the_others(losses, loss):
        times = "" if multiple == 1 else f"{multiple} times "
        return (
            f"; these rows have {times}as much money as all others, so they hold totals: remove "
            "them"
        )
    if not loss.column:
        advice = _advice_on_lines(name, loss.reason)
    elif loss.reason == UNKNOWN_PRODUCT:
        advice = "complete the products, or check that both inputs write product_id in the same way"
    elif loss.reason.endswith("is missing"):
        source = columns[loss.column].source if loss.column in columns else loss.column
        advice = f"complete the column {source!r}, or name another one in columns.{name}"
    elif loss.column in columns and columns[loss.column].is_set:
        written = columns[loss.column].format
        advice = f"formats.{name}.{loss.column} says {written}; correct it, or remove it"
    elif loss.column == "sold_on" and any(map(_SHORT_YEAR.fullmatch, loss.examples)):
        advice = (
            "export the dates with years of four digits, or set "
            f"formats.{name}.sold_on to ignore if the dates do not matter"
        )
    elif loss.column == "sold_on" and (proposed := proposed_format(loss.examples)):
        months = "" if "%d" in proposed else ", which takes the first day of each month"
        advice = (
            f"set formats.{name}.sold_on to {proposed!r}{months}, or to ignore if the dates do not "
            "matter"
        )
    elif loss.column == "sold_on":
        advice = (
            "dates have a year of four digits and lie between 1970 and tomorrow; "
            f"set formats.{name}.sold_on, for instance to %d/%m/%Y, or to ignore if the dates do "
            "not matter"
        )
    else:
        advice = columns[loss.column].remedy or "correct the values in the export"
    if name == "sales" and loss.column in ID_COLUMNS:
        advice += "; if the rows hold totals, remove them"
    return f"; {advice}"


def _advice_on_lines(name: str, reason: str) -> str:
    if reason == ROW_NUMBERS:
        return (
            "export the file without row numbers (in R, row.names = FALSE), or name them in the "
            "header"
        )
    if reason == WRAPPED:
        return "export the file without quotes around whole lines"
    if "fewer" in reason:
        return "the file may be cut off, or have line breaks in values; export it again"
    advice = "export the file again with values that hold the separator in quotes"
    if "more values" in reason and name == "sales":
        advice += ', such as "1,234.50", or with semicolons between the values'
    return advice


def _multiple_of_the_others(losses: Losses, loss: Loss) -> int:
    """How many times the money of all other rows is in those without a store or product.

    It is 1 for subtotals, and 2 for those of two levels; 0 if it is no whole number.
    """
    missing = [f"{column} is missing" for column in ID_COLUMNS]
    if losses.money is None or loss.reason not in missing:
        return 0
    without = sum(one.money or 0.0 for one in losses.by_reason if one.reason in missing)
    others = losses.money - losses.returns - without
    if others <= 0 or not loss.money:
        return 0
    multiple = round(loss.money / others)
    return multiple if abs(loss.money / others - multiple) <= _ROUNDING * multiple else 0


def percent(share: float) -> str:
    """A share as people write it: 62 %, 0.4 %."""
    digits = ".0f" if share >= _WHOLE_PERCENT else ".2g"
    return f"{100 * share:{digits}} %"


def amounts(part: float, whole: float) -> str:
    """Two amounts of money, with the same unit where both can be read in it: `1.23 of 2.00 bn`."""
    for unit, name in ((1e9, " bn"), (1e6, " m")):
        if whole >= unit:
            if 0 < abs(part) < unit / 100:
                return f"{part:,.2f} of {whole / unit:.2f}{name}"
            return f"{part / unit:.2f} of {whole / unit:.2f}{name}"
    return f"{part:,.2f} of {whole:,.2f}"
