"""The verdict on each input in one line, for the terminal and the report."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb

from segmentation.warehouse.database import execute


def input_verdicts(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Per input its name and how much of it is used, then, without a name, what all have lost."""
    rows = execute(
        cursor,
        """
        select
            input,
            any_value(n_rows_in),
            coalesce(sum(n_rows) filter (where outcome = 'accepted'), 0)::bigint,
            any_value(sales_amount_in),
            coalesce(sum(sales_amount) filter (where outcome = 'accepted'), 0),
            arg_max(reason, n_rows) filter (where outcome = 'rejected'),
            max(n_rows) filter (where outcome = 'rejected')
        from governance.data_reconciliation
        group by input
        order by input <> 'sales', input <> 'products', input
        """,
    ).fetchall()
    for name, n_rows, n_used, money, money_used, reason, n_of_reason in rows:
        verdict = f"{n_rows:,} rows"
        if n_used == n_rows:
            verdict += ", all used"
        else:
            verdict += f", {_percent(n_used, n_rows)} used"
            if money:
                verdict += f" ({_percent(money_used, money)} of the sales)"
            verdict += f"; most often rejected: {reason} ({n_of_reason:,})"
        yield name, verdict
    unread = execute(
        cursor,
        """
        select input
        from governance.unread_inputs
        where run_id = (select arg_max(run_id, started_at) from governance.runs)
        order by input
        """,
    ).fetchall()
    for (name,) in unread:
        yield name, "NOT READ; the warning above says why"
    (n_rejected,) = execute(cursor, "select count(*) from governance.rejected_rows").fetchone() or (
        0,
    )
    if n_rejected:
        yield "", f"{n_rejected:,} rows or values were rejected: governance.rejected_rows has them"


def _percent(part: Decimal | int | Any, whole: Decimal | int | Any) -> str:
    """A share in percent; less than all is never shown as 100 %."""
    share = 100 * Decimal(part) / Decimal(whole)
    rounded = f"{share:.1f}"
    if rounded == "100.0" and part != whole:
        return "more than 99.9 %"
    return f"{rounded} %"
