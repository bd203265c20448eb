"""The query that staging reads an input through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from segmentation.inputs.columns import ColumnFormat
from segmentation.inputs.reading import InputPlan
from segmentation.inputs.sql_text import NOTHING, or_null, tidy
from segmentation.warehouse.database import sql_name

#: What a value that is not understood is called, so that no later cast reads it by chance.
_NOT_UNDERSTOOD: Final = {"number": "not a number: ", "date": "not a date: "}


def select_of(plan: InputPlan, columns: Sequence[ColumnFormat]) -> str:
    """SQL that selects an input with plain numbers, ISO dates and tidy ids.

    Parameters
    ----------
    plan, columns
        The input and how its columns are read.

    Returns
    -------
    str
        Query with the columns of the relation. Texts in a local format become plain ones:
        `1.234,50` is `1234.5000`, `31.01.2025` is `2025-01-31`. A value that is not understood
        keeps its text behind a remark, so that it is rejected with what it was. Columns with types
        of their own keep them, ids become text. Columns that are ignored are left out.
    """
    chosen = ", ".join(_selected(plan, column) for column in columns if column.read_as != "ignored")
    return f"select {chosen} from {plan.relation}"


def _selected(plan: InputPlan, column: ColumnFormat) -> str:
    name = sql_name(column.column)
    if column.read_as == "id":
        return f"{column.sql} as {name}"
    remark = _NOT_UNDERSTOOD.get(column.read_as)
    if remark is None or plan.types[column.column] != "VARCHAR":
        return name
    text = or_null(tidy(name), NOTHING)
    return f"coalesce(({column.sql})::varchar, '{remark}' || {text}) as {name}"
