"""The `inputs` and `external_sources` vars, checked before the first model runs."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb

from segmentation.run_facts import without_secrets

#: Columns without which an input says nothing; every other column is optional or passed through.
REQUIRED_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "sales": ("store_id", "product_id", "sales_amount"),
    "products": ("product_id", "category", "need_state"),
}
EXTERNAL_COLUMNS: Final = ("store_id",)
#: DuckDB's first lines name the cause, the others are advice on its reader's options.
_LINES_OF_CAUSE: Final = 3
#: Read once, by the models: a second look at it would take as long as the build.
LARGE: Final = ("sales",)
MUST_HAVE_ROWS: Final = ("sales", "products")


@dataclass(frozen=True)
class InputCheck:
    """What is wrong with the declared inputs, one line each, for people.

    `problems` stop a build. `unread` has external inputs that cannot be used, by name: the build
    goes on without them.
    """

    problems: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def check_inputs(
    inputs: object, external_sources: object, readers: Mapping[str, str], known: Sequence[str]
) -> InputCheck:
    """Look at the declared inputs before anything reads them.

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
    InputCheck
        Empty when every input can be read and has its columns.
    """
    shape = _shape_problem(inputs, external_sources)
    if shape:
        return InputCheck([shape])
    assert isinstance(inputs, Mapping)  # noqa: S101 (seen above)
    assert isinstance(external_sources, Sequence)  # noqa: S101
    check = InputCheck(
        [
            *_name_problems(inputs, external_sources, known),
            *_mixture_problems(inputs, external_sources),
        ]
    )
    for name, reader in sorted(readers.items()):
        found = _file_problems(name, str(inputs.get(name)), reader)
        if found and name in known:
            check.unread[name] = "; ".join(found)
        else:
            check.problems.extend(f"inputs.{name}: {problem}" for problem in found)
    return check


def input_stamps(locations: Mapping[str, str]) -> dict[str, str]:
    """Hash of names, sizes and times of change of the files that inputs are read from.

    Parameters
    ----------
    locations
        Input name to path or glob. An address with a scheme is left out: its server would have to
        be asked again.
    """
    stamps = {}
    for name, location in sorted(locations.items()):
        if "://" in location:
            continue
        digest = hashlib.sha256()
        for path in sorted(glob.glob(location, recursive=True)):  # noqa: PTH207 (as DuckDB reads it)
            facts = Path(path).stat()
            digest.update(repr((path, facts.st_size, facts.st_mtime_ns)).encode())
        stamps[name] = digest.hexdigest()
    return stamps


def _shape_problem(inputs: object, external_sources: object) -> str:
    """What is wrong with the vars as such, empty if nothing is."""
    if not isinstance(inputs, Mapping):
        return f"inputs: {inputs!r} is not allowed; it is a mapping of input name to location"
    if not isinstance(external_sources, Sequence) or isinstance(external_sources, str):
        return f"external_sources: {external_sources!r} is not allowed; it is a list of names"
    if not all(isinstance(name, str) for name in [*inputs, *external_sources]):
        return "inputs and external_sources: names are texts; put others into quotes"
    return ""


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
    """Read the head of one file input: is it there, has it its columns, has it rows.

    An input that is small because it has a row per store or product is read as a whole, so that
    what is wrong further down is found here as well.
    """
    with duckdb.connect() as connection:
        try:
            head = connection.execute(f"select * from {reader} limit 1")  # noqa: S608
            columns = [str(column[0]) for column in head.description or []]
            has_rows = head.fetchone() is not None
            if name not in LARGE:
                connection.execute(f"select max(hash(columns(*))) from {reader}")  # noqa: S608
        except duckdb.Error as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            cause = " ".join(lines[:_LINES_OF_CAUSE]).removeprefix("IO Error: ")
            return [without_secrets(f"cannot read {location!r}: {cause}")]
    lower = [column.lower() for column in columns]
    required = REQUIRED_COLUMNS.get(name, EXTERNAL_COLUMNS)
    problems = [
        without_secrets(f"{location!r} has no column {column!r}; it has: {', '.join(columns)}")
        for column in required
        if column not in lower
    ]
    if not problems and not has_rows and name in MUST_HAVE_ROWS:
        problems.append(without_secrets(f"{location!r} has no rows; there is nothing to segment"))
    return problems
