"""Reading an input: from its location to a relation with known columns, and what was left out.

Text files and workbooks become tables of texts, so that they are read once. Parquet files and
tables stay where they are. DuckDB reads text in its strict mode with every option given: nothing
is guessed from a sample, and a line with more or fewer values than the header is noted wherever it
stands. Strict mode needs one kind of line end and UTF-8; other files are read from a clean copy.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from segmentation.engine.sales import EngineSales
from segmentation.inputs.excel import NumberText, Sheet, read_sheet
from segmentation.inputs.names import (
    InputError,
    match_columns,
    number_of_known_columns,
    required_columns,
)
from segmentation.inputs.options import InputOptions
from segmentation.inputs.sql_text import OF_A_CELL
from segmentation.inputs.text_files import (
    FileFormat,
    check_complete,
    clean_copy,
    compression_of,
    is_mostly_utf8,
    number_of_line_ends,
    number_of_lines,
    text_format,
)
from segmentation.warehouse.database import sql_literal, sql_name
from segmentation.warehouse.extensions import MissingPackageError, load_extension
from segmentation.warehouse.files import other_than_file

#: Locations that DuckDB reads through its extension `httpfs`.
_REMOTE: Final = tuple(
    f"{scheme}://" for scheme in ("http", "https", "s3", "s3a", "s3n", "gs", "gcs", "r2", "hf")
)
#: Columns of the sales that name a store and a product.
ID_COLUMNS: Final = ("store_id", "product_id")
#: Where tables of texts are made.
SCHEMA: Final = "intake"
#: Beyond the default of DuckDB its buffers grow, and reading takes twice the time.
_LONGEST_LINE: Final = 2_000_000
#: With so few columns an address with a line break looks like two lines.
_FEWEST_COLUMNS: Final = 2
_MOST_ROUNDS: Final = 10
_TABLE: Final = re.compile(r"^\w+(\.\w+){0,2}$")
#: A text that may have another mark than numbers in cells, and a number that a text could mean.
_WITH_MARK: Final = re.compile(r"\d[.,]\d")
_LIKE_THOUSANDS: Final = re.compile(r"\.\d{3}\D*$")
#: A day as spreadsheets count them.
_DAYS: Final = re.compile(r"\d{5}(\.\d+)?")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
#: Why DuckDB leaves out a line.
_REASONS: Final = {
    "TOO MANY COLUMNS": "line has more values than the header",
    "MISSING COLUMNS": "line has fewer values than the header",
    "UNQUOTED VALUE": "line has a quote that does not end",
    "INVALID ENCODING": "line is not UTF-8 text",
    "LINE SIZE OVER MAXIMUM": f"line is longer than {_LONGEST_LINE:,} bytes",
}
LINES: Final = pl.Schema(
    {
        "input": pl.String,
        "file": pl.String,
        "line": pl.Int64,
        "reason": pl.String,
        "text": pl.String,
    }
)


@dataclass(frozen=True)
class FileRead:
    """One file of an input, how it was read, the lines above its header and what else it has."""

    path: str
    read_as: str
    above: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class InputPlan:
    """An input that can be selected from.

    Attributes
    ----------
    name, location
        As in the var `inputs`.
    relation
        SQL to select from; its columns have our names where they have a meaning.
    types
        Column of the relation to its DuckDB type.
    sources
        Column of the relation to its name in the file.
    files
        Files, in order of their names; empty for a table.
    lines
        Lines that could not be read: `input`, `file`, `line`, `reason`, `text`.
    n_rows
        Rows of the relation.
    delimiter
        Separator of the text files, empty for others.
    file_column
        Column of the relation with the name of the file, which is none of the input's own; empty
        where the input is read from one file or from a table.
    with_cells
        Columns of workbooks in which texts and numbers of cells have to be told apart; the numbers
        begin with `OF_A_CELL`.
    on_engine
        Sales that stay on an engine; None for an input that is read here.
    """

    name: str
    location: str
    relation: str
    types: Mapping[str, str]
    sources: Mapping[str, str]
    n_rows: int
    files: tuple[FileRead, ...] = ()
    lines: pl.DataFrame = field(default_factory=LINES.to_frame)
    delimiter: str = ""
    file_column: str = ""
    with_cells: frozenset[str] = frozenset()
    on_engine: EngineSales | None = None

    def grouped(
        self,
        connection: duckdb.DuckDBPyConnection,
        sql: str,
        merge: Mapping[str, str],
        beside: Mapping[str, str] | None = None,
    ) -> str:
        """SQL of the result of a query that groups the rows; rows of an engine are grouped there.

        Parameters
        ----------
        connection
            Connection that reads the relation.
        sql
            Query over the relation that groups by all columns that are not in `merge`.
        merge
            How partial results become one, by column (`EngineSales.merged`).
        beside
            Queries of small tables, by the names that `sql` has for them.
        """
        if self.on_engine is None:
            return f"({sql})"
        return self.on_engine.merged(connection, sql, merge, name=f"of_{self.name}", beside=beside)


@dataclass(frozen=True)
class _TextFile:
    path: Path
    shown: str
    format: FileFormat
    columns: Mapping[str, str]  # name in the table by name in the file
    file_column: str = ""

    @property
    def key(self) -> tuple[FileFormat, tuple[tuple[str, str], ...]]:
        """Files with the same key are read by one call."""
        return replace(self.format, above=()), tuple(self.columns.items())


class _NeedsCopyError(Exception):
    """DuckDB cannot read a file as it is."""


ReadLocation = Callable[[duckdb.DuckDBPyConnection, str, str, InputOptions], InputPlan]
ReadFiles = Callable[
    [duckdb.DuckDBPyConnection, str, str, Mapping[Path, str], InputOptions], InputPlan
]


@dataclass(frozen=True)
class FileKind:
    """Files that are read in the same way.

    Attributes
    ----------
    endings
        How their names end.
    read
        Reads an input: connection, name of the input, location, what the user has set.
    compressed
        Endings that may follow, of compressed files.
    has_types
        Whether columns have types; the values of other files are loaded as texts.
    """

    endings: tuple[str, ...]
    read: ReadLocation
    compressed: tuple[str, ...] = ()
    has_types: bool = False

    def has(self, location: str) -> bool:
        """Whether a path, glob or URL names such files."""
        # the query of a signed address is no ending, and in a glob `?` is any character
        name = location.partition("?")[0] if "://" in location else location
        every = tuple(end + more for end in self.endings for more in ("", *self.compressed))
        return name.lower().endswith(every)


def file_kind(location: str) -> FileKind | None:
    """How the files of a location are read; None for a table and for other names."""
    return next((kind for kind in FILE_KINDS if kind.has(location)), None)


def not_allowed(location: str) -> str:
    """Message about a location that is neither of files nor of a table."""
    *others, last = [ending for kind in FILE_KINDS for ending in kind.endings]
    return (
        f"{location!r} is not allowed; it is a path that ends in {', '.join(others)} or {last}, a "
        "glob, a URL or database.schema.table"
    )


def cannot_read(location: str, error: duckdb.Error) -> str:
    """Message about files or a table that DuckDB cannot read."""
    return f"cannot read {location!r}: {_cause(error)}"


def read_input(
    connection: duckdb.DuckDBPyConnection, name: str, location: str, options: InputOptions
) -> InputPlan:
    """Read an input, or say why it cannot be read.

    Parameters
    ----------
    connection
        Connection in which tables of texts are made (schema `intake`).
    name
        `sales`, `products` or the name of an external input.
    location
        Path, glob, URL or table.
    options
        What the user has set.

    Raises
    ------
    InputError
        If the input cannot be read as a whole: no such file, a file cut off, no header, a column
        missing in one of the files, the same content twice.
    """
    try:
        load_readers(connection, [location])
        if _TABLE.match(location) and not Path(location).exists():
            return native_plan(connection, name, location, location, options)
        if kind := file_kind(location):
            return kind.read(connection, name, location, options)
    except duckdb.Error as error:
        raise InputError([cannot_read(location, error)]) from error
    except MissingPackageError as error:
        raise InputError([f"cannot read {location!r}: {error}"]) from error
    raise InputError([not_allowed(location)])


def load_readers(connection: duckdb.DuckDBPyConnection, locations: Iterable[str]) -> None:
    """Load the extension that reads object stores and web servers, if a location is of one.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    if any(location.startswith(_REMOTE) for location in locations):
        load_extension(connection, "httpfs")


