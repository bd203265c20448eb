"""One small retailer written in many dialects: its money is read right, or it is refused."""

from __future__ import annotations

import datetime as dt
import gzip
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation.inputs.check import IntakeReport, check_data
from segmentation.inputs.names import InputError
from segmentation.inputs.options import InputOptions
from segmentation.inputs.text_files import text_format

pytestmark = pytest.mark.slow

TODAY: Final = dt.date(2026, 6, 30)
CODECS: Final = {
    "utf-8": "utf-8",
    "utf-8 with a mark": "utf-8-sig",
    "utf-16": "utf-16",
    "utf-16 big-endian": "utf-16-be",
    "windows-1252": "cp1252",
}
NAMES: Final = ("café", "thé", "Käse", "plain", "œuf")


@dataclass(frozen=True)
class Line:
    """A line of the sales as it was meant."""

    store: int
    product: int
    cents: int
    day: dt.date


@dataclass(frozen=True)
class Dialect:
    """How an export writes the lines."""

    codec: str
    delimiter: str
    line_end: str
    decimal: str
    thousands: str
    money: str
    minus: str
    date: str
    id_style: str
    title: str
    quotes: bool
    compressed: bool

    def amount(self, cents: int) -> str:
        """An amount as the export writes it."""
        mark = {".": ",", ",": "."}[self.decimal]
        mark = mark if self.thousands == "other mark" else self.thousands
        whole = f"{abs(cents) // 100:,}".replace(",", mark)
        text = f"{whole}{self.decimal}{abs(cents) % 100:02d}"
        if self.money == "no cents" and cents % 100 == 0:
            text = f"{whole}{self.decimal}{self.minus}"
        if cents < 0:
            text = {
                "parentheses": f"({text})",
                "accounting": f"({text})",
                "behind": f"{text}{self.minus}",
                "credit": f"{text} CR",
            }.get(self.money, f"{self.minus}{text}")
        if self.money == "accounting":
            return f"$ {text}" if cents else "$ -"
        return {"before": f"€ {text}", "after": f"{text} EUR", "yen": f"{text}元"}.get(
            self.money, text
        )

    def store(self, store: int) -> str:
        """A store id as the export writes it."""
        return {"float": f"{store}.0", "blank": f" {store}\u00a0"}.get(self.id_style, str(store))

    def write(self, folder: Path, lines: list[Line]) -> Path:
        """Write the sales."""
        rows = [["Store ID", "product_id", "SALES AMOUNT", "sold_on", "name"]]
        rows += [
            [
                self.store(line.store),
                f"p{line.product}",
                self.amount(line.cents),
                line.day.strftime(self.date),
                NAMES[line.product],
            ]
            for line in lines
        ]
        text = self.title + "".join(
            self.delimiter.join(self.quoted(value) for value in row) + self.line_end for row in rows
        )
        if self.codec == "windows-1252":
            text = text.translate({0x2212: "\u2013", 0x2011: "\u00ad", 0x5143: " CNY"})
        content = text.encode(CODECS[self.codec])
        path = folder / ("sales.csv.gz" if self.compressed else "sales.csv")
        path.write_bytes(gzip.compress(content) if self.compressed else content)
        return path

    def quoted(self, value: str) -> str:
        """A value, in quotes where the export writes them."""
        return f'"{value}"' if self.quotes or self.delimiter in value else value


DIALECTS: Final = st.builds(
    Dialect,
    codec=st.sampled_from(sorted(CODECS)),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    decimal=st.sampled_from([".", ","]),
    thousands=st.sampled_from(["", "'", " ", "\u00a0", "other mark"]),
    money=st.sampled_from(
        [
            *("plain", "before", "after", "parentheses", "accounting"),
            *("behind", "credit", "no cents", "yen"),
        ]
    ),
    minus=st.sampled_from("-\u2212\u2013\u2011\u00ad"),
    date=st.sampled_from(
        ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%Y-%m-%dT%H:%M:%S+01:00"]
    ),
    id_style=st.sampled_from(["plain", "float", "blank"]),
    title=st.sampled_from(["", "Sales report 2025\n\n", "sep={}\n"]),
    quotes=st.booleans(),
    compressed=st.booleans(),
)
LINES: Final = st.lists(
    st.builds(
        Line,
        store=st.integers(1, 3),
        product=st.integers(0, len(NAMES) - 1),
        cents=st.integers(-500_000, 150_000_000) | st.integers(-50, 50).map(lambda n: 100 * n),
        day=st.dates(dt.date(2025, 1, 1), dt.date(2025, 12, 31)),
    ),
    min_size=1,
    max_size=12,
)


