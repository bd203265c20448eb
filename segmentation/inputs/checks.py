"""The `inputs` and `external_sources` vars, checked before the first model runs."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from segmentation.warehouse.database import sql_literal
from segmentation.warehouse.extensions import MissingPackageError, load_extension
from segmentation.warehouse.secrets import without_secrets

#: Columns without which an input says nothing; every other column is optional or passed through.
REQUIRED_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "sales": ("store_id", "product_id", "sales_amount"),
    "products": ("product_id", "category", "need_state"),
}
EXTERNAL_COLUMNS: Final = ("store_id",)
#: Locations that DuckDB reads through its extension `httpfs`.
_REMOTE: Final = tuple(
    f"{scheme}://" for scheme in ("http", "https", "s3", "s3a", "s3n", "gs", "gcs", "r2", "hf")
)
#: DuckDB's first lines name the cause, the others are advice on its reader's options.
_LINES_OF_CAUSE: Final = 3
#: Has a row per sale: only its text files, which may have lines that nothing can read, are read to
#: the end before the build, and these only where they need not come over a network.
LARGE: Final = ("sales",)
MUST_HAVE_ROWS: Final = ("sales", "products")
#: How a text file is read, the first that works: as it is; quoted values with line breaks, which
#: DuckDB reads in one thread where short lines are allowed; without the lines that cannot be read,
#: in one thread too, since several of them lose good lines after a quote that does not end.
_TEXT_OPTIONS: Final = (
    "",
    "parallel = false",
    "parallel = false, ignore_errors = true, max_line_size = 32000000",
)
#: What DuckDB says of a line of text that it leaves out, in our words.
_LINE_REASONS: Final = {
    "INVALID ENCODING": "line is not UTF-8 text",
    "LINE SIZE OVER MAXIMUM": "line is longer than 32,000,000 bytes",
    "TOO MANY COLUMNS": "line has more values than the header",
    "UNQUOTED VALUE": "line has a quote that does not end",
}
_LINE_SCHEMA: Final = pl.Schema(
    {
        "input": pl.String,
        "file": pl.String,
        "line": pl.Int64,
        "reason": pl.String,
        "text": pl.String,
    }
)


@dataclass(frozen=True)
class Reader:
    """How the warehouse reads the file or files of one input.

    `sql` is DuckDB's table function with its arguments, `path` the path or glob in it.
    """

    sql: str
    path: str
    is_text: bool

    def with_options(self, options: str) -> str:
        """The table function with more options."""
        return f"{self.sql[:-1]}, {options})" if options else self.sql

    def of_one_file(self, file: str, options: str) -> str:
        """The table function for one of the files; it notes lines that it leaves out.

        DuckDB notes them for a single schema only, so files are not united by their columns.
        """
        notes = self.with_options(options).replace("union_by_name = true", "store_rejects = true")
        return notes.replace(sql_literal(self.path), sql_literal(file))


@dataclass(frozen=True)
class InputCheck:
    """What is wrong with the declared inputs, one line each, for people.

    `problems` stop a build. `unread` has external inputs that cannot be used, by name: the build
    goes on without them. `options` says, by name, what a text input needs to be read with beyond
    the usual, and `lines` has a row per line of text that cannot be read all the same.
    """

    problems: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    lines: pl.DataFrame = field(default_factory=_LINE_SCHEMA.to_frame)


@dataclass(frozen=True)
class _FileCheck:
    """The same for one input."""

    problems: list[str] = field(default_factory=list)
    options: str = ""
    lines: pl.DataFrame = field(default_factory=_LINE_SCHEMA.to_frame)


def check_inputs(
    inputs: object, external_sources: object, readers: Mapping[str, Reader], known: Sequence[str]
) -> InputCheck:
    """Look at the declared inputs before anything reads them.

    Parameters
    ----------
    inputs
        The var `inputs`: input name to location (Parquet or CSV path, glob, URL, table).
    external_sources
        The var `external_sources`: names of the external inputs that take part.
    readers
        Readers by input name, for every location that is a file; tables of attached databases
        are not in it, the warehouse checks those itself.
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
    all_lines = [check.lines]
    for name, reader in sorted(readers.items()):
        found = _check_file(name, str(inputs.get(name)), reader)
        if found.problems and name in known:
            check.unread[name] = "; ".join(found.problems)
            continue
        check.problems.extend(f"inputs.{name}: {problem}" for problem in found.problems)
        all_lines.append(found.lines)
        if found.options:
            check.options[name] = found.options
    return replace(check, lines=pl.concat(all_lines))


def input_stamps(locations: Mapping[str, str]) -> dict[str, str]:
    """Hash of names, sizes and times of change of the files that inputs are read from.

    Parameters
    ----------
    locations
        Input name to path, folder or glob. An address with a scheme is left out: its server would
        have to be asked again. So is a location without files.
    """
    stamps = {}
    for name, location in sorted(locations.items()):
        digest = hashlib.sha256()
        paths = _files(location)
        for path in paths:
            facts = path.stat()
            digest.update(repr((str(path), facts.st_size, facts.st_mtime_ns)).encode())
        if paths:
            stamps[name] = digest.hexdigest()
    return stamps