def drop_unused(connection: duckdb.DuckDBPyConnection, used: Collection[str]) -> None:
    """Drop the tables of texts of other inputs than the given ones."""
    found = connection.execute(
        "select table_catalog, table_name from information_schema.tables"
        " where table_catalog = current_database() and table_schema = ? order by table_name",
        [SCHEMA],
    ).fetchall()
    for database, name in found:
        if name not in used:
            connection.execute(f"drop table {sql_name(database)}.{SCHEMA}.{sql_name(name)}")


@contextmanager
def _local_files(connection: duckdb.DuckDBPyConnection, location: str) -> Iterator[dict[Path, str]]:
    """Files of a location by path, with the name to show; those of a URL are copied here.

    Raises
    ------
    InputError
        If there is no file, if something is none, or if two have the same content.
    """
    with tempfile.TemporaryDirectory() as folder:
        files: dict[Path, str] = {}
        if "://" in location:
            remote = connection.execute(
                "select filename, content from read_blob(?) order by filename", [location]
            )
            while row := remote.fetchone():
                shown = str(row[0]).partition("?")[0]
                path = Path(folder) / f"{len(files)}-{Path(shown).name}"
                path.write_bytes(row[1])
                files[path] = shown
        else:
            found = connection.execute("select file from glob(?) order by file", [location])
            files = {Path(path): path for (path,) in found.fetchall()}
            _refuse_other_than_files([*files, Path(location)])
            data = {path: shown for path, shown in files.items() if not _is_no_data(path)}
            if files and not data:
                raise InputError(
                    [
                        f"{location} holds no data: it is a lock file of Excel or what macOS "
                        "writes beside a file; name the file without '~$' or '._'"
                    ]
                )
            files = data
            if not files:
                raise InputError([f"{location!r}: there is no such file"])
        _refuse_same_content(files)
        yield files


