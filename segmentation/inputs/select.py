"""The query that staging reads an input through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from segmentation.inputs.columns import MONEY_TYPE, ColumnFormat
from segmentation.inputs.names import REQUIRED
from segmentation.inputs.reading import InputPlan
from segmentation.inputs.sql_text import NOTHING, or_null, tidy
from segmentation.warehouse.database import sql_literal, sql_name

#: Prefix of a value that is not understood but that staging would read in another way.
_REMARKS: Final = {"number": "not a number: ", "date": "not a date: "}


def select_of(plan: InputPlan, columns: Sequence[ColumnFormat]) -> str:
    """SQL that selects an input with plain numbers, ISO dates and tidy ids.

    Parameters
    ----------
    plan, columns
        The input and how its columns are read.

    Returns
    -------
    str
        Query with the columns of the relation. A column in which every value is understood has its
        type: amounts are decimal, days are dates. In other columns the texts in a local format
        become plain ones (`1.234,50` is `1234.5000`, `31.01.2025` is `2025-01-31`), and a value
        that is not understood keeps its text, behind a remark if that reads as something else.
        Columns with types of their own keep them. Ids are left to staging, which makes them plain
        once per id and not once per row. Columns that are ignored are left out.
    """
    chosen = ", ".join(_selected(plan, column) for column in columns if column.read_as != "ignored")
    return f"select {chosen} from {plan.relation}"


def _selected(plan: InputPlan, column: ColumnFormat) -> str:
    name = sql_name(column.column)
    remark = _REMARKS.get(column.read_as)
    if remark is None or plan.types[column.column] != "VARCHAR":
        return name
    if column.n_not_understood == 0:
        return f"{column.sql} as {name}"
    text = or_null(tidy(name), NOTHING)
    as_staging_reads = {
        "date": f"try_cast({text} as date) is not null",
        "number": f"isfinite(try_cast({text} as double))"
        if plan.name not in REQUIRED
        else f"try_cast({text} as {MONEY_TYPE}) is not null",
    }[column.read_as]
    return (
        f"coalesce(({column.sql})::varchar, "
        f"if({as_staging_reads}, {sql_literal(remark)}, '') || {text}) as {name}"
    )
