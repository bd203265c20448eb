"""What is worth knowing about inputs: small losses, returns, repeats, stores without a match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from segmentation.inputs.columns import ColumnFormat
from segmentation.inputs.ids import IdMatch
from segmentation.inputs.losses import RETURN, Losses, amounts, describe, percent
from segmentation.inputs.options import InputOptions
from segmentation.inputs.reading import InputPlan
from segmentation.inputs.select import select_of

_MOST_SHOWN: Final = 3


@dataclass(frozen=True)
class Doubt:
    """Why the money of the sales may be wrong; a build must not start if it `is_plain`."""

    text: str
    is_plain: bool


def remarks_on(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    losses: Losses,
    options: InputOptions,
) -> list[str]:
    """What is lost of one input, or counted in a way that a setting can change.

    The tables of a build have it too, such as `data_reconciliation`.

    Parameters
    ----------
    connection
        Connection that reads the relation of the plan.
    plan, columns, losses
        The input, how its columns are read, and what it loses.
    options
        What the user has set.

    Returns
    -------
    list of str
        Each loss that is no problem; for the sales the returns and the rows that repeat another
        one; for the products those with several need states.
    """
    found = [
        describe(losses, loss)
        for loss in losses.by_reason
        if loss.reason != RETURN
        and (plan.name == "products" or losses.share(loss) <= options.max_rejected_share)
    ]
    if plan.name == "sales":
        found += [*_returns(losses), *_repeats(connection, plan, columns, losses, options)]
    elif plan.name == "products":
        found += _several_need_states(connection, plan, columns)
    return found


def remarks_on_reading(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    losses: Losses,
    doubts: Sequence[Doubt],
) -> list[str]:
    """What may be read differently from what is meant, which a build says too.

    Parameters
    ----------
    connection, plan, columns, losses
        As for `remarks_on`.
    doubts
        What may be wrong with the money.

    Returns
    -------
    list of str
        Negative units with a positive amount, the doubts that do not stop a build, what `columns`
        say, and what else workbooks have.
    """
    found = [doubt.text for doubt in doubts if not doubt.is_plain]
    if plan.name == "sales":
        found += _negative_units(connection, plan, columns, losses)
    notes = [f"{column.column}: {column.note}" for column in columns if column.note]
    beside = [f"{file.path}: {text}" for file in plan.files for text in file.beside]
    return [*found, *notes, *beside]


def remarks_on_match(match: IdMatch) -> list[str]:
    """Which stores only one of two inputs has; none where the match is a problem anyway."""
    if match.column != "store_id" or match.problem:
        return []
    found = []
    for n_alone, n_all, ids, (here, there) in (
        (
            match.n_left - match.n_both,
            match.n_left,
            match.examples[0],
            (match.left, match.right),
        ),
        (
            match.n_right - match.n_both,
            match.n_right,
            match.examples[1],
            (match.right, match.left),
        ),
    ):
        if n_alone:
            found.append(
                f"{n_alone:,} of the {n_all:,} stores in {here} are not in {there}, such as "
                f"{' and '.join(map(repr, ids[:2]))}"
            )
    return found


def _returns(losses: Losses) -> Iterator[str]:
    """Negative amounts, and what the other setting would do."""
    money = losses.money or 0.0
    if losses.returns:
        yield (
            f"{losses.n_returns:,} return(s) are subtracted, {_against(losses.returns, money)}; "
            "segmentation.returns: reject would leave them out"
        )
    for loss in losses.by_reason:
        if loss.reason == RETURN:
            yield (
                f"{loss.n_rows:,} return(s) are left out, "
                f"{_against(abs(loss.money or 0.0), money)}, as segmentation.returns says"
            )


def _negative_units(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    losses: Losses,
) -> Iterator[str]:
    """Rows with negative units and a positive amount, which may be returns without their sign."""
    sql = {column.column: column.sql for column in columns if column.read_as == "number"}
    if "units" not in sql:
        return
    sums = plan.grouped(
        connection,
        f"""
        select count(*) as n, sum(amount) as amount
        from (
            select {sql["sales_amount"]} as amount, {sql["units"]} as n_units
            from {plan.relation}
        )
        where n_units < 0 and amount > 0
        """,
        {"n": "sum", "amount": "sum"},
    )
    n_rows, money = connection.execute(
        f"select coalesce(sum(n), 0)::bigint, coalesce(sum(amount), 0)::double from {sums}"
    ).fetchall()[0]
    if n_rows:
        yield (
            f"{n_rows:,} row(s) have negative units and a positive amount, "
            f"{_of(money, losses.money or 0.0)}; they count as sales. If they are returns, export "
            "their amounts with a minus"
        )


def _repeats(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    losses: Losses,
    options: InputOptions,
) -> Iterator[str]:
    """Rows that are equal to another one, and what the other setting would do."""
    by_content = plan.grouped(
        connection,
        f"""
        select
            hash(_rows) as content,
            count(*) as n,
            any_value(try_cast(_rows.sales_amount as decimal(18, 4))) as amount
        from ({select_of(plan, columns)}) as _rows
        group by content
        """,
        {"n": "sum", "amount": "min"},
    )
    n_rows, money = connection.execute(
        "select coalesce(sum(n - 1), 0)::bigint, coalesce(sum((n - 1) * amount), 0)::double "
        f"from {by_content}"
    ).fetchall()[0]
    if n_rows:
        what = (
            "are left out, as segmentation.duplicate_sales says"
            if options.rejects_repeats
            else "count; segmentation.duplicate_sales: reject would leave them out"
        )
        yield (
            f"{n_rows:,} row(s) ({percent(n_rows / max(plan.n_rows, 1))}) repeat another one "
            f"exactly, {_of(money, losses.money or 0.0)}; they {what}"
        )


def _several_need_states(
    connection: duckdb.DuckDBPyConnection, plan: InputPlan, columns: Sequence[ColumnFormat]
) -> Iterator[str]:
    """Products that are in several need states or categories."""
    sql = {column.column: column.sql for column in columns}
    places = f"list(distinct {sql['category']} || ' / ' || {sql['need_state']})"
    n_products, example, of_example = connection.execute(
        f"""
        select count(*), min(id), arg_min(places, id)
        from (
            select {sql["product_id"]} as id, {places} as places
            from {plan.relation}
            group by id
            having id is not null and len(places) > 1
        )
        """
    ).fetchall()[0]
    if n_products:
        more = ", ..." if len(of_example) > _MOST_SHOWN else ""
        yield (
            f"{n_products:,} product(s) have several need states, such as {example!r} "
            f"({', '.join(sorted(of_example)[:_MOST_SHOWN])}{more}); their sales are divided evenly"
        )


def _against(returns: float, sales: float) -> str:
    """Returns beside the sales before them; a share only where there are more sales."""
    if returns > sales:
        return f"{returns:,.2f}, which is more than the sales of {sales:,.2f} before returns"
    return f"{amounts(returns, sales)} of the sales before returns ({percent(returns / sales)})"


def _of(part: float, whole: float) -> str:
    """Money with its share of the sales."""
    return f"{amounts(part, whole)} of the money ({percent(part / whole) if whole else '0 %'})"