def last_change(location: str) -> dt.datetime | None:
    """Time of the newest file of a location, UTC; None for an address and where there is no file.

    Parameters
    ----------
    location
        Path, folder or glob.
    """
    times = [path.stat().st_mtime_ns for path in _files(location)]
    return max(dt.datetime.fromtimestamp(time / 1e9, dt.UTC) for time in times) if times else None


def _files(location: str) -> list[Path]:
    """Files of a path, folder or glob, sorted; none for an address with a scheme.

    Listed by DuckDB, which reads hidden files and brackets otherwise than Python does.
    """
    if "://" in location:
        return []
    pattern = f"{location}/**" if Path(location).is_dir() else location
    with duckdb.connect() as connection:
        found = connection.execute("from glob(?) order by all", [pattern]).fetchall()
    return [Path(path) for (path,) in found]


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


def _check_file(name: str, location: str, reader: Reader) -> _FileCheck:
    """Read one file input: is it there, has it its columns, has it rows, which lines are none.

    An input that has a row per store or product is read as a whole whatever its format, so that
    what is wrong further down is found here as well.
    """
    to_the_end = name not in LARGE or (reader.is_text and "://" not in reader.path)
    options, causes = "", []
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        try:
            load_readers(connection, [location])
        except MissingPackageError as error:
            return _FileCheck([_unread(location, str(error))])
        for options in _TEXT_OPTIONS if reader.is_text else _TEXT_OPTIONS[:1]:
            sql = reader.with_options(options)
            try:
                head = connection.execute(f"select * from {sql} limit 1")
                columns = [str(column[0]) for column in head.description or []]
                has_rows = head.fetchone() is not None
                if to_the_end:
                    connection.execute(f"select count(columns(*)) from {sql}").fetchall()
                break
            except duckdb.Error as error:
                causes.append(_cause(error))
        else:
            return _FileCheck([_unread(location, causes[0])])
        problems = [
            f"{location!r} has no column {column!r}; it has: {', '.join(columns)}"
            for column in REQUIRED_COLUMNS.get(name, EXTERNAL_COLUMNS)
            if column not in [given.lower() for given in columns]
        ]
        if causes and (problems or not has_rows):
            problems = [_unread(location, causes[0])]
        if not problems and not has_rows and name in MUST_HAVE_ROWS:
            problems = [f"{location!r} has no rows; there is nothing to segment"]
        if problems or "ignore_errors" not in options:
            return _FileCheck([without_secrets(problem) for problem in problems], options)
        lines, loses_others = _unreadable_lines(connection, name, reader, options)
        if loses_others:
            return _FileCheck([_unread(location, causes[0])])
        return _FileCheck([], options, lines)


def load_readers(connection: duckdb.DuckDBPyConnection, locations: Iterable[str]) -> None:
    """Load the extension that reads object stores and web servers, if a location is of one.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    if any(location.startswith(_REMOTE) for location in locations):
        load_extension(connection, "httpfs")


def _unread(location: str, cause: str) -> str:
    """What to say of a location that cannot be read."""
    return str(without_secrets(f"cannot read {location!r}: {cause}"))


def _cause(error: duckdb.Error) -> str:
    """The first lines of a message, which name the cause, without the SQL that met it."""
    message = str(error).partition("\nLINE 1: ")[0]
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ".join(lines[:_LINES_OF_CAUSE]).removeprefix("IO Error: ")


def _unreadable_lines(
    connection: duckdb.DuckDBPyConnection, name: str, reader: Reader, options: str
) -> tuple[pl.DataFrame, bool]:
    """Lines that DuckDB leaves out, each with the first reason, and whether it loses more of them.

    The files together have to have as many rows as one by one: no line is lost unseen.
    """
    files = connection.execute("select file from glob(?) order by file", [reader.path]).fetchall()
    one_by_one = sum(_n_rows(connection, reader.of_one_file(file, options)) for (file,) in files)
    loses_others = one_by_one != _n_rows(connection, reader.with_options(options))
    noted = connection.sql(
        """
        select scans.file_path as file, errors.line, errors.error_type, errors.csv_line as text
        from reject_errors as errors
        inner join reject_scans as scans using (scan_id, file_id)
        qualify row_number() over (
            partition by scans.file_path, errors.line order by errors.column_idx, errors.error_type
        ) = 1
        order by file, errors.line
        """
    ).pl()
    reason = (
        pl.col("error_type")
        .cast(pl.String)
        .replace_strict(_LINE_REASONS, default="line cannot be read as CSV")
    )
    lines = noted.select(
        pl.lit(name).alias("input"),
        "file",
        pl.col("line").cast(pl.Int64),
        reason.alias("reason"),
        pl.col("text").str.strip_chars_end("\r\n"),
    ).match_to_schema(_LINE_SCHEMA)
    return lines, loses_others


def _n_rows(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Rows in which every value can be read."""
    # to the end: DuckDB notes the lines that it leaves out when a result is complete
    ((counted,),) = connection.execute(
        f"select count(*) from {sql} as line where hash(line) is not null"
    ).fetchall()
    return int(counted)