def _refuse_other_than_files(paths: Iterable[Path]) -> None:
    """Refuse folders, pipes and devices."""
    if problem := next(filter(None, map(other_than_file, paths)), None):
        raise InputError([f"{problem}; name a file, or several by a pattern such as exports/*.csv"])


def _is_no_data(path: Path) -> bool:
    """Whether a file is a lock file of Excel, or what macOS writes beside a file."""
    return path.name.startswith(("~$", "._"))


def _from_files(read: ReadFiles) -> ReadLocation:
    """A reader of a location, from one that is given its files on this machine."""

    def read_location(
        connection: duckdb.DuckDBPyConnection, name: str, location: str, options: InputOptions
    ) -> InputPlan:
        with _local_files(connection, location) as paths:
            return read(connection, name, location, paths, options)

    return read_location


def _has_no_rows(path: Path) -> bool:
    """Whether a text file has a header alone, as on days on which stores were closed."""
    with path.open("rb") as file:
        return len(file.read(_LONGEST_LINE).strip().splitlines()) <= 1


def _refuse_same_content(paths: Mapping[Path, str]) -> None:
    """The same file twice counts its money twice."""
    by_size = defaultdict(list)
    for path in paths:
        by_size[path.stat().st_size].append(path)
    problems: list[str] = []
    for same_size in by_size.values():
        by_content = defaultdict(list)
        for path in same_size if len(same_size) > 1 else ():
            with path.open("rb") as file:
                by_content[hashlib.file_digest(file, "sha256").digest()].append(path)
        problems.extend(
            f"{' and '.join(paths[path] for path in same)} have the same content; remove all but "
            "one, or the rows count several times"
            for same in by_content.values()
            if len(same) > 1 and not _has_no_rows(same[0])
        )
    if problems:
        raise InputError(problems)


