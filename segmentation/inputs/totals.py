"""Rows of an input that hold the total of other rows, and would count their money twice.

A report ends with a row called `Total`, or has one per region. Such a row is recognized by its
store: by its name, or because its money is the sum of all other stores. So exact a sum is no
chance, but a store of that money can exist, so that a store which another input knows is none.
Several such stores, one per region, are recognized if their sums are right by product too.

A row per store and product that holds its total over time has the amount of all others of that
store and product, and all such rows have the same day.

An export can have a total in every store, under a product such as `ALL` that the products know
too. It is recognized by its money alone: in one store after the other it is that of all other
products, or of those of its category or need state.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb

from segmentation.inputs.columns import ColumnFormat
from segmentation.inputs.losses import amounts
from segmentation.inputs.reading import InputPlan
from segmentation.warehouse.database import sql_literal, sql_name

#: Names of a row that holds a total, as spreadsheets and reports write them.
_NAMES: Final = frozenset(
    """
    total, totals, grandtotal, subtotal, subtotals, overall, overalltotal, totalsales, sum, all,
    allstores, totalstores, summe, gesamt, gesamtsumme, gesamtergebnis, zwischensumme,
    teilergebnis, allefilialen, insgesamt, totalgénéral, soustotal, totalgeneral, totalgeral,
    totale, totalecomplessivo, totalegenerale, totaal, eindtotaal, totalt, ialt, totalsumma,
    hovedtotal, yhteensä, suma, razem, sumakońcowa, celkem, celkovýsoučet, összesen, végösszeg,
    toplam, geneltoplam, итого, всего, общийитог, 合計, 総計, 总计, 合计, 總計, 합계, 총합계
    """.replace(",", " ").split()
)
_NO_LETTERS: Final = re.compile(r"[\W_]")
#: Words in the name of a total of some stores, such as `Total North`.
_WORDS: Final = re.compile(
    r"(?i)\b(sub|grand[ -]?)?totals?\b|\b(sous-?)?totaux\b|summe\b|\bgesamt|ergebnis\b|\btotale?\b"
)
#: With one other store, two stores of the same sales would be totals of each other.
_FEWEST_OTHERS: Final = 2
#: Relative difference of two sums, of which one was rounded.
_ROUNDING: Final = 1e-6
#: Shares of a product in two stores that differ by less are called the same.
_SAME_SHARES: Final = 1e-3
_MOST_SHOWN: Final = 3
_CENT: Final = 0.005
#: What a product can be the total of, with the columns that say which products these are.
_LEVELS: Final = (
    ("all other products", ""),
    ("the other products of its category", ", category"),
    ("the other products of its need state", ", category, need_state"),
)
#: Relative difference of a total from the sum of parts that were rounded one by one.
_ROUNDING_OF_PARTS: Final = 1e-3
#: Stores in which a product must be a total, so that chance is ruled out; half of a smaller chain.
_ENOUGH_STORES: Final = 10
_FEWEST_STORES: Final = 3
#: How far the share of a total may be from a half of all money, as stores lack it, or parts of it.
_NEAR_A_HALF: Final = 0.1
#: Share of its stores in which it may differ, since a row of it or of its parts is missing.
_MOST_EXCEPTIONS: Final = 0.25


def totals_problem(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    known: Sequence[tuple[InputPlan, Sequence[ColumnFormat]]],
) -> str:
    """Why rows of an input hold totals of other rows; empty if none does.

    Parameters
    ----------
    connection
        Connection that reads the relation of the plan.
    plan, columns
        The input and how its columns are read. Rows without a product are rejected anyway.
    known
        Other inputs that may know the stores, and how their columns are read.
    """
    by_name = {column.column: column for column in columns}
    if "store_id" not in by_name or by_name["store_id"].is_set:
        return ""
    amount, accepted = "0", ""
    if plan.name == "sales":
        amount = f"coalesce(sum({by_name['sales_amount'].sql}), 0)"
        accepted = f"where {by_name['product_id'].sql} is not null"
    by_store = plan.grouped(
        connection,
        f"select {by_name['store_id'].sql} as id, count(*) as n_rows, {amount} as money "
        f"from {plan.relation} {accepted} group by 1 having id is not null",
        {"n_rows": "sum", "money": "sum"},
    )
    connection.execute(
        "create or replace temp table _intake_stores as "
        f"select id, n_rows, money::double as money from {by_store}"
    )
    found = _named(connection) or _equal_to_the_others(connection, plan, by_name, known)
    if not found:
        return _day_problem(connection, plan, by_name) if plan.name == "sales" else ""
    listed = ", ".join(map(sql_literal, found))
    n_rows, money, whole = connection.execute(
        f"select (sum(n_rows) filter (id in ({listed})))::bigint, "
        f"sum(money) filter (id in ({listed})), sum(money) from _intake_stores"
    ).fetchall()[0]
    names = " and ".join(map(repr, found[:_MOST_SHOWN]))
    weight = f", {amounts(money, whole)} of the money" if plan.name == "sales" else ""
    return (
        f"{n_rows:,} row(s) of {plan.name} hold totals of other rows and would count twice: "
        f"store_id is {names}{weight}. Remove the rows, or set formats.{plan.name}.store_id: "
        "category if these are stores"
    )


def product_totals_problem(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    products: tuple[InputPlan, Sequence[ColumnFormat]] | None,
) -> str:
    """Why a product of the sales holds the total of others in each store; empty if none does.

    Such a product has about half of the money of a file, or half of that of its category or need
    state there. Where one has, stores are looked at.

    Parameters
    ----------
    connection
        Connection that reads the relation of the plan.
    plan, columns
        The input and how its columns are read.
    products
        The same of the products, if they can be read.
    """
    by_name = {column.column: column for column in columns}
    if plan.name != "sales" or by_name["product_id"].is_set:
        return ""
    known = "select null::varchar as id, null as category, null as need_state"
    if products is not None:
        sql = {column.column: column.sql for column in products[1]}
        known = (
            f"select {sql['product_id']} as id, min({sql['category']}) as category, "
            f"min({sql['need_state']}) as need_state from {products[0].relation} group by 1"
        )
    connection.execute(f"create or replace temp table _intake_levels as {known}")
    file = f"{sql_name(plan.file_column)}::varchar" if plan.file_column else "''"
    places = {"file": file, "store": "''"}
    _sum_products(connection, plan, by_name, places)
    level = next((pair for pair in _LEVELS if _halves(connection, pair[1])), None)
    if level is None:
        return ""
    _sum_products(connection, plan, by_name, places | {"store": by_name["store_id"].sql})
    for others, part in _LEVELS[_LEVELS.index(level) :]:
        found = _totals_in_stores(connection, part)
        if not found:
            continue
        files = sorted({file for _, of_file, *_ in found for file in of_file if file})
        where = " and ".join(files[:_MOST_SHOWN]) if files else plan.location
        names = " and ".join(repr(name) for name, *_ in found[:_MOST_SHOWN])
        n_stores, n_all = max((n_half, n) for _, _, n_half, n, *_ in found)
        ((whole,),) = connection.execute("select sum(money)::double from _intake_sums").fetchall()
        return (
            f"{sum(row[4] for row in found):,} row(s) of {where} hold totals of other rows and "
            f"would count twice: product_id is {names}, whose money is that of {others} in "
            f"{n_stores:,} of {n_all:,} stores, {amounts(sum(row[5] for row in found), whole)} of "
            "the money. Remove the rows, or set formats.sales.product_id: category if these are "
            "products"
        )
    return ""


def _sum_products(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Mapping[str, ColumnFormat],
    places: Mapping[str, str],
) -> None:
    """Rows and money by product and place, with what the products say of each."""
    listed = ", ".join(f"{sql} as {name}" for name, sql in places.items())
    sums = plan.grouped(
        connection,
        f"select {listed}, {columns['product_id'].sql} as id, count(*) as n_rows, "
        f"sum({columns['sales_amount'].sql}) as money from {plan.relation} "
        "group by all having id is not null and money <> 0",
        {"n_rows": "sum", "money": "sum"},
    )
    connection.execute(
        "create or replace temp table _intake_sums as "
        "select sums.* replace (money::double as money), category, need_state "
        f"from {sums} as sums left join _intake_levels using (id)"
    )


def _with_halves(part: str) -> str:
    """SQL: the sums, with whether each is half of its part of a file and a store."""
    return f"""
        select
            *,
            sum(money) over part as whole,
            abs(whole - 2 * money) <= {_ROUNDING_OF_PARTS} * abs(money) as is_half,
            count(*) over part > {_FEWEST_OTHERS} as is_proof
        from _intake_sums
        window part as (partition by file, store{part})
    """


def _halves(connection: duckdb.DuckDBPyConnection, part: str) -> bool:
    """Whether a product has about as much money as all others of its part of a file."""
    is_near = "is_half" if part else f"abs(money / whole - 0.5) < {_NEAR_A_HALF}"
    query = f"select 1 from ({_with_halves(part)}) where is_proof and {is_near} limit 1"
    return connection.execute(query).fetchone() is not None


def _totals_in_stores(connection: duckdb.DuckDBPyConnection, part: str) -> list[tuple[Any, ...]]:
    """Products that are half of their part in most of their stores: name, files, stores, money."""
    enough = _ENOUGH_STORES
    if not part:
        ((n_stores,),) = connection.execute(
            "select count(distinct store) from _intake_sums"
        ).fetchall()
        enough = max(_FEWEST_STORES, min(_ENOUGH_STORES, n_stores // 2))
    return connection.execute(
        f"""
        select
            id,
            list(distinct file),
            count(distinct store) filter (is_half),
            count(distinct store),
            sum(n_rows)::bigint,
            sum(money)
        from ({_with_halves(part)})
        group by id
        having
            count(*) filter (not is_half) <= {_MOST_EXCEPTIONS} * count(*)
            and count(*) filter (is_half and is_proof) >= {enough}
        order by sum(money) desc, id
        """
    ).fetchall()


def _named(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Stores that are called like a total, and those of whose name it is a part if they add up."""
    rows = connection.execute(
        "select id, money from _intake_stores where not regexp_full_match(id, '[\\d ._-]*') "
        "order by money desc, id"
    ).fetchall()
    if exact := [name for name, _ in rows if _letters(name) in _NAMES]:
        return exact
    parts = [(name, money) for name, money in rows if _WORDS.search(name)]
    ((n_stores, whole),) = connection.execute(
        "select count(*), sum(money) from _intake_stores"
    ).fetchall()
    of_parts = sum(money for _, money in parts)
    if not parts or n_stores - len(parts) < _FEWEST_OTHERS or not of_parts:
        return []
    return [name for name, _ in parts] if _are_equal(whole - of_parts, of_parts) else []


