"""Amounts of the sales that are out of scale: a barcode as a price, files in another unit.

Nothing in a file in cents or in thousands is wrong by itself: it shows where the typical amount of
a product is about a hundred or a thousand times that in another file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from segmentation.inputs.columns import ColumnFormat
from segmentation.inputs.losses import Losses, amounts, listed, percent
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
#: Share of the amounts with decimals beside which a file without any is one in cents.
_MOST_HAVE_DECIMALS: Final = 0.5
#: Of fewer rows one can have most of the money.
_FEWEST_OF_ONE_LARGE: Final = 100
_MOST_OF_ONE: Final = 0.9


def scale_doubts(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    losses: Losses,
    options: InputOptions,
) -> list[Doubt]:
    """One of many rows with nearly all of the money, and files in another unit than the largest.

    Amounts of such a file are about 100 or 1,000 times those of the file with the most rows. It is
    plain if that is so of the same products in the same stores, and of their sums. Where
    files share no store, it is plain if the larger amounts are all whole numbers, as cents are, and
    most of the others are not.

    Parameters
    ----------
    connection
        Connection that reads the relation of the plan.
    plan, columns, losses
        The input, how its columns are read, and what it loses.
    options
        What the user has set; `number` for the amounts says that they are right.
    """
    if plan.name != "sales" or options.column("sales", "sales_amount").read_as == "number":
        return []
    doubts = list(_of_one_row(columns, losses))
    if plan.file_column:
        doubts += _of_other_units(connection, plan, columns, losses)
    return doubts


def _of_one_row(columns: Sequence[ColumnFormat], losses: Losses) -> Iterator[Doubt]:
    """A row with nearly all of the money, such as a barcode that was scanned as a price."""
    amount = next(column for column in columns if column.column == "sales_amount")
    n_rows = amount.n_rows - amount.n_missing - amount.n_not_understood
    largest = float(amount.maximum or 0)
    if n_rows < _FEWEST_OF_ONE_LARGE or not losses.money:
        return
    if largest >= _MOST_OF_ONE * losses.money:
        yield Doubt(
            f"one of {n_rows:,} row(s) of sales has the amount {largest:,.2f}, "
            f"{percent(largest / losses.money)} of the money, perhaps a barcode that was scanned "
            "as a price; correct it, or set formats.sales.sales_amount: number if it is right",
            is_plain=True,
        )


def _of_other_units(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    losses: Losses,
) -> list[Doubt]:
    """Files in cents or in thousands, plain ones and others."""
    found = _compared(connection, plan, columns, ["product_id"])
    doubts: list[Doubt] = []
    for power, times in _POWERS.items():
        files = [one for one in found if one.power == power]
        if not files:
            continue
        names = [one.file for one in files]
        of_stores = {
            one.file: one
            for one in _compared(connection, plan, columns, ["store_id", "product_id"], names)
        }
        plain = [one for one in files if _is_plain(one, of_stores.get(one.file))]
        for part in (plain, [one for one in files if one not in plain]):
            if part:
                text = _text(part, times, losses)
                doubts.append(Doubt(text, is_plain=part is plain))
    return doubts


def _is_plain(one: _Comparison, of_stores: _Comparison | None) -> bool:
    """Whether a file is in another unit, by its products alone and by those of each store."""
    if of_stores is not None:
        return of_stores.power == one.power and of_stores.has_other_sums
    return one.has_other_sums and one.are_cents


def _text(files: Sequence[_Comparison], times: str, losses: Losses) -> str:
    """Message about files whose amounts are larger or smaller by a power of ten."""
    names = [one.file for one in files]
    money = sum(one.money for one in files)
    return (
        f"the amounts of {listed(names)}, "
        f"{amounts(money, losses.money or money)} of the money, are about {times} those of "
        f"{files[0].other} for the same products. If they are in another unit, such as cents "
        "or thousands, convert them; if not, set formats.sales.sales_amount: number"
    )


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
    decimals: float
    other_decimals: float

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

    @property
    def are_cents(self) -> bool:
        """Whether the larger amounts are whole numbers, and at least half of the others are not."""
        larger, smaller = self.decimals, self.other_decimals
        if self.power < 0:
            larger, smaller = smaller, larger
        return larger == 0 and smaller >= _MOST_HAVE_DECIMALS


def _compared(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    key: Sequence[str],
    files: Sequence[str] = (),
) -> list[_Comparison]:
    """Each file beside the one with the most rows, by key: typical amounts, and sums of a store.

    The mean of logarithms is a typical amount that a few large ones do not move. Sums of many lines
    have large amounts and as many units, so that the amount per unit counts if it differs less.
    """
    sql = {column.column: column.sql for column in columns if column.read_as != "ignored"}
    units = f"({sql['units']})::double" if "units" in sql else "null::double"
    file = f"{sql_name(plan.file_column)}::varchar"
    keys = ", ".join(f"{sql[name]} as {name}" for name in key)
    only = f"where file in (select file from largest) or file in ({', '.join('?' * len(files))})"
    rows = connection.execute(
        f"""
        with typical as materialized (
            select
                file,
                {", ".join(key)},
                avg(log10(amount)) as size,
                avg(log10(amount / units)) filter (units > 0) as size_per_unit,
                sum(amount) as money,
                sum(amount) / count(distinct store) as money_per_store,
                count(*) as n_rows,
                count(*) filter (amount <> round(amount)) as n_decimals
            from (
                select
                    {file} as file,
                    {keys},
                    {sql["store_id"]} as store,
                    ({sql["sales_amount"]})::double as amount,
                    {units} as units
                from {plan.relation}
            )
            where amount > 0 and store is not null
            group by all
        ),
        largest as (
            select file, sum(n_decimals) / sum(n_rows) as decimals
            from typical
            group by file
            order by sum(n_rows) desc, file
            limit 1
        ),
        files as (
            select file, sum(money) as money, sum(n_decimals) / sum(n_rows) as decimals
            from typical
            {only if files else ""}
            group by file
            having sum(n_rows) >= {_FEWEST_ROWS}
        ),
        ratios as (
            select
                one.file,
                other.file as other,
                log10(one.money_per_store / other.money_per_store) as of_sums,
                one.size - other.size as of_sizes,
                one.size_per_unit - other.size_per_unit as per_unit,
                if(abs(per_unit) < abs(of_sizes), per_unit, of_sizes) as ratio
            from typical as one
            inner join files on one.file = files.file
            inner join typical as other using ({", ".join(key)})
            inner join largest on other.file = largest.file
            where one.file <> other.file
        )
        select
            ratios.file,
            ratios.other,
            files.money,
            median(ratio),
            quantile_cont(ratio, 0.25),
            quantile_cont(ratio, 0.75),
            median(of_sums),
            files.decimals,
            largest.decimals
        from ratios
        inner join files on ratios.file = files.file
        inner join largest on ratios.other = largest.file
        group by all
        order by ratios.file
        """,
        list(files),
    ).fetchall()
    return [_Comparison(*row) for row in rows]