def _text(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    location: str,
    paths: Mapping[Path, str],
    options: InputOptions,
) -> InputPlan:
    given = options.columns(name)
    n_known = partial(_n_known, name, given)
    files: list[_TextFile] = []
    problems: list[str] = []
    for path, shown in paths.items():
        try:
            check_complete(path, compression_of(path))
            found = text_format(path, n_known, len(required_columns(name)), options.encoding(name))
        except InputError as error:
            problems += [problem.replace(str(path), shown) for problem in error.problems]
            continue
        matched, missing = match_columns(name, found.columns, given)
        problems += [f"{shown}: {problem}" for problem in missing]
        problems += [
            f"{shown}: several columns of the file are called {theirs!r}; rename all but one"
            for theirs in matched.values()
            if theirs in found.repeated
        ]
        files.append(_TextFile(path, shown, found, _table_names(found.columns, matched)))
    if problems:
        raise InputError(problems)
    sources: dict[str, str] = {}
    for file in files:
        for theirs, ours in file.columns.items():
            sources.setdefault(_same_name(ours, sources), theirs)
    file_column = ""
    if len(files) > 1:
        file_column = _file_column(c for file in files for c in (*file.columns, *sources))
    table = _new_table(connection, name, sources, file_column, [file.shown for file in files])
    groups: dict[object, list[_TextFile]] = defaultdict(list)
    for file in files:
        # files that were copied here have other names there
        alone = file.path if file.shown != str(file.path) else None
        groups[file.key, alone].append(replace(file, file_column=file_column))
    lines = [LINES.to_frame()]
    read_as: dict[Path, str] = {}
    # texts are read a few times and then replaced: compressing them takes twice the time of reading
    connection.execute("set force_compression = 'uncompressed'")
    try:
        for group in groups.values():
            read, noted = _load_group(connection, table, group)
            lines.append(noted)
            read_as |= read
    finally:
        connection.execute("reset force_compression")
    shown_lines = pl.concat(lines).with_columns(
        pl.lit(name).alias("input"),
        pl.col("file").replace({str(path): shown for path, shown in paths.items()}),
    )
    # a line that has nothing but separators is as empty as one without them
    is_blank = " and ".join(f"trim(coalesce({sql_name(column)}, '')) = ''" for column in sources)
    connection.execute(f"delete from {table} where {is_blank}")
    n_rows = _n_rows(connection, table)
    return InputPlan(
        name,
        location,
        table,
        dict.fromkeys(sources, "VARCHAR"),
        sources,
        n_rows,
        tuple(FileRead(paths[file.path], read_as[file.path], file.format.above) for file in files),
        shown_lines.sort("file", "line"),
        files[0].format.delimiter,
        file_column,
    )


def _n_known(name: str, given: Mapping[str, str], fields: Sequence[str]) -> int:
    return number_of_known_columns(name, fields, given)


def _table_names(columns: Sequence[str], ours: Mapping[str, str]) -> dict[str, str]:
    """Name in the table for each column of a file: ours where it has a meaning.

    Line breaks and control characters in a name become blanks: names reach pictures and terminals.
    """
    by_theirs = {theirs: name for name, theirs in ours.items()}
    taken = {name.lower() for name in ours}
    names = {}
    for theirs in columns:
        shown = _UNPRINTABLE.sub(" ", theirs).strip()
        names[theirs] = by_theirs.get(theirs) or (
            f"{shown}_in_file" if shown.lower() in taken else shown
        )
    return names


def _same_name(name: str, known: Iterable[str]) -> str:
    """The name under which a column of another file is known already, whatever its case."""
    return next((other for other in known if other.lower() == name.lower()), name)


def _file_column(columns: Iterable[str]) -> str:
    """A name for the column with the file that no other column has."""
    taken = {column.lower() for column in columns}
    name = "_file"
    while name in taken:
        name += "_"
    return name


def _new_table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: Iterable[str],
    file_column: str,
    files: Iterable[str],
) -> str:
    """An empty table of texts; an enumeration keeps the names of the files small."""
    ((database,),) = connection.execute("select current_database()").fetchall()
    schema = f"{sql_name(database)}.{SCHEMA}"
    table = f"{schema}.{sql_name(name)}"
    listed = [f"{sql_name(column)} varchar" for column in columns]
    if file_column:
        values = ", ".join(map(sql_literal, files))
        listed.append(f"{sql_name(file_column)} enum ({values})")
    connection.execute(f"create schema if not exists {schema}")
    connection.execute(f"create or replace table {table} ({', '.join(listed)})")
    return table


def _load_group(
    connection: duckdb.DuckDBPyConnection, table: str, files: Sequence[_TextFile]
) -> tuple[dict[Path, str], pl.DataFrame]:
    """Load files of one format; those that need it, from a clean copy."""
    if not files[0].format.needs_copy:
        try:
            lines = _load(connection, table, [file.path for file in files], files[0])
        except _NeedsCopyError:
            if len(files) > 1:
                alone = [_load_group(connection, table, [file]) for file in files]
                return (
                    {path: text for read, _ in alone for path, text in read.items()},
                    pl.concat([noted for _, noted in alone]),
                )
        else:
            return {file.path: str(file.format) for file in files}, lines
    parts = [_load_copy(connection, table, file) for file in files]
    return (
        {file.path: text for file, (text, _) in zip(files, parts, strict=True)},
        pl.concat([noted for _, noted in parts]),
    )