def _equal_to_the_others(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Mapping[str, ColumnFormat],
    known: Sequence[tuple[InputPlan, Sequence[ColumnFormat]]],
) -> list[str]:
    """The few stores with as much money as all others together that no other input knows.

    One such store is enough. The sums of several can be equal by chance, but not by product.
    """
    found = [
        name
        for (name,) in connection.execute(
            f"""
            with ranked as (
                select
                    id,
                    row_number() over largest as place,
                    sum(money) over largest as upper,
                    sum(money) over () - upper as lower,
                    count(*) over () - place as n_others
                from _intake_stores
                where money <> 0
                window largest as (
                    order by money * sign((select sum(money) from _intake_stores)) desc, id
                    rows unbounded preceding
                )
            )
            select id
            from ranked
            where place <= (
                select min(place)
                from ranked
                where n_others >= {_FEWEST_OTHERS} and place < n_others
                    and abs(lower - upper) <= {_ROUNDING} * abs(upper) + {_CENT}
            )
            order by place
            """
        ).fetchall()
    ]
    if not found or (
        len(found) > 1 and not _are_equal_by_product(connection, plan, columns, found)
    ):
        return []
    marks = ", ".join("?" * len(found))
    for other, formats in known:
        store = next(column.sql for column in formats if column.column == "store_id")
        if connection.execute(
            f"select 1 from {other.relation} where {store} in ({marks}) limit 1", found
        ).fetchone():
            return []
    return found


