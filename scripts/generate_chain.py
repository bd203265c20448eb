"""Write the Excel workbooks of the worked example: a small chain as its office would export it.

60 coffee-and-snack shops of a made-up German chain. Three kinds of shops differ in what they sell,
two kinds of places in who lives nearby. Sales have a title above the header, dates with the day
first, amounts as text with a decimal comma, and returns. The seed is fixed and there is no clock:
the same bytes on every run. ``--check`` exits with 1, naming the files that differ.
"""

from __future__ import annotations

import datetime as dt
import io
import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xlsxwriter

from scripts.generate_seeds import write_or_check

SEED: Final = 20_260_105
N_STORES: Final = 60
QUARTERS: Final = (dt.date(2025, 7, 31), dt.date(2025, 10, 31))
N_RETURNS: Final = 20
#: Category: need state: products.
PRODUCTS: Final = {
    "Coffee": {
        "Espresso": ("Ristretto", "Espresso Doppio"),
        "Milk Coffee": ("Cappuccino", "Flat White", "Latte"),
        "Iced Coffee": ("Cold Brew", "Iced Latte"),
        "Decaf": ("Decaf Cappuccino",),
        "Beans to Take Home": ("House Blend 250 g", "House Blend 1 kg"),
    },
    "Snacks": {
        "Breakfast": ("Croissant", "Porridge"),
        "Lunch": ("Sandwich", "Soup", "Salad"),
        "Sweet Treats": ("Brownie", "Cheesecake"),
        "Healthy Snacks": ("Fruit Cup", "Nut Mix"),
        "To Share": ("Cookie Box",),
    },
}
#: What a kind of shop sells more of than the others: factors by need state.
KINDS: Final = {
    "commuter": {"Espresso": 2.2, "Breakfast": 2.5, "Decaf": 0.6, "To Share": 0.5},
    "student": {"Iced Coffee": 2.4, "Sweet Treats": 1.8, "Healthy Snacks": 1.7, "Espresso": 0.7},
    "family": {"Beans to Take Home": 2.4, "To Share": 2.6, "Lunch": 1.5, "Iced Coffee": 0.6},
}
SHARE_NOISE: Final = 0.16
#: Towns with latitude and longitude in degrees.
TOWNS: Final = {"Köln": (50.94, 6.96), "Bonn": (50.73, 7.10), "Düsseldorf": (51.23, 6.78)}


def workbook(title: str | None, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return a workbook of one sheet; dates are real dates of Excel."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        book.set_properties({"created": dt.datetime(2026, 1, 5)})
        sheet = book.add_worksheet("Export")
        day = book.add_format({"num_format": "dd.mm.yyyy"})
        bold = book.add_format({"bold": True})
        first = 0
        if title:
            sheet.write(0, 0, title, bold)
            first = 2
        sheet.write_row(first, 0, header, bold)
        for number, row in enumerate(rows, first + 1):
            for place, value in enumerate(row):
                if isinstance(value, dt.date):
                    sheet.write_datetime(number, place, dt.datetime.combine(value, dt.time()), day)
                else:
                    sheet.write(number, place, value)
    return content.getvalue()


def german(amount: float) -> str:
    """An amount as German offices write it: `1.234,50 €`."""
    return f"{amount:,.2f} €".translate(str.maketrans(",.", ".,"))


def build_files() -> dict[str, bytes]:
    """Return every file: path in the project -> content."""
    rng = np.random.default_rng(SEED)
    products = [
        (4000 + number, name, category, need)
        for number, (category, need, name) in enumerate(
            (category, need, name)
            for category, needs in PRODUCTS.items()
            for need, names in needs.items()
            for name in names
        )
    ]
    kinds = rng.permutation(np.repeat([*KINDS], N_STORES // len(KINDS)))
    is_city = rng.random(N_STORES) < np.where(kinds == "family", 0.2, 0.75)
    towns = rng.choice([*TOWNS], N_STORES)
    base = {need: rng.uniform(0.8, 1.25) for needs in PRODUCTS.values() for need in needs}
    sales: list[tuple[Any, ...]] = []
    stores: list[tuple[Any, ...]] = []
    for number in range(N_STORES):
        store = f"F{number + 1:03d}"
        size = rng.lognormal(np.log(9_000), 0.35)
        for product, _, _, need in products:
            share = base[need] * KINDS[kinds[number]].get(need, 1.0)
            share *= np.exp(rng.normal(0, SHARE_NOISE))
            for quarter in QUARTERS:
                amount = size * share * np.exp(rng.normal(0, 0.1)) / len(products)
                sales.append((store, product, quarter, german(amount)))
        city = bool(is_city[number])
        latitude, longitude = TOWNS[towns[number]]
        spread = 0.03 if city else 0.15
        stores.append(
            (
                store,
                towns[number],
                str(rng.choice(["Hauptstraße", "Bahnhof"])),
                round(float(rng.normal(9_500 if city else 2_100, 700 if city else 350))),
                round(float(rng.normal(34 if city else 44, 1.8)), 1),
                f"{rng.normal(31 if city else 9, 3):.1f} %".replace(".", ","),
                int(rng.poisson(9 if city else 2)),
                round(float(latitude + rng.normal(0, spread)), 5),
                round(float(longitude + rng.normal(0, spread)), 5),
            )
        )
    for place in rng.permutation(len(sales))[:N_RETURNS].tolist():
        store, product, quarter, _ = sales[place]
        sales.append((store, product, quarter, "-" + german(float(rng.uniform(3, 20)))))
    return {
        "demo/chain/sales.xlsx": workbook(
            "Net sales per shop and item, second half of 2025",
            ("Shop", "Item No", "Quarter End", "Net Sales"),
            sorted(sales, key=lambda row: (row[0], row[2], row[1])),
        ),
        "demo/chain/items.xlsx": workbook(
            None, ("Item No", "Item", "Category", "Need State"), products
        ),
        "demo/chain/shops.xlsx": workbook(
            None,
            (
                "Shop",
                "Town",
                "Street",
                "Inhabitants per sqkm",
                "Median age years",
                "Share of students",
                "Cafes within 500 m",
                "Latitude",
                "Longitude",
            ),
            stores,
        ),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the files; return the exit code."""
    return write_or_check(build_files(), "Write the files of the worked example.", arguments)


if __name__ == "__main__":
    sys.exit(main())