def _load_copy(
    connection: duckdb.DuckDBPyConnection, table: str, file: _TextFile
) -> tuple[str, pl.DataFrame]:
    """Load one file through a clean copy.

    A quote that does not end swallows the lines after it. Its line is left out of the copy, and
    the rest is read again.
    """
    text = file.format
    if text.encoding == "utf-8" and not is_mostly_utf8(file.path, text.compression):
        ours = file.columns
        found = _columns_in(file.path, replace(text, encoding="windows-1252"))
        text = replace(text, encoding="windows-1252", columns=found)
        file = replace(
            file,
            format=text,
            columns=dict(zip(found, ours.values(), strict=True)),
        )
    dropped: dict[int, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.csv"
        plain = replace(text, encoding="utf-8", compression="", header_line=1)
        for _ in range(_MOST_ROUNDS):
            clean_copy(file.path, text, copy, dropped)
            try:
                lines = _load(
                    connection, table, [copy], replace(file, format=plain), takes_bad_bytes=True
                )
                break
            except _OpenQuotesError as error:
                dropped |= _lines_at(copy, error.positions, dropped)
        else:
            raise InputError(
                [
                    f"{file.path} has more than {len(dropped)} quotes that do not end; export it "
                    'with every " inside a value doubled'
                ]
            )
    noted = lines.with_columns(
        pl.lit(str(file.path)).alias("file"), pl.col("line") + text.header_line - 1
    )
    open_quotes = pl.DataFrame(
        [
            (None, str(file.path), line + text.header_line - 1, _REASONS["UNQUOTED VALUE"], value)
            for line, value in dropped.items()
        ],
        schema=LINES,
        orient="row",
    )
    return str(text), pl.concat([noted, open_quotes])


class _OpenQuotesError(Exception):
    """Quotes that do not end; where their lines begin, in bytes."""

    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__()
        self.positions = positions


def _columns_in(path: Path, text: FileFormat) -> tuple[str, ...]:
    """Names in the header once the encoding is known."""
    recoded = [
        name.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
        if "\ufffd" not in name
        else name
        for name in text.columns
    ]
    if not any("\ufffd" in name for name in text.columns):
        return tuple(recoded)
    found = text_format(path, lambda _: 0, 0)
    return found.columns if len(found.columns) == len(text.columns) else text.columns


def _lines_at(copy: Path, positions: Sequence[int], before: Mapping[int, str]) -> dict[int, str]:
    """Lines of the original that begin at the given bytes of the copy."""
    wanted, found = set(positions), {}
    place, original = 0, 0
    with copy.open("rb") as file:
        for line in file:
            original += 1
            while original in before:
                original += 1
            if place in wanted:
                found[original] = line.decode("utf-8", "replace").rstrip("\r\n")
            place += len(line)
    return found


def _load(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    paths: Sequence[Path],
    file: _TextFile,
    *,
    takes_bad_bytes: bool = False,
) -> pl.DataFrame:
    """Append files to a table; give the lines that were left out.

    Raises
    ------
    _NeedsCopyError
        If the files have several kinds of line ends, bytes that are not UTF-8, or quotes that do
        not end; nothing has been appended then.
    _OpenQuotesError
        The last of these, when a copy is read.
    """
    text = file.format
    columns = ", ".join(f"{sql_literal(name)}: 'VARCHAR'" for name in text.columns)
    listed = ", ".join(sql_literal(str(path)) for path in paths)
    compression = f", compression = '{text.compression}'" if text.compression else ""
    chosen = ", ".join(
        f"{sql_name(theirs)} as {sql_name(ours)}" for theirs, ours in file.columns.items()
    )
    filename = ""
    if file.file_column and len(paths) > 1:
        filename = f", filename = {sql_literal(file.file_column)}"
        # DuckDB 1.5 fails on a cast of the name itself
        chosen += f", {sql_name(file.file_column)} || '' as {sql_name(file.file_column)}"
    elif file.file_column:
        chosen += f", {sql_literal(file.shown)} as {sql_name(file.file_column)}"
    connection.execute("drop table if exists temp._intake_errors")
    connection.execute("drop table if exists temp._intake_scans")
    before = _n_rows(connection, table)
    connection.execute("begin")
    try:
        try:
            connection.execute(
                f"insert into {table} by name select {chosen} from read_csv([{listed}], "
                f"auto_detect = false, columns = {{{columns}}}, header = true, "
                f"skip = {text.header_line - 1}, delim = {sql_literal(text.delimiter)}, "
                "quote = '\"', escape = '\"', strict_mode = true, null_padding = false, "
                f"max_line_size = {_LONGEST_LINE}, store_rejects = true, rejects_limit = 0, "
                "rejects_table = '_intake_errors', rejects_scan = '_intake_scans'"
                f"{compression}{filename})"
            )
        except duckdb.InvalidInputException as error:
            if not takes_bad_bytes:
                raise _NeedsCopyError from error
            raise
        noted = connection.sql(
            """
            select
                scans.file_path as file,
                errors.line::bigint as line,
                errors.error_type::varchar as reason,
                coalesce(errors.csv_line, '') as text,
                errors.line_byte_position as position
            from temp._intake_errors as errors
            inner join temp._intake_scans as scans using (scan_id, file_id)
            qualify row_number() over (
                partition by scans.file_path, errors.line, errors.line_byte_position
                order by errors.column_idx, errors.error_type
            ) = 1
            order by file, line
            """
        ).pl()
        found = set(noted["reason"])
        if not takes_bad_bytes and (
            "UNQUOTED VALUE" in found
            or ("INVALID ENCODING" in found and not is_mostly_utf8(paths[0], text.compression))
        ):
            raise _NeedsCopyError  # noqa: TRY301 (rolled back below)
        swallowed = noted.filter(
            (pl.col("reason") == "UNQUOTED VALUE")
            & pl.col("text").str.strip_chars_end("\r\n").str.contains("\n", literal=True)
        )
        if swallowed.height:
            raise _OpenQuotesError(  # noqa: TRY301 (rolled back below)
                [int(place) - 1 for place in swallowed["position"]]
            )
        _check_nothing_is_lost(connection, table, paths, file, before, noted["text"])
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
    # a line of blanks is as empty as one without them, which DuckDB skips
    is_blank = (pl.col("reason") == "MISSING COLUMNS") & pl.col("text").str.contains(r"^\s+$")
    return (
        noted.filter(~is_blank)
        .select(
            pl.lit(None, pl.String).alias("input"),
            "file",
            # DuckDB counts a header of several lines as one
            pl.col("line") + text.header_height - 1,
            pl.col("reason").replace_strict(_REASONS, default="line cannot be read as CSV"),
            pl.col("text").str.strip_chars("\r\n"),
        )
        .match_to_schema(LINES)
    )


def _check_nothing_is_lost(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    paths: Sequence[Path],
    file: _TextFile,
    n_before: int,
    rejected: pl.Series,
) -> None:
    """Compare rows and rejected lines with the lines of the files.

    Raises
    ------
    InputError
        If a line is neither.
    """
    n_read = _n_rows(connection, table) - n_before
    n_in_rejected = int(rejected.str.strip_chars_end("\r\n").str.count_matches("\n").sum())
    n_known = n_read + rejected.len() + n_in_rejected
    if n_known == sum(number_of_line_ends(path, file.format) for path in paths):
        return
    names = [sql_name(name) for name in file.columns.values()]
    breaks = " + ".join(_occurrences(name, "chr(10)") for name in names)
    ((n_breaks,),) = connection.execute(
        f"select coalesce(sum({breaks}), 0) from (from {table} offset {n_before})"
    ).fetchall()
    if n_breaks:
        _check_no_lines_in_values(connection, f"(from {table} offset {n_before})", names, file)
    n_lines = sum(number_of_lines(path, file.format) for path in paths)
    # a line break in a value may be followed by an empty line, which is not counted as a line
    if n_known + int(n_breaks) < n_lines:
        raise InputError(
            [
                f"{paths[0]}: {n_lines - n_known - int(n_breaks):,} of {n_lines:,} lines were "
                "lost while the file was read; export it as plain CSV with one kind of line end"
            ]
        )


def _check_no_lines_in_values(
    connection: duckdb.DuckDBPyConnection, rows: str, names: Sequence[str], file: _TextFile
) -> None:
    """Find values that hold whole lines: two quotes that are not doubled enclose what is between.

    The k line ends in such a value bring k times the separators of a line with them.

    Raises
    ------
    InputError
        If there is such a value.
    """
    if len(names) <= _FEWEST_COLUMNS:
        return
    delimiter = sql_literal(file.format.delimiter)
    breaks = " + ".join(_occurrences(name, "chr(10)") for name in names)
    inside = " + ".join(
        f"if(contains({name}, chr(10)), {_occurrences(name, delimiter)}, 0)" for name in names
    )
    found = connection.execute(
        f"select count(*) over (), concat_ws({delimiter}, {', '.join(names)}) from {rows} "
        f"where {breaks} > 0 and {inside} = ({breaks}) * {len(names) - 1} limit 1"
    ).fetchone()
    if found:
        raise InputError(
            [
                f"{file.path} has {found[0]:,} value(s) that hold whole lines, such as "
                f"{found[1][:80]!r}; a quote inside a value is not doubled. Export the file again "
                'with every " inside a value doubled'
            ]
        )


def _occurrences(text: str, part: str) -> str:
    """SQL: how often a text of one character is in a column."""
    return f"coalesce(length({text}) - length(replace({text}, {part}, '')), 0)"


def _n_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    ((n_rows,),) = connection.execute(f"select count(*) from {table}").fetchall()
    return int(n_rows)


def _excel(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    location: str,
    paths: Mapping[Path, str],
    options: InputOptions,
) -> InputPlan:
    given = options.columns(name)
    problems: list[str] = []
    sheets: list[tuple[Sheet, dict[str, str]]] = []
    files: list[FileRead] = []
    sources: dict[str, str] = {}
    for path, shown in paths.items():
        try:
            sheet = read_sheet(path, name, given, options.sheet(name))
        except InputError as error:
            problems += [problem.replace(str(path), shown) for problem in error.problems]
            continue
        ours, missing = match_columns(name, sheet.header, given)
        twice = [column for column, n in Counter(sheet.header).items() if n > 1]
        wrong = [*missing, *(f"several columns are called {column!r}" for column in twice)]
        if days := _days_as_numbers(sheet, ours):
            wrong.append(days)
        problems += [f"{shown}, sheet {sheet.name!r}: {problem}" for problem in wrong]
        if wrong:
            continue
        names = _table_names(sheet.header, ours)
        sheets.append((sheet, names))
        sources |= {names[column]: column for column in sheet.header}
        files.append(FileRead(shown, f"Excel, sheet {sheet.name}", sheet.above, sheet.beside))
    if problems:
        raise InputError(problems)
    with_cells = frozenset(
        column
        for sheet, names in sheets
        for place, theirs in enumerate(sheet.header)
        if (column := names[theirs]) != "sold_on"
        and (options.column(name, column).decimal or _can_be_misread(sheet, place))
    )
    frames = [_frame(sheet, names, with_cells) for sheet, names in sheets]
    file_column = _file_column(sources) if len(files) > 1 else ""
    table = _new_table(connection, name, sources, file_column, [file.path for file in files])
    if file_column:
        frames = [
            frame.with_columns(pl.lit(file.path).alias(file_column))
            for frame, file in zip(frames, files, strict=True)
        ]
    rows_of_all = pl.concat(frames, how="diagonal")
    connection.register("_intake_rows", rows_of_all.to_arrow())
    connection.execute(f"insert into {table} by name select * from _intake_rows")
    connection.unregister("_intake_rows")
    types = dict.fromkeys(sources, "VARCHAR")
    return InputPlan(
        name,
        location,
        table,
        types,
        sources,
        rows_of_all.height,
        tuple(files),
        file_column=file_column,
        with_cells=with_cells,
    )


def _can_be_misread(sheet: Sheet, place: int) -> bool:
    """Whether a column has texts with a mark, or numbers that would be doubtful as texts."""
    return any(
        (_LIKE_THOUSANDS if isinstance(text, NumberText) else _WITH_MARK).search(text)
        for row in sheet.rows
        if (text := row[place]) is not None
    )


def _frame(sheet: Sheet, names: Mapping[str, str], with_cells: Collection[str]) -> pl.DataFrame:
    """The rows of a sheet, with the numbers of cells marked where texts could decide for them."""
    schema = {names[column]: pl.String for column in sheet.header}
    marked = [column in with_cells for column in schema]
    rows = [
        [
            f"{OF_A_CELL}{text}" if is_marked and isinstance(text, NumberText) else text
            for text, is_marked in zip(row, marked, strict=True)
        ]
        for row in sheet.rows
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _days_as_numbers(sheet: Sheet, ours: Mapping[str, str]) -> str:
    """Why the dates of a sheet are four years off; empty if they are not.

    A cell with the format of a date is read in the system of its workbook, a plain number is not.
    """
    if not sheet.counts_from_1904 or "sold_on" not in ours:
        return ""
    place = sheet.header.index(ours["sold_on"])
    days = [row[place] for row in sheet.rows if _DAYS.fullmatch(row[place] or "")]
    if not days:
        return ""
    return (
        f"the workbook counts days from 1904, and {len(days):,} dates in {ours['sold_on']!r} are "
        f"numbers such as {days[0]}; give the column the format of a date in Excel, and save"
    )


def _parquet(
    connection: duckdb.DuckDBPyConnection, name: str, location: str, options: InputOptions
) -> InputPlan:
    if Path(location).is_dir():
        location = f"{location}/**/*.parquet"
    if "://" not in location:
        with _local_files(connection, location):
            pass  # refuses a missing file and the same content twice
    elements = connection.execute(
        "select file_name, name, coalesce(num_children, 0) from parquet_schema(?)", [location]
    ).fetchall()
    schemas = [
        (path, [*_top_level([(name, n) for file, name, n in elements if file == path])])
        for path in sorted({file for file, _, _ in elements})
    ]
    problems = [
        f"{path}: {problem}"
        for path, columns in schemas
        for problem in match_columns(name, columns, options.columns(name))[1]
    ]
    if problems:
        raise InputError(problems)
    files = tuple(FileRead(path, "Parquet") for path, _ in schemas)
    file_column, filename = "", ""
    if len(files) > 1:
        file_column = _file_column(column for _, columns in schemas for column in columns)
        filename = f", filename = {sql_literal(file_column)}"
    reader = f"read_parquet({sql_literal(location)}, union_by_name = true{filename})"
    plan = native_plan(connection, name, location, reader, options, file_column=file_column)
    return replace(plan, files=files)


def _top_level(elements: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Names of the columns in a Parquet schema, whose elements are listed from the root down."""
    depths: list[int] = []
    for name, n_children in elements:
        if len(depths) == 1:
            yield name
        if depths:
            depths[-1] -= 1
        if n_children:
            depths.append(n_children)
        while len(depths) > 1 and depths[-1] == 0:
            depths.pop()


def native_plan(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    location: str,
    reader: str,
    options: InputOptions,
    on_engine: EngineSales | None = None,
    file_column: str = "",
) -> InputPlan:
    """Plan of a relation that has types of its own; only names change.

    Parameters
    ----------
    connection, name, location, options
        As for `read_input`.
    reader
        SQL of the relation.
    on_engine
        The sales of an engine whose columns the relation has.
    file_column
        Column of the relation with the name of the file.

    Raises
    ------
    InputError
        If a column is missing.
    """
    described = connection.execute(f"describe select * from {reader}").fetchall()
    types = {str(row[0]): str(row[1]) for row in described if row[0] != file_column}
    ours, problems = match_columns(name, list(types), options.columns(name))
    if problems:
        raise InputError([f"{location}: {problem}" for problem in problems])
    names = _table_names(list(types), ours)
    chosen = ", ".join(f"{sql_name(theirs)} as {sql_name(mine)}" for theirs, mine in names.items())
    file = f", {sql_name(file_column)}" if file_column else ""
    relation = f"(select {chosen}{file} from {reader})"
    if on_engine is None:
        n_rows = _n_rows(connection, relation)
    else:
        n_rows = on_engine.count()
        key = tuple(theirs for column in ID_COLUMNS for theirs in names if names[theirs] == column)
        on_engine = replace(on_engine, key=key, n_rows=n_rows)
    return InputPlan(
        name,
        location,
        relation,
        {names[theirs]: kind for theirs, kind in types.items()},
        {mine: theirs for theirs, mine in names.items()},
        n_rows,
        file_column=file_column,
        on_engine=on_engine,
    )


def _cause(error: duckdb.Error) -> str:
    """The first line of a message, which names the cause."""
    return str(error).partition("\n")[0].removeprefix("IO Error: ")


#: Every kind of file that an input can be read from.
FILE_KINDS: Final = (
    FileKind((".csv", ".tsv", ".txt"), _from_files(_text), compressed=(".gz", ".zst")),
    FileKind((".xlsx",), _from_files(_excel)),
    FileKind((".parquet", ".pq"), _parquet, has_types=True),
)
