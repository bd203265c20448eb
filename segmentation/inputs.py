"""The `inputs` and `external_sources` vars, checked before the first model runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb

#: Columns without which an input says nothing; every other column is optional or passed through.
REQUIRED_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "sales": ("store_id", "product_id", "sales_amount"),
    "products": ("product_id", "category", "need_state"),
}
EXTERNAL_COLUMNS: Final = ("store_id",)
#: DuckDB's first lines name the cause, the others are advice on its reader's options.
_LINES_OF_CAUSE: Final = 3
MUST_HAVE_ROWS: Final = ("sales", "products")


def input_problems(
    inputs: object, external_sources: object, readers: Mapping[str, str], known: Sequence[str]
) -> list[str]:
    """Say what is wrong with the declared inputs, one line per problem, for people.

    Parameters
    ----------
    inputs
        The var `inputs`: input name to location (Parquet or CSV path, glob, URL, table).
    external_sources
        The var `external_sources`: names of the external inputs that take part.
    readers
        Input name to the DuckDB table expression that reads its location, for every file location;
        tables of attached databases are not in it, the warehouse checks those itself.
    known
        Names of the external inputs that have a staging model.

    Returns
    -------
    list of str
        Empty when every input can be read and has its columns.
    """
    if not isinstance(inputs, Mapping):
        return [f"inputs: {inputs!r} is not allowed; it is a mapping of input name to location"]
    if not isinstance(external_sources, Sequence) or isinstance(external_sources, str):
        return [f"external_sources: {external_sources!r} is not allowed; it is a list of names"]
    if not all(isinstance(name, str) for name in [*inputs, *external_sources]):
        return ["inputs and external_sources: names are texts; put others into quotes"]
    problems = [
        *_name_problems(inputs, external_sources, known),
        *_mixture_problems(inputs, external_sources),
    ]
    for name, reader in sorted(readers.items()):
        problems.extend(_file_problems(name, str(inputs.get(name)), reader))
    return problems


def _name_problems(
    inputs: Mapping[str, Any], external_sources: Sequence[str], known: Sequence[str]
) -> list[str]:
    names = [*REQUIRED_COLUMNS, *known]
    return [
        *(
            f"inputs.{name}: unknown input; known ones: {', '.join(names)}"
            for name in inputs
            if name not in names
        ),
        *(
            f"external_sources: {name!r} has no staging model stg_external__{name}; "
            f"known ones: {', '.join(known)}"
            for name in external_sources
            if name not in known
        ),
    ]


def _mixture_problems(inputs: Mapping[str, Any], external_sources: Sequence[str]) -> list[str]:
    """Own data never meets the example data: their stores have nothing to do with each other."""
    given = {name for name, location in inputs.items() if location}
    if not given:
        return []
    return [
        f"inputs.{name}: no location given, while inputs.{min(given)} has one; give a location"
        + (" or take the name out of external_sources" if name in external_sources else "")
        + " (own data and the example seeds do not mix)"
        for name in [*REQUIRED_COLUMNS, *external_sources]
        if name not in given
    ]


def _file_problems(name: str, location: str, reader: str) -> list[str]:
    """Read the head of one file input: is it there, has it its columns, has it rows."""
    with duckdb.connect() as connection:
        try:
            head = connection.execute(f"select * from {reader} limit 1")  # noqa: S608
            columns = [str(column[0]) for column in head.description or []]
            has_rows = head.fetchone() is not None
        except duckdb.Error as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            cause = " ".join(lines[:_LINES_OF_CAUSE]).removeprefix("IO Error: ")
            return [f"inputs.{name}: cannot read {location!r}: {cause}"]
    lower = [column.lower() for column in columns]
    required = REQUIRED_COLUMNS.get(name, EXTERNAL_COLUMNS)
    problems = [
        f"inputs.{name}: {location!r} has no column {column!r}; it has: {', '.join(columns)}"
        for column in required
        if column not in lower
    ]
    if not problems and not has_rows and name in MUST_HAVE_ROWS:
        problems.append(f"inputs.{name}: {location!r} has no rows; there is nothing to segment")
    return problems
