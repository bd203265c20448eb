"""Rows of an input that hold the total of other rows, and would count their money twice.

A report ends with a row called `Total`, or has one per region. Such a row is recognized by its
store: by its name, or because its money is the sum of all other stores. So exact a sum is no
chance, but a store of that money can exist, so that a store which another input knows is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import duckdb

from segmentation.inputs.columns import ColumnFormat
from segmentation.inputs.losses import amounts
from segmentation.inputs.reading import InputPlan
from segmentation.inputs.sql_text import SET_BY_FORMATS
from segmentation.warehouse.database import sql_literal

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
_MOST_SHOWN: Final = 3
_CENT: Final = 0.005


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
    if "store_id" not in by_name or by_name["store_id"].evidence == SET_BY_FORMATS:
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
    found = _named(connection) or _equal_to_the_others(connection, known)
    if not found:
        return ""
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
    connection: duckdb.DuckDBPyConnection, known: Sequence[tuple[InputPlan, Sequence[ColumnFormat]]]
) -> list[str]:
    """A store with as much money as all others together that no other input knows."""
    largest = connection.execute(
        "select id, money, sum(money) over () - money, count(*) over () - 1 from _intake_stores "
        "where money <> 0 order by abs(money) desc, id limit 1"
    ).fetchone()
    if largest is None:
        return []
    name, money, others, n_others = largest
    if n_others < _FEWEST_OTHERS or not _are_equal(others, money):
        return []
    for plan, columns in known:
        store = next(column.sql for column in columns if column.column == "store_id")
        if connection.execute(
            f"select 1 from {plan.relation} where {store} = ? limit 1", [name]
        ).fetchone():
            return []
    return [name]


def _letters(name: str) -> str:
    """A name without case, blanks and punctuation."""
    return _NO_LETTERS.sub("", name.casefold())


def _are_equal(one: float, other: float) -> bool:
    return abs(one - other) <= _ROUNDING * abs(other) + _CENT
