"""Money that is read twice or cut in two, as only the rows of an input show.

Two files of a pattern can hold the same rows although their bytes differ, or one the sums of the
other. An amount with a decimal
comma that is not in quotes fills two columns of a comma-separated file, which is not noticed where
the header has a column to spare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb

from segmentation.inputs.columns import ColumnFormat
from segmentation.inputs.reading import InputPlan
from segmentation.warehouse.database import sql_name

_FILES: Final = "_intake_files"
#: Of so many amounts one in ten ends with less than ten cents, which are written `05`.
_ENOUGH_FOR_A_ZERO: Final = 50
#: Fewer rows can be in another file by chance.
_FEWEST_CONTAINED: Final = 20
#: Rows of each file that are looked for in the others first.
_SAMPLE: Final = 20
#: Share of a sample that has to be in another file, of whose rows nearly all are there.
_NEEDED_OF_SAMPLE: Final = 0.5
_NEARLY_ALL: Final = 0.9
#: Two files have the same money in fewer stores by chance.
_FEWEST_STORES: Final = 3
_KEY: Final = ("store_id", "product_id", "sold_on", "sales_amount")


def copies_problems(
    connection: duckdb.DuckDBPyConnection, plan: InputPlan, columns: Sequence[ColumnFormat]
) -> list[str]:
    """Files of an input that hold the same rows, in whatever order and writing; one line each.

    Parameters
    ----------
    connection
        Connection that reads the relation of the plan.
    plan, columns
        The input and how its columns are read.
    """
    read = [column for column in columns if column.read_as != "ignored"]
    if plan.on_engine:
        found = plan.on_engine.repeated_files([plan.sources[column.column] for column in read])
    elif plan.file_column:
        found = _repeated_files(connection, plan, read)
    else:
        found = []
    return [
        f"{' and '.join(files)} have the same rows, perhaps in another order or another writing; "
        "remove all but one, or the rows count several times"
        for files in found
    ]


def _repeated_files(
    connection: duckdb.DuckDBPyConnection, plan: InputPlan, columns: Sequence[ColumnFormat]
) -> list[list[str]]:
    """Files whose rows have the same values in some columns."""
    file = f"{sql_name(plan.file_column)}::varchar"
    connection.execute(
        f"create or replace temp table {_FILES} as "
        f"select {file} as file, count(*) as n_rows from {plan.relation} group by 1 "
        "qualify count(*) over (partition by count(*)) > 1"
    )
    values = ", ".join(column.sql for column in columns)
    found = connection.execute(
        f"""
        select list(file order by file) as files
        from (
            select {file} as file, count(*) as n_rows, sum(hash(({values}))) as content
            from {plan.relation}
            where {file} in (select file from {_FILES})
            group by 1
        )
        group by n_rows, content
        having count(*) > 1
        order by files
        """
    ).fetchall()
    return [files for (files,) in found]


def contained_problems(
    connection: duckdb.DuckDBPyConnection, plan: InputPlan, columns: Sequence[ColumnFormat]
) -> list[str]:
    """Files of the sales whose rows are all in another file, or nearly all; one line each.

    Exports from the start of the month or of the year hold the earlier ones, and a corrected export
    differs from the earlier one in a few rows. Rows are compared by store, product, day and amount,
    and each as often as it occurs. Without a day many rows are the same by chance, so that all have
    to be.

    Parameters
    ----------
    connection
        Connection that reads the relation of the plan.
    plan, columns
        The input and how its columns are read.
    """
    if not plan.file_column or plan.name != "sales":
        return []
    read = {column.column: column.sql for column in columns if column.read_as != "ignored"}
    key = ", ".join(read[name] for name in _KEY if name in read)
    allows_misses = "sold_on" in read and not _is_set(columns)
    needed = _NEEDED_OF_SAMPLE if allows_misses else 1
    rows = (
        f"(select {sql_name(plan.file_column)}::varchar as file, hash(({key})) as row_hash, "
        f"{read['sales_amount']} as amount from {plan.relation})"
    )
    pairs = connection.execute(
        f"""
        with samples as (
            select file, n_rows, unnest(hashes) as row_hash, len(hashes) as n_hashes
            from (
                select
                    file,
                    count(*) as n_rows,
                    list_distinct(min(row_hash, {_SAMPLE})) as hashes
                from {rows}
                group by file
                having count(*) >= {_FEWEST_CONTAINED}
            )
        ),
        places as (
            select distinct file, row_hash
            from {rows}
            where row_hash in (select row_hash from samples)
        )
        select samples.file, places.file
        from samples
        inner join places on samples.row_hash = places.row_hash and samples.file <> places.file
        group by samples.file, places.file, samples.n_rows, samples.n_hashes
        having count(*) >= {needed} * samples.n_hashes
        order by samples.n_rows, samples.file, places.file
        """
    ).fetchall()
    found: dict[str, str] = {}
    problems: list[str] = []
    for small, large in pairs:
        if small in found or found.get(large) == small:
            continue
        n_rows, money, n_missing, n_same, same_money = connection.execute(
            f"""
            select
                sum(n_here)::bigint,
                sum(money)::double,
                count(*) filter (n_here > n_there),
                (sum(n_here) filter (n_here = n_there))::bigint,
                (sum(money) filter (n_here = n_there))::double
            from (
                select
                    count(*) filter (file = $small) as n_here,
                    count(*) filter (file = $large) as n_there,
                    sum(amount) filter (file = $small) as money
                from {rows}
                where file in ($small, $large)
                group by row_hash
            )
            """,
            {"small": small, "large": large},
        ).fetchall()[0]
        if n_missing == 0:
            found[small] = large
            problems.append(
                f"all {n_rows:,} rows of {small}, which add up to {money or 0:,.2f}, are in "
                f"{large} too, with the same store, product, day and amount; remove one of the "
                "files, or the rows count twice"
            )
        elif allows_misses and (n_same or 0) >= _NEARLY_ALL * n_rows:
            found[small] = large
            problems.append(
                f"{n_same:,} of the {n_rows:,} rows of {small}, which add up to "
                f"{same_money or 0:,.2f}, are in {large} too, with the same store, product, day "
                "and amount, as if one of the files corrected the other; remove the rows from one "
                "of them, or set formats.sales.store_id: category if all of them count"
            )
    return problems or _same_sums_problems(connection, plan, columns)


def _same_sums_problems(
    connection: duckdb.DuckDBPyConnection, plan: InputPlan, columns: Sequence[ColumnFormat]
) -> list[str]:
    """Pairs of files with the same money in every store: lines, and their sums; one line each.

    Files of different days are no such pair, whatever they add up to.
    """
    if _is_set(columns):
        return []
    read = {column.column: column.sql for column in columns if column.read_as != "ignored"}
    day = read.get("sold_on", "null::date")
    pairs = connection.execute(
        f"""
        with sums as (
            select
                {sql_name(plan.file_column)}::varchar as file,
                {read["store_id"]} as store,
                round(sum({read["sales_amount"]})::double, 2) as money,
                min({day}) as first_day,
                max({day}) as last_day
            from {plan.relation}
            where {read["product_id"]} is not null
            group by all
            having store is not null
        ),
        files as (
            select
                file,
                count(*) as n_stores,
                sum(hash(store, money)) as content,
                sum(money) as money,
                min(first_day) as first_day,
                max(last_day) as last_day
            from sums
            group by file
            having n_stores >= {_FEWEST_STORES} and bool_and(money <> 0)
        )
        select one.file, other.file, one.n_stores, one.money
        from files as one
        inner join files as other using (n_stores, content)
        where one.file < other.file
            and coalesce(
                one.first_day <= other.last_day and other.first_day <= one.last_day, true
            )
        order by one.file, other.file
        """
    ).fetchall()
    return [
        f"{one} and {other} have the same money in each of {n_stores:,} stores, {money:,.2f} in "
        "all: one seems to hold the sums of the other. Remove one of them, or set "
        "formats.sales.store_id: category if both count"
        for one, other, n_stores, money in pairs
    ]


def _is_set(columns: Sequence[ColumnFormat]) -> bool:
    """Whether the user has said that the rows of all stores count."""
    return any(c.column == "store_id" and c.is_set for c in columns)


def cut_amounts_problem(
    connection: duckdb.DuckDBPyConnection, plan: InputPlan, columns: Sequence[ColumnFormat]
) -> str:
    """Why the decimals of the amounts seem to be in the next column; empty if they are not.

    Parameters
    ----------
    connection
        Connection that reads the relation of the plan.
    plan, columns
        The sales and how their columns are read.
    """
    names = [*plan.sources]
    amount = next((column for column in columns if column.column == "sales_amount"), None)
    if plan.delimiter != "," or amount is None or amount.is_set:
        return ""
    place = names.index("sales_amount") + 1
    if place == len(names) or names[place] in ("store_id", "product_id"):
        return ""
    spare = plan.sources[names[place]]
    has_no_name = spare == f"column_{place + 1}"
    is_whole = "regexp_full_match(trim(sales_amount), '[^\\d.,]*\\d+')"
    has_others = (
        f"select 1 from {plan.relation} where sales_amount is not null and not {is_whole} limit 1"
    )
    if not has_no_name and connection.execute(has_others).fetchone():
        return ""
    n_amounts, n_short, n_two, n_three, n_zeros, example = connection.execute(
        f"""
        select
            count(*) filter (amount <> ''),
            count(*) filter (is_short),
            count(*) filter (is_short and regexp_matches(more, '^\\d{{2}}($|\\D)')),
            count(*) filter (is_short and regexp_matches(more, '^\\d{{3}}($|\\D)')),
            count(*) filter (starts_with(more, '0')),
            min([amount, more]) filter (is_short)
        from (
            select
                trim(sales_amount) as amount,
                trim({sql_name(names[place])}) as more,
                {is_whole} and regexp_full_match(more, '\\d+[^\\d.,]*') as is_short
            from {plan.relation}
        )
        """
    ).fetchall()[0]
    are_cents = n_two == n_amounts and (n_zeros > 0 or n_amounts < _ENOUGH_FOR_A_ZERO)
    are_hundreds = n_three == n_amounts and n_zeros > 0
    if not n_short or not (are_cents or are_hundreds or has_no_name):
        return ""
    return (
        f"{n_short:,} row(s) of sales have amounts such as {example[0]!r} with {example[1]!r} in "
        f"the next column, {spare!r}: an amount such as {','.join(example)} without quotes fills "
        "two columns. Export the file with semicolons between the values; if the next column is "
        "one of its own, move it away from the amounts"
    )
