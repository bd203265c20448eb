"""The same small retailer in every format; files that are damaged."""

from __future__ import annotations

import datetime as dt
import gzip
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pytest

from segmentation.inputs.check import check_data
from segmentation.inputs.names import InputError
from segmentation.inputs.options import InputOptions
from segmentation.inputs.reading import FILE_KINDS, read_input
from segmentation.settings import Settings
from tests.integration.helpers import is_listed

SALES: Final = pl.DataFrame(
    {
        "store_id": ["001", "001", "s2"],
        "product_id": ["p1", "p2", "p1"],
        "sales_amount": ["1234.50", "7", "-0.25"],
    }
)
#: Writes the sales to a file, by the ending of its name.
WRITERS: Final[dict[str, Callable[[Path], object]]] = {
    ".csv": SALES.write_csv,
    ".tsv": lambda path: SALES.write_csv(path, separator="\t"),
    ".txt": lambda path: SALES.write_csv(path, separator=";"),
    ".csv.gz": lambda path: path.write_bytes(gzip.compress(SALES.write_csv().encode())),
    ".csv.zst": lambda path: SALES.write_csv(path, compression="zstd", check_extension=False),
    ".xlsx": SALES.write_excel,
    ".parquet": SALES.write_parquet,
    ".pq": SALES.write_parquet,
}
#: Formats whose files say where they end.
COMPLETE_OR_NOT: Final = (".csv.gz", ".csv.zst", ".xlsx", ".parquet")


def written(folder: Path, ending: str) -> Path:
    """The sales in a file with the ending."""
    path = folder / f"sales{ending}"
    WRITERS[ending](path)
    return path


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)  # a whole path may be too long


def make_link_to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("make", [make_pipe, make_socket, make_link_to_device, Path.mkdir])
def test_what_is_no_file_is_refused_and_not_waited_for(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
    make: Callable[[Path], None],
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"sales{ending}"
    make(path)
    options = InputOptions({}, Settings({}))
    report = check_data(connection, {"demographics": str(path)}, options, dt.date(2026, 6, 30))
    ((message,),) = report.problems.values()
    if make is Path.mkdir and path.suffix in {".parquet", ".pq"}:  # Parquet files lie in folders
        assert "there is no such file" in message
    else:
        assert message.startswith(f"{path} is a folder, a pipe or a device, and no file; name a ")
        assert is_listed(message)


def test_a_location_that_is_too_long_for_a_file_is_refused(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(InputError):
        read_input(connection, "sales", f"/{'x' * 10_000}.csv", InputOptions({}, Settings({})))


@pytest.mark.parametrize("ending", WRITERS)
def test_every_format_gives_the_same_ids_and_money(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, ending: str
) -> None:
    path = written(tmp_path, ending)
    plan = read_input(connection, "sales", str(path), InputOptions({}, Settings({})))
    rows = connection.execute(
        "select store_id, product_id, sales_amount::decimal(18, 2)::varchar"
        f" from {plan.relation} order by all"
    ).fetchall()
    assert rows == [("001", "p1", "1234.50"), ("001", "p2", "7.00"), ("s2", "p1", "-0.25")]
    assert [file.path for file in plan.files] == [str(path)]


def test_every_kind_of_file_is_tried() -> None:
    endings = {ending for kind in FILE_KINDS for ending in kind.endings}
    assert endings <= {*WRITERS}


@pytest.mark.parametrize("ending", COMPLETE_OR_NOT)
def test_half_a_file_is_refused_by_its_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, ending: str
) -> None:
    path = written(tmp_path, ending)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=path.name):
        read_input(connection, "sales", str(path), InputOptions({}, Settings({})))


@pytest.mark.parametrize("name", ["~$sales.xlsx", "._sales.xlsx"])
def test_files_that_programs_leave_behind_are_not_read(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str
) -> None:
    SALES.write_excel(tmp_path / "sales.xlsx")
    (tmp_path / name).write_bytes(b"someone")
    options = InputOptions({}, Settings({}))
    plan = read_input(connection, "sales", str(tmp_path / "*.xlsx"), options)
    assert [file.path for file in plan.files] == [str(tmp_path / "sales.xlsx")]
    with pytest.raises(InputError, match="lock file of Excel"):
        read_input(connection, "sales", str(tmp_path / name), options)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_of_blanks_is_no_row(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, end: str
) -> None:
    path = tmp_path / "sales.csv"
    header, *rows = SALES.write_csv().splitlines()
    lines = [header, rows[0], "   ", rows[1], " \t ", "", rows[2], "x", "  "]
    path.write_bytes(end.join([*lines, ""]).encode())
    plan = read_input(connection, "sales", str(path), InputOptions({}, Settings({})))
    assert plan.n_rows == 3
    assert plan.lines["text"].to_list() == ["x"]
