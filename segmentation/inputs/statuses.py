"""Rows of the sales that another column says are none: returns, voids, cancellations.

Programs of tills export them with positive amounts, and say in a column beside them what they are.
Where nothing reads that column, they count as sales.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from segmentation.inputs.columns import ColumnFormat, is_text
from segmentation.inputs.losses import Losses, amounts, listed, percent
from segmentation.inputs.names import in_yaml, normalized
from segmentation.inputs.reading import InputPlan
from segmentation.inputs.remarks import Doubt
from segmentation.warehouse.database import sql_literal, sql_name


@dataclass(frozen=True)
class _Codes:
    """Short values that say that a row is no sale, in columns of certain names.

    They say so only if all values of the column are among these and those of sales.
    """

    names: re.Pattern[str]
    no_sale: frozenset[str]
    sale: frozenset[str]


#: Values that say in any column that a row is no sale.
_WORDS: Final = frozenset(
    re.split(
        r",\s+",
        """return, returns, returned, sales return, sales_return, sale return, sale_return, refund,
        refunds, refunded, void, voids, voided, post void, post_void, cancel, cancelled, canceled,
        cancellation, reversal, reversed, credit note, credit_note, storno, storniert, stornierung,
        retoure, rückgabe, rücknahme, gutschrift, retour, retours, annulé, annulée, annulation,
        remboursement, remboursé, remboursée, devolución, devolucion, devuelto, anulado, anulada,
        anulación, reembolso, devolução, cancelado, cancelada, reso, annullato, annullata,
        rimborso, annulleret, zwrot, anulowano, rtn, credit memo, credit_memo, avoir, abono,
        estorno, creditnota, bonstorno, retur, kreditnota, nota di credito, nota de crédito,
        palautus, visszáru, vratka, iade, i̇ade, возврат, επιστροφή, 退货, 退貨, 返品, 반품""",
    )
)
_NOT_SOLD: Final = (
    "return|returned|refund|refunded|void|voided|cancel|cancell?ed|cancellation|reversal|reversed|"
    "deleted|storno|storniert|retoure|annulé|annulation|anulado|anulada|devolución|devolucion"
)
_CODES: Final = (
    _Codes(
        re.compile(
            rf"(is|was|line|item|sale|order|trans|transaction)*({_NOT_SOLD})(flag|ind|indicator|yn)?"
        ),
        frozenset(["y", "yes", "true", "t", "1", "x", "j", "ja", "oui", "o", "si", "sí", "sim"]),
        frozenset(["n", "no", "false", "f", "0", "nein", "non", "não", "nao"]),
    ),
    _Codes(
        re.compile("(amount|sales|qty|quantity)?(sign|vorzeichen|signe|signo|segno|sinal)"),
        frozenset(["-", "-1", "\u2212", "\u2013", "n", "neg", "negative", "minus"]),
        frozenset(["+", "1", "p", "pos", "positive", "plus"]),
    ),
    _Codes(
        re.compile("(sales?|trans|transaction|trx|txn|tran|line|doc|document|receipt|record)?type"),
        frozenset("rv"),
        frozenset("s"),
    ),
)
#: Words in the names of columns that tell of something else than the row.
_OF_OTHERS: Final = re.compile(
    "customer|client|kunde|card|karte|loyalty|member|subscri|newsletter|product|brand|marke|supplier"
    "|campaign|cashier|account"
)


def status_doubts(
    connection: duckdb.DuckDBPyConnection,
    plan: InputPlan,
    columns: Sequence[ColumnFormat],
    losses: Losses,
) -> list[Doubt]:
    """Columns that say that rows with a positive amount are no sales.

    It is plain unless rows of that kind, or others of at least half their money, are negative:
    these can be what takes the sale back.

    Parameters
    ----------
    connection
        Connection that reads the relation of the plan.
    plan, columns, losses
        The input, how its columns are read, and what it loses.
    """
    amount = next((column.sql for column in columns if column.column == "sales_amount"), None)
    if plan.name != "sales" or amount is None:
        return []
    doubts = []
    for column in columns:
        if column.read_as != "text" or _OF_OTHERS.search(normalized(column.column)):
            continue
        codes = next((c for c in _CODES if c.names.fullmatch(normalized(column.column))), None)
        if codes is None and not is_text(plan.types[column.column]):
            continue
        meanings = dict.fromkeys(_WORDS, "word")
        if codes is not None:
            meanings |= dict.fromkeys(codes.no_sale, "code") | dict.fromkeys(codes.sale, "sale")
        known = ", ".join(f"({sql_literal(level)}, '{kind}')" for level, kind in meanings.items())
        value = f"trim({sql_name(column.column)}::varchar)"
        # only codes have to know which other values there are
        by_kind = plan.grouped(
            connection,
            f"""
            select kind, sign(amount) as direction, value, count(*) as n, sum(amount) as money
            from (
                select _kind as kind, {amount} as amount, {value} as value
                from {plan.relation}
                {"left" if codes else "inner"} join (values {known}) as meanings (_level, _kind)
                    on lower({value}) = _level
                {f"where {value} <> ''" if codes else ""}
            )
            group by kind, direction, value
            """,
            {"n": "sum", "money": "sum"},
        )
        rows = connection.execute(
            f"select kind, direction, n::bigint, money::double, value from {by_kind} order by value"
        ).fetchall()
        # codes say something only where every value is one
        kinds = {"word"} if any(kind is None for kind, *_ in rows) else {"word", "code"}
        no_sales = [row for row in rows if row[0] in kinds]
        if sum(row[2] for row in no_sales) == plan.n_rows:
            continue  # not every row is taken back: R and V are regular and vegetarian, say
        if positive := [row for row in no_sales if row[1] == 1]:
            has_negative = any(row[1] == -1 for row in no_sales)
            doubts.append(_doubt(column, losses, positive, has_negative=has_negative))
    return doubts


def _doubt(
    column: ColumnFormat,
    losses: Losses,
    positive: Sequence[tuple[Any, ...]],
    *,
    has_negative: bool,
) -> Doubt:
    n_rows, money = sum(row[2] for row in positive), sum(row[3] for row in positive)
    whole = losses.money or money
    values = list(dict.fromkeys(row[4] for row in positive))
    named = listed([repr(value) for value in values], joint=" or ", last="or")
    what = (
        f"have {named} in {column.source!r} and a positive amount, "
        f"{amounts(money, whole)} of the money ({percent(money / whole)})"
    )
    if has_negative or losses.returns >= money / 2:
        text = (
            f"{n_rows:,} row(s) {what}; they count as sales. If they are none, remove them or "
            "export their amounts with a minus"
        )
        return Doubt(text, is_plain=False)
    text = (
        f"{n_rows:,} row(s) of sales {what}: they would count as sales. Remove them, or export "
        f"their amounts with a minus; set formats.sales.{in_yaml(column.column)}: ignore if they "
        "are sales"
    )
    return Doubt(text, is_plain=True)