def _are_equal_by_product(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Mapping[str, ColumnFormat],
    stores: Sequence[str],
) -> bool:
    """Whether each product has as much money in some stores as in all others.

    That says nothing where the products have the same shares in each of these stores.
    """
    store = columns["store_id"].sql
    listed = ", ".join(map(sql_literal, stores))
    sums = plan.grouped(
        connection,
        f"select {columns['product_id'].sql} as id, "
        f"case when {store} in ({listed}) then {store} end as store, "
        f"sum({columns['sales_amount'].sql}) as money from {plan.relation} "
        f"where {store} is not null group by all having id is not null",
        {"money": "sum"},
    )
    rows = connection.execute(
        f"""
        select
            coalesce(sum(money) filter (store is not null), 0),
            coalesce(sum(money) filter (store is null), 0),
            max(share) filter (store is not null) - min(share) filter (store is not null)
                > {_SAME_SHARES}
        from (
            select id, store, money::double as money,
                money / sum(money) over (partition by store) as share
            from {sums}
        )
        group by id
        """
    ).fetchall()
    return any(row[2] for row in rows) and all(_are_equal(one, other) for one, other, _ in rows)


def _day_problem(
    connection: duckdb.DuckDBPyConnection, plan: InputPlan, columns: Mapping[str, ColumnFormat]
) -> str:
    """Why rows of one day hold the total of each product in each store; empty if none do.

    About half of all money is of that day. It can have sales of its own too, so that in each store
    and product one row is looked for that is as much as all others.
    """
    day = columns.get("sold_on")
    if day is None or day.read_as == "ignored":
        return ""
    store, product, amount = (
        columns[name].sql for name in ("store_id", "product_id", "sales_amount")
    )
    by_day = plan.grouped(
        connection,
        f"select {day.sql} as day, sum({amount}) as money from {plan.relation} "
        f"where {product} is not null group by 1",
        {"money": "sum"},
    )
    found = connection.execute(
        f"""
        select day
        from (
            select day, money / nullif(sum(money) over (), 0) as share, count(*) over () as n_days
            from {by_day}
        )
        where day is not null and abs(share - 0.5) < {_NEAR_A_HALF} and n_days > {_FEWEST_OTHERS}
        """
    ).fetchall()
    for (found_day,) in found:
        literal = f"date {sql_literal(str(found_day)[:10])}"
        by_part = plan.grouped(
            connection,
            f"select {store} as store, {product} as id, count(*) as n_rows, "
            f"sum({amount}) as money, "
            f"max(case when ({day.sql})::date = {literal} then {amount} end) as largest "
            f"from {plan.relation} group by all having id is not null and store is not null",
            {"n_rows": "sum", "money": "sum", "largest": "max"},
        )
        n_parts, n_equal, n_rows, money, whole = connection.execute(
            f"""
            select
                count(*) filter (is_proof),
                count(*) filter (is_proof and is_half),
                count(*) filter (is_half),
                (sum(largest) filter (is_half))::double,
                sum(money)::double
            from (
                select
                    money,
                    largest,
                    n_rows > {_FEWEST_OTHERS} as is_proof,
                    coalesce(
                        abs(money::double - 2 * largest::double)
                        <= {_ROUNDING_OF_PARTS} * abs(largest::double),
                        false
                    ) as is_half
                from {by_part}
            )
            """
        ).fetchall()[0]
        if n_parts < _FEWEST_STORES or n_parts - n_equal > _MOST_EXCEPTIONS * n_parts:
            continue
        return (
            f"{n_rows:,} row(s) of sales hold totals of other rows and would count twice: their "
            f"sold_on is {str(found_day)[:10]}, and each is as much as all other rows of its store "
            f"and product together, {amounts(money, whole)} of the money. Remove the rows, or set "
            "formats.sales.store_id: category if these are sales"
        )
    return ""


def _letters(name: str) -> str:
    """A name without case, blanks and punctuation."""
    return _NO_LETTERS.sub("", name.casefold())


def _are_equal(one: float, other: float) -> bool:
    return abs(one - other) <= _ROUNDING * abs(other) + _CENT
