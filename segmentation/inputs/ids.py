"""Whether the ids of two inputs are the same ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from segmentation.inputs.columns import ID_DIFFERENCES, UNMATCHED, ColumnFormat
from segmentation.inputs.reading import InputPlan
from segmentation.inputs.sql_text import tidy_id

#: What is tried, the least first, with the setting that does it.
_VARIANTS: Final[tuple[tuple[str, ...], ...]] = (
    ("leading_zeros",),
    ("case",),
    ("leading_zeros", "case"),
)


@dataclass(frozen=True)
class IdMatch:
    """How many ids of one input another one has.

    Attributes
    ----------
    column
        `store_id` or `product_id`.
    left, right
        The inputs.
    n_left, n_right, n_both
        Different ids of each, and of both.
    money_share
        Share of the sales whose id is in both; None where `left` is not the sales.
    examples
        Ids of each input that the other does not have.
    problem
        Why the two cannot be used together, and the setting that helps; empty if they can.
    """

    column: str
    left: str
    right: str
    n_left: int
    n_right: int
    n_both: int
    money_share: float | None
    examples: tuple[tuple[str, ...], tuple[str, ...]]
    problem: str = ""


def match_ids(
    connection: duckdb.DuckDBPyConnection,
    plans: Mapping[str, InputPlan],
    columns: Mapping[str, Sequence[ColumnFormat]],
) -> list[IdMatch]:
    """Match stores and products of every pair of inputs that are joined.

    The sales are matched with each other input; without sales, external inputs with each other.
    """
    names = ["sales", *sorted(set(plans) - {"sales"})] if "sales" in plans else sorted(plans)
    matches = []
    for place, left in enumerate(names):
        for right in names[place + 1 :]:
            if left != "sales" and "sales" in plans:
                continue
            for column in ("store_id", "product_id"):
                if column in plans[left].types and column in plans[right].types:
                    matches.append(_match(connection, plans, columns, column, left, right))  # noqa: PERF401
    return matches


def _match(
    connection: duckdb.DuckDBPyConnection,
    plans: Mapping[str, InputPlan],
    columns: Mapping[str, Sequence[ColumnFormat]],
    column: str,
    left: str,
    right: str,
) -> IdMatch:
    amount = next((c.sql for c in columns[left] if c.column == "sales_amount"), "null::double")
    for side, name, money in (("left", left, f"sum({amount})"), ("right", right, "null")):
        sql = next(c.sql for c in columns[name] if c.column == column)
        by_id = plans[name].grouped(
            connection,
            f"select {column}, {money} as money from {plans[name].relation} group by 1",
            {"money": "sum"},
        )
        connection.execute(
            f"create or replace temp table _intake_{side} as "
            f"select {sql} as id, sum(money) as money from {by_id} group by 1 having id is not null"
        )
    n_left, n_right, n_both, share = connection.execute(
        """
        select
            count(*),
            (select count(*) from _intake_right),
            count(*) filter (id in (from (select id from _intake_right))),
            (sum(money) filter (id in (from (select id from _intake_right))) / sum(money))::double
        from _intake_left
        """
    ).fetchall()[0]
    alone = tuple(
        tuple(
            row[0]
            for row in connection.execute(
                f"select id from _intake_{one} where id not in (select id from _intake_{other}) "
                "order by id limit 3"
            ).fetchall()
        )
        for one, other in (("left", "right"), ("right", "left"))
    )
    return IdMatch(
        column,
        left,
        right,
        n_left,
        n_right,
        n_both,
        share,
        (alone[0], alone[1]),
        _problem(
            connection, column, (left, right), (n_left, n_right, n_both), (alone[0], alone[1])
        ),
    )


def _problem(
    connection: duckdb.DuckDBPyConnection,
    column: str,
    names: tuple[str, str],
    counts: tuple[int, int, int],
    alone: tuple[tuple[str, ...], tuple[str, ...]],
) -> str:
    n_left, n_right, n_both = counts
    fewer = min(n_left, n_right)
    if not fewer or n_both >= (1 - UNMATCHED) * fewer:
        return ""
    shown = f"such as {alone[0][0]!r} against {alone[1][0]!r}" if all(alone) else ""
    found = f"{names[0]} and {names[1]} share {n_both:,} of {fewer:,} {column}s, {shown}".rstrip(
        ", "
    )
    for ignored in _VARIANTS:
        ((n_variant,),) = connection.execute(
            f"select count(*) from (select {tidy_id('id', ignore=ignored)} from _intake_left "
            f"intersect select {tidy_id('id', ignore=ignored)} from _intake_right)"
        ).fetchall()
        if fewer - n_variant <= (fewer - n_both) / 2:
            words = " and ".join(ID_DIFFERENCES[name] for name in ignored)
            return (
                f"{found}; without regard to {words} they share {n_variant:,}. If these are the "
                f"same, set segmentation.ignore_in_ids: [{', '.join(ignored)}]"
            )
    if n_both == 0:
        return f"{found}; nothing can be joined. Check that both columns have the same kind of id"
    return ""
