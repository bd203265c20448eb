"""Read public retail files as they are and compare rows and money with another reader.

``python -m benchmarks.public_files FOLDER`` prints one line per file in the folder that is listed
here. The files are not part of this repository, since not all of them have a license; copies are
easy to find under the names below. None of them brings a table of products, so one is made of the
columns that say what a sale was. The other reader is Python's `csv` or openpyxl, which guess
nothing.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
from openpyxl import load_workbook

from segmentation.inputs.check import IntakeReport, check_data
from segmentation.inputs.options import InputOptions


@dataclass(frozen=True)
class PublicFile:
    """One file, and which of its columns are ours.

    Attributes
    ----------
    name, origin
        Name of the file, and what it is.
    columns
        The var `columns` of the sales, or of the facts about stores where there are no sales.
    category, need_state
        Columns that become the table of products; empty where there are no sales.
    formats
        The var `formats` of the sales.
    """

    name: str
    origin: str
    columns: Mapping[str, str]
    category: str = ""
    need_state: str = ""
    formats: Mapping[str, str] = field(default_factory=dict)


FILES: Final = (
    PublicFile(
        "Sample - Superstore.csv",
        "Tableau's sample of office supplies, United States",
        {"store_id": "City", "sales_amount": "Sales", "sold_on": "Order Date"},
        "Category",
        "Sub-Category",
    ),
    PublicFile(
        "supermarket_sales - Sheet1.csv",
        "receipts of a supermarket chain, Myanmar; two kinds of separators in the dates",
        {
            "store_id": "Branch",
            "product_id": "Product line",
            "sales_amount": "Total",
            "sold_on": "Date",
        },
        "Product line",
        "Product line",
    ),
    PublicFile(
        "sales_data_sample.csv",
        "orders of scale models from dealers worldwide; dates with times",
        {
            "store_id": "CUSTOMERNAME",
            "product_id": "PRODUCTCODE",
            "sales_amount": "SALES",
            "sold_on": "ORDERDATE",
        },
        "PRODUCTLINE",
        "PRODUCTLINE",
        {"STATUS": "ignore"},
    ),
    PublicFile(
        "IA_liquor_sales.csv",
        "one day of the liquor sales that the state of Iowa publishes",
        {
            "store_id": "store_number",
            "product_id": "item_number",
            "sales_amount": "sale_dollars",
            "sold_on": "date",
        },
        "state",
        "category_name",
    ),
    PublicFile(
        "Adidas US Sales Datasets.xlsx",
        "workbook of sportswear sold by retailers, United States",
        {
            "store_id": "City",
            "product_id": "Product",
            "sales_amount": "Total Sales",
            "sold_on": "Invoice Date",
        },
        "Product",
        "Product",
    ),
    PublicFile(
        "Vendas.xlsx",
        "workbook of clothes sold in shopping centers, Brazil; accents in names and header",
        {
            "store_id": "ID Loja",
            "product_id": "Produto",
            "sales_amount": "Valor Final",
            "sold_on": "Data",
        },
        "Produto",
        "Produto",
    ),
    PublicFile(
        "Walmart_Store_sales.csv",
        "weekly figures of 45 Walmart stores, read as facts about stores",
        {"store_id": "Store"},
    ),
)
TODAY: Final = dt.date(2026, 1, 1)


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a file, every cell exactly as written."""
    if path.suffix == ".xlsx":
        sheet = load_workbook(path, read_only=True, data_only=True).worksheets[0]
        header, *rows = sheet.iter_rows(values_only=True)
        names = [str(name) for name in header]
        yield from (dict(zip(names, row, strict=True)) for row in rows if any(row))
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def write_products(file: PublicFile, source: Path, target: Path) -> None:
    """Write the table of products that is inside the sales."""
    product = file.columns.get("product_id", "Product ID")
    found = {(row[product], row[file.category], row[file.need_state]) for row in rows_of(source)}
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["product_id", "category", "need_state"])
        writer.writerows(sorted(found, key=str))


def expected(file: PublicFile, path: Path) -> tuple[int, int, Decimal]:
    """Rows, rows that have all a sale needs, and the money in these."""
    n_rows, n_good, money = 0, 0, Decimal(0)
    for row in rows_of(path):
        n_rows += 1
        amount = row.get(file.columns.get("sales_amount", ""))
        if file.category and (amount in (None, "") or not row[file.need_state]):
            continue
        n_good += 1
        money += round(Decimal(str(amount)), 4) if file.category else 0
    return n_rows, n_good, money


def read(file: PublicFile, path: Path, products: Path) -> IntakeReport:
    """What the intake makes of the file."""
    name = "sales" if file.category else "demographics"
    inputs = {name: str(path)}
    if file.category:
        write_products(file, path, products)
        inputs["products"] = str(products)
    given = {"columns": {name: dict(file.columns)}, "formats": {name: dict(file.formats)}}
    options = InputOptions(given)
    with duckdb.connect() as connection:
        return check_data(connection, inputs, options, TODAY)


def line(file: PublicFile, path: Path) -> tuple[str, bool]:
    """Row of the table, and whether rows and money are equal."""
    with tempfile.TemporaryDirectory() as folder:
        report = read(file, path, Path(folder) / "products.csv")
    name = "sales" if file.category else "demographics"
    losses = report.losses[name]
    n_rows, n_good, money = expected(file, path)
    rejected = [loss for loss in losses.by_reason if loss.is_rejected]
    lost = sum(loss.money or 0.0 for loss in rejected)
    found = None if losses.money is None else losses.money - losses.returns - lost
    is_equal = (
        report.is_good
        and (losses.n_rows, losses.n_accepted) == (n_rows, n_good)
        and (found is None or abs(found - float(money)) < 0.005)
    )
    dates = next((c for c in report.columns[name] if c.column == "sold_on"), None)
    cells = (
        file.origin,
        f"{n_rows:,}",
        f"{losses.n_accepted:,}",
        "" if found is None else f"{found:,.2f}",
        "" if dates is None else f"{dates.format}, {dates.minimum} to {dates.maximum}",
        "; ".join(f"{loss.n_rows} {loss.reason}" for loss in rejected),
        "equal" if is_equal else f"DIFFERENT: {n_good:,} rows, {money:,.2f}",
    )
    return f"| {' | '.join(cells)} |", is_equal


def main() -> int:
    """Print the table; 1 if a file is read differently."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    print("| file | rows | accepted | money | dates | rejected | other reader |")  # noqa: T201
    print("|---|---|---|---|---|---|---|")  # noqa: T201
    all_equal = True
    for file in FILES:
        if (folder / file.name).exists():
            shown, is_equal = line(file, folder / file.name)
            print(shown)  # noqa: T201
            all_equal &= is_equal
    return 0 if all_equal else 1


if __name__ == "__main__":
    sys.exit(main())
