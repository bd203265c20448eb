"""Files of the sales whose amounts are in cents or in thousands, unlike those of the others.

Nothing in such a file is wrong by itself: it shows where the typical amount of a product is about a
hundred or a thousand times that in another file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from segmentation.inputs.columns import ColumnFormat
from segmentation.inputs.losses import Losses, amounts
from segmentation.inputs.options import InputOptions
from segmentation.inputs.reading import InputPlan
from segmentation.inputs.remarks import Doubt
from segmentation.warehouse.database import sql_name

#: Powers of ten between units, and how they are called: cents, and thousands.
_POWERS: Final = {
    2: "100 times",
    3: "1,000 times",
    -2: "a hundredth of",
    -3: "a thousandth of",
}
#: How far the median of the products may be from such a power, and the half of them around it.
_MEDIAN_WITHIN: Final = 0.2
_QUARTILES_WITHIN: Final = 0.5
#: Smaller files have no typical amounts.
_FEWEST_ROWS: Final = 20
#: Sums of a month have other amounts than lines of a till, but not ten times the money.
_OTHER_SUMS: Final = 1
_MOST_SHOWN: Final = 3


def scale_doubts(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    losses: Losses,
    options: InputOptions,
) -> list[Doubt]:
    """Files whose amounts are about 100 or 1,000 times those of the file with the most rows.

    It is plain if that is so of the same products in the same stores, and of their sums.

    Parameters
    ----------
    connection
        Connection that reads the relation of the plan.
    plan, columns, losses
        The input, how its columns are read, and what it loses.
    options
        What the user has set; `number` for the amounts says that they are in one unit.
    """
    is_set = options.column("sales", "sales_amount").read_as == "number"
    if plan.name != "sales" or not plan.file_column or is_set:
        return []
    found = _compared(connection, plan, columns, ["product_id"])
    doubts = []
    for power, times in _POWERS.items():
        files = [one for one in found if one.power == power]
        if not files:
            continue
        names = [one.file for one in files]
        of_stores = _compared(connection, plan, columns, ["store_id", "product_id"], names)
        alike = [one for one in of_stores if one.power == power and one.has_other_sums]
        money = sum(one.money for one in files)
        more = f" and {len(files) - _MOST_SHOWN:,} more" if len(files) > _MOST_SHOWN else ""
        text = (
            f"the amounts of {', '.join(names[:_MOST_SHOWN])}{more}, "
            f"{amounts(money, losses.money or money)} of the money, are about {times} those of "
            f"{files[0].other} for the same products. If they are in another unit, such as cents "
            "or thousands, convert them; if not, set formats.sales.sales_amount: number"
        )
        doubts.append(Doubt(text, is_plain=len(alike) == len(files)))
    return doubts


@dataclass(frozen=True)
class _Comparison:
    """A file beside the one with the most rows; ratios are powers of ten, over what both have."""

    file: str
    other: str
    money: float
    median: float
    lower: float
    upper: float
    of_sums: float

    @property
    def power(self) -> int:
        """The power of ten between the units; 0 if there is none."""
        return next(
            (
                power
                for power in _POWERS
                if abs(self.median - power) <= _MEDIAN_WITHIN
                and power - _QUARTILES_WITHIN <= self.lower
                and self.upper <= power + _QUARTILES_WITHIN
            ),
            0,
        )

    @property
    def has_other_sums(self) -> bool:
        """Whether the sums differ too, in the same direction."""
        return self.of_sums * self.power > 0 and abs(self.of_sums) >= _OTHER_SUMS


def _compared(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    key: Sequence[str],
    files: Sequence[str] = (),
) -> list[_Comparison]:
    """Each file beside the one with the most rows: the typical amounts, and the sums, by key.

    The mean of logarithms is a typical amount that a few large ones do not move.
    """
    sql = {column.column: column.sql for column in columns}
    file = f"{sql_name(plan.file_column)}::varchar"
    keys = ", ".join(f"{sql[name]} as {name}" for name in key)
    only = f"where file in (select file from largest) or file in ({', '.join('?' * len(files))})"
    rows = connection.execute(
        f"""
        with typical as materialized (
            select file, {", ".join(key)}, avg(log10(amount)) as size, sum(amount) as money,
                count(*) as n_rows
            from (
                select {file} as file, {keys}, ({sql["sales_amount"]})::double as amount
                from {plan.relation}
            )
            where amount > 0
            group by all
        ),
        largest as (
            select file from typical group by file order by sum(n_rows) desc, file limit 1
        ),
        files as (
            select file, sum(money) as money
            from typical
            {only if files else ""}
            group by file
            having sum(n_rows) >= {_FEWEST_ROWS}
        )
        select
            one.file,
            other.file,
            files.money,
            median(one.size - other.size),
            quantile_cont(one.size - other.size, 0.25),
            quantile_cont(one.size - other.size, 0.75),
            median(log10(one.money / other.money))
        from typical as one
        inner join files on one.file = files.file
        inner join typical as other using ({", ".join(key)})
        inner join largest on other.file = largest.file
        where one.file <> other.file
        group by all
        order by one.file
        """,
        list(files),
    ).fetchall()
    return [_Comparison(*row) for row in rows]