def check(folder: Path, sales: Path, connection: duckdb.DuckDBPyConnection) -> IntakeReport:
    """Check the sales beside a map of products that is as it should be."""
    products = folder / "products.csv"
    rows = "".join(f"p{place},Food,{name}\n" for place, name in enumerate(NAMES))
    products.write_text(f"product_id,category,need_state\n{rows}", encoding="utf-8")
    inputs = {"sales": str(sales), "products": str(products)}
    return check_data(connection, inputs, InputOptions(), TODAY)


def read(
    connection: duckdb.DuckDBPyConnection, report: IntakeReport
) -> list[tuple[str, str, Decimal, dt.date, str]]:
    """The lines as staging would read them."""
    by_name = {column.column: column.sql for column in report.columns["sales"]}
    chosen = ", ".join(
        by_name[name] for name in ("store_id", "product_id", "sales_amount", "sold_on", "name")
    )
    return connection.execute(f"select {chosen} from {report.plans['sales'].relation}").fetchall()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(dialect=DIALECTS, lines=LINES, n_repeats=st.integers(0, 3))
def test_a_retailer_is_read_right_in_every_dialect_or_refused(
    dialect: Dialect, lines: list[Line], n_repeats: int
) -> None:
    lines = lines + lines[:n_repeats]
    if dialect.title.startswith("sep"):
        dialect = Dialect(**{**vars(dialect), "title": dialect.title.format(dialect.delimiter)})
    with tempfile.TemporaryDirectory() as name, duckdb.connect() as connection:
        sales = dialect.write(Path(name), lines)
        report = check(Path(name), sales, connection)
        days_differ = any(line.day.day <= 12 for line in lines)
        if not report.is_good:
            # only dates that no value decides, and sales that add up to nothing
            (problem,) = report.all_problems()
            if "there is nothing to segment" in problem:
                assert sum(line.cents for line in lines) <= 0
                return
            assert "no value decides" in problem
            assert days_differ
            assert "/" in dialect.date
            return
        assert sorted(read(connection, report)) == sorted(
            (
                str(line.store),
                f"p{line.product}",
                Decimal(line.cents) / 100,
                line.day,
                NAMES[line.product],
            )
            for line in lines
        )
        assert report.losses["sales"].n_accepted == len(lines)


@settings(max_examples=60, deadline=None)
@given(lines=LINES)
def test_amounts_with_unquoted_thousands_are_never_cut_silently(
    lines: list[Line],
) -> None:
    dialect = Dialect(
        "utf-8",
        ",",
        "\n",
        ".",
        "other mark",
        "plain",
        "-",
        "%Y-%m-%d",
        "plain",
        "",
        quotes=False,
        compressed=False,
    )
    with tempfile.TemporaryDirectory() as name, duckdb.connect() as connection:
        path = dialect.write(Path(name), lines)
        path.write_text(path.read_text(encoding="utf-8").replace('"', ""), encoding="utf-8")
        report = check(Path(name), path, connection)
        n_split = sum(abs(line.cents) >= 100_000 for line in lines)
        assert report.plans["sales"].lines.height == n_split
        assert report.is_good == (n_split == 0 and sum(line.cents for line in lines) > 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"sep=;\n", "is empty; there is nothing to read"),
        (b"sep=;", "is empty; there is nothing to read"),
        (b"\xff\xfe", "is empty; there is nothing to read"),
        (b"\xff\xfe\n\x00", "is empty; there is nothing to read"),
        (b"\xef\xbb\xbf", "is empty; there is nothing to read"),
        (b"store_id," + b"x" * 2_000_000 + b"\nS1,1", ": its first line does not end; check"),
        (b"x" * 2_000_000, ": its first line does not end; check"),
    ],
)
def test_a_file_without_a_line_is_refused_in_words(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "facts.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        text_format(path, len, 1)
    assert f"{path}{message}" in str(raised.value) or f"{path} {message}" in str(raised.value)
