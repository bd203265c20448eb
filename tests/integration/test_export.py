"""The Excel workbook and the CSV files, read back."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import openpyxl
import pytest

from segmentation.publishing import workbook
from segmentation.publishing.published import published_file, published_tables
from segmentation.publishing.workbook import export

from .helpers import REPOSITORY, Built, is_listed


@pytest.fixture
def odd(small_build: Built, tmp_path: Path) -> Path:
    """A published file with values that spreadsheets are known to spoil."""
    path = tmp_path / "odd.duckdb"
    shutil.copyfile(small_build.project.published, path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            """
            create table segments.odd (
                store_id varchar, formula varchar, link varchar, long_text varchar, day date,
                amount decimal(18, 4), share double, is_open boolean, peers varchar[],
                n_rows bigint, size double
            );
            comment on column segments.odd.store_id is 'The id.';
            insert into segments.odd values
                (
                    '007', '=1+1', 'https://host/', repeat('x', 40000),
                    '2025-01-31', 12.5, 'nan', true, ['=1', '2'], 1234, 0.27
                ),
                ('1e5', '@sum', 'mailto:a@b', null, null, null, 'inf', false, null, null, null);
            insert into main.tables values ('segments', 'odd', 'One row per odd thing.', ['day']);
            """
        )
    return path


def test_every_mart_is_a_sheet_and_a_csv_file(small_build: Built, tmp_path: Path) -> None:
    file, csv_folder = export(small_build.project.published, tmp_path / "first")
    book = openpyxl.load_workbook(file)
    with published_file(small_build.project.published) as connection:
        tables = published_tables(connection)
    assert book.sheetnames[:3] == ["Segment summary", "Store segments", "Segment profiles"]
    n_business = sum(table.schema == "segments" for table in tables)
    assert book.sheetnames[n_business] == "Contents"
    assert len(book.sheetnames) == len(tables) + 1
    for table in tables:
        sheet = book[table.name.replace("_", " ").capitalize()]
        assert sheet.max_row == table.n_rows + 1
        assert sheet.freeze_panes == "A2"
        assert [cell.comment.text for cell in sheet[1] if cell.comment] == [
            f"{column.name}: {column.description}" for column in table.columns
        ]
        with (csv_folder / f"{table.schema}.{table.name}.csv").open(newline="") as stream:
            assert sum(1 for _ in csv.reader(stream)) == table.n_rows + 1
        widths = [dimension.width for dimension in sheet.column_dimensions.values()]
        assert all(8 <= width <= 61 for width in widths)
    summary = [cell.value for cell in book["Segment summary"][1]]
    assert {"Segment name", "Number of stores", "Share of sales"} <= set(summary)
    again, _ = export(small_build.project.published, tmp_path / "again")
    assert again.read_bytes() == file.read_bytes()


def test_ids_stay_text_and_nothing_becomes_a_formula_or_a_link(odd: Path, tmp_path: Path) -> None:
    file, _ = export(odd, tmp_path)
    sheet = openpyxl.load_workbook(file)["Odd"]
    first, second = sheet[2], sheet[3]
    assert [cell.value for cell in first[:3]] == ["007", "=1+1", "https://host/"]
    assert [cell.data_type for cell in (*first[:4], *second[:3])] == ["s"] * 7
    assert len(str(first[3].value)) == workbook.MAX_CHARACTERS
    assert (first[4].value.isoformat()[:10], first[5].value) == ("2025-01-31", 12.5)
    assert (first[6].value, second[6].value) == ("nan", "inf")
    assert (first[7].value, second[7].value) == (True, False)
    assert (first[8].value, first[8].data_type) == ("=1, 2", "s")
    assert second[8].value is None
    assert not any(cell.hyperlink for row in sheet for cell in row)


def test_numbers_are_shown_as_people_read_them(odd: Path, tmp_path: Path) -> None:
    file, _ = export(odd, tmp_path)
    book = openpyxl.load_workbook(file)
    first = book["Odd"][2]
    assert [first[place].number_format for place in (6, 9, 10)] == [
        "@",  # not a number
        "#,##0",
        "[>=1000]#,##0;0.00",
    ]
    summary = book["Segment summary"]
    place = [cell.value for cell in summary[1]].index("Share of sales")
    assert summary[2][place].number_format == "0.0%"


@pytest.mark.parametrize(
    ("currency", "number_format"),
    [
        ("€", '[>=1000]"€"#,##0;"€"0.00'),
        ("EUR", '[>=1000]#,##0" EUR";0.00" EUR"'),
        ('x"y', '[>=1000]#,##0" xy";0.00" xy"'),
    ],
)
def test_amounts_have_the_currency_that_the_build_was_given(
    odd: Path, tmp_path: Path, currency: str, number_format: str
) -> None:
    with duckdb.connect(str(odd)) as connection:
        connection.execute(
            "update governance.runs set vars = ?",
            [json.dumps({"segmentation": {"currency": currency}})],
        )
    file, _ = export(odd, tmp_path)
    book = openpyxl.load_workbook(file)
    assert book["Odd"][2][5].number_format == number_format
    summary = book["Segment summary"]
    heads = [cell.value for cell in summary[1]]
    for head in ("Sales amount", "Sales per store"):
        assert summary[2][heads.index(head)].number_format == number_format
    assert summary[2][heads.index("Cohesion")].number_format == "[>=1000]#,##0;0.00"


def test_a_csv_file_carries_no_formula_into_a_spreadsheet(odd: Path, tmp_path: Path) -> None:
    _, csv_folder = export(odd, tmp_path)
    with (csv_folder / "segments.odd.csv").open(newline="") as stream:
        first, second = csv.DictReader(stream)
    assert (first["formula"], second["formula"]) == ("'=1+1", "'@sum")
    assert (first["peers"], first["store_id"], first["amount"]) == ("'=1, 2", "007", "12.5000")


def test_rows_beyond_the_sheet_are_in_the_csv_file_and_said_so(
    odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MAX_ROWS", 2)
    file, csv_folder = export(odd, tmp_path)
    book = openpyxl.load_workbook(file)
    assert book["Odd"].max_row == 2
    (note,) = [row[2].value for row in book["Contents"] if row[0].value == "Odd"]
    assert str(note).startswith("The last 1 rows are in the CSV file only.")
    assert len((csv_folder / "segments.odd.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize("target", ["export", "lake", "postgres", None])
def test_without_a_published_build_each_command_says_how_to_make_one(
    tmp_path: Path, target: str | None
) -> None:
    command = ["publish.py", target] if target else ["sql.py"]
    path = tmp_path / "nothing.duckdb"
    done = subprocess.run(
        [sys.executable, *command, "--published", str(path)],
        cwd=REPOSITORY / "scripts",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    said = done.stderr.removeprefix(f"{target or 'sql'}: ").strip()
    assert said.startswith(f"there is no published build at {path}; make")
    assert is_listed(said)
