"""The verdict on the inputs, for the terminal, the report and messages."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import duckdb

from segmentation.warehouse.database import execute

_MOST_REMARKS: Final = 5


def input_verdicts(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Per input its name and how much of it is used.

    Then, without a name, what is worth a look, and what all inputs have lost.
    """
    for name, n_rows, n_used, money, money_used, reason, n_of_reason in _used_rows(cursor):
        verdict = f"{n_rows:,} rows"
        if n_used == n_rows:
            verdict += ", all used"
        else:
            verdict += f", {_share_used(n_rows, n_used, money, money_used)}"
            verdict += f"; most often rejected: {reason} ({n_of_reason:,})"
        yield name, verdict
    for name in _unread(cursor):
        yield name, "NOT READ; the warning above says why"
    yield from (("", remark) for remark in _remarks(cursor))
    (n_rejected,) = execute(cursor, "select count(*) from governance.rejected_rows").fetchone() or (
        0,
    )
    if n_rejected:
        yield "", f"{n_rejected:,} rows or values were rejected: governance.rejected_rows has them"


def inputs_in_short(cursor: duckdb.DuckDBPyConnection) -> str:
    """The inputs that are not used completely, in one phrase."""
    parts = [
        f"{name} {_share_used(n_rows, n_used, money, money_used)}"
        for name, n_rows, n_used, money, money_used, *_ in _used_rows(cursor)
        if n_used < n_rows
    ]
    parts.extend(f"{name} not read" for name in _unread(cursor))
    return f"{', '.join(parts)}, the rest used completely" if parts else "all rows used"


def _used_rows(cursor: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """Name, rows, rows used, money, money used, most frequent reason and its rows per input."""
    return execute(
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


def _share_used(n_rows: int, n_used: int, money: Any, money_used: Any) -> str:
    """How much of an input is used: of its rows, and of the sales where it has any."""
    share = f"{_percent(n_used, n_rows)} used"
    return f"{share} ({_percent(money_used, money)} of the sales)" if money else share


def _unread(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """Inputs that this run goes on without."""
    rows = execute(
        cursor,
        """
        select input
        from governance.unread_inputs
        where run_id = (select arg_max(run_id, started_at) from governance.runs)
        order by input
        """,
    ).fetchall()
    return [str(name) for (name,) in rows]


def _remarks(cursor: duckdb.DuckDBPyConnection) -> Iterator[str]:
    """What this run found worth a look in the inputs."""
    rows = execute(
        cursor,
        """
        select input || ': ' || remark
        from governance.input_remarks
        where run_id = (select arg_max(run_id, started_at) from governance.runs)
        order by input <> 'sales', input, remark
        """,
    ).fetchall()
    for (remark,) in rows[:_MOST_REMARKS]:
        yield remark
    if len(rows) > _MOST_REMARKS:
        yield f"... and {len(rows) - _MOST_REMARKS} more in governance.input_remarks"


def _percent(part: Decimal | int | Any, whole: Decimal | int | Any) -> str:
    """A share in percent; less than all is never shown as 100 %."""
    share = 100 * Decimal(part) / Decimal(whole)
    rounded = f"{share:.1f}"
    if rounded == "100.0" and part != whole:
        return "more than 99.9 %"
    return f"{rounded} %"
