"""Write the example data of the project: five seeds, and the truth that only pytest reads.

300 selling stores (``T0001`` ...) and 5 planned ones (``P0001`` ...) of a made-up US retailer. In
every category a store belongs to one planted internal archetype (which need states it sells) and
stands in one of four external archetypes; the two are related, not the same. Fixed seeds, no wall
clock: the same bytes on every run. ``--check`` exits with 1, naming the files that differ.

Planted on purpose, in rows unless it says otherwise:
raw_sales      20 exact duplicates, 25 returns (negative amount, units -1), 12 zero amounts, 6
               ``NaN``, 6 ``inf``, 5 ``n/a``, 5 ``12,50 EUR``, 8 empty and 15 blank-padded store
               ids, 10 unknown product ids, 6 impossible dates, 40 sales of unclassified products
raw_products   5 empty need states, 5 empty categories, 6 exact duplicates
external       2 second rows in demographics (one identical, one with another income); in each file
               6 cells ``unknown`` (first column) and about 4 % empty (loyalty_survey_score 70 %)
stores         60 store-category pairs not sold, 6 selling stores without external rows, 4 stores
               with hardly any sales, 9 outliers in each lane (3 of them in both)
"""

import argparse
import csv
import io
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

PROJECT_ROOT = Path(__file__).resolve().parent.parent
SEED = 20_240_701
N_SELLING, N_PLANNED, N_WITHOUT_EXTERNAL, N_THIN, N_UNSOLD_PAIRS = 300, 5, 6, 4, 60
N_OUTLIERS, N_OUTLIERS_IN_BOTH, N_DUPLICATES, N_UNKNOWN_CELLS, N_UNCLASSIFIED_SALES = 9, 3, 6, 6, 4
PERIOD_STARTS = ("2024-07-01", "2025-01-01")  # a row sums the half-year from this day on
MEDIAN_SALES_USD, THIN_SALES_USD, SALES_SPREAD = 240_000.0, 350.0, 0.6  # a year; log-sd
POPULARITY_SPREAD, LIFT = 0.4, 1.0  # log-share: sd between need states; what an archetype adds
SHARE_NOISE, OUTLIER_NOISE = 0.5, 2.0  # sd of a store's log-shares around its archetype
FOLLOWS_EXTERNAL = 0.55  # probability that the external archetype decides the internal one
ASSORTMENT_GAP, LISTING = 0.005, 0.5  # probability to sell nothing of a need; to list a product
PRODUCTS_PER_NEED_STATE = (0.5, 0.3, 0.2)  # probabilities of 1, 2 and 3 products
TWO_NEED_STATES = 0.08  # probability that a product serves a second need state
MISSING_SHARE, MISSING_SHARES = 0.04, {"loyalty_survey_score": 0.70, "country_code": 0.0}
OUTLIER_FEATURES, OUTLIER_SHIFT = 0.4, 4.0  # share of the features moved; by how many spreads
MEAN_TO_MEDIAN_INCOME, LARGEST_SHARE = 1.24, 0.95
LABEL_STEPS = (-1, 0, 0, 0, 0, 1)  # how far a label strays from the archetype's own
PRODUCTS_HEADER = ("product_id", "product_name", "category", "need_state")
TRUTH_HEADER = ("lane", "scope", "store_id", "archetype", "is_outlier")

Row = tuple[str, ...]
Floats = NDArray[np.float64]
Roles = dict[str, list[str]]
Number = tuple[str, tuple[float, float, float, float], float, int]


class Category(NamedTuple):
    """A category and its archetypes: name, weight, need states that sell more than elsewhere."""

    name: str
    sales_share: float
    preferred: tuple[int, int, int, int]  # the archetype that goes with each external archetype
    need_states: tuple[str, ...]
    archetypes: tuple[tuple[str, float, tuple[str, ...]], ...]


class Sale(NamedTuple):
    """A row of raw_sales, as text, because some of it is meant to be wrong."""

    store_id: str
    product_id: str
    sold_on: str
    sales_amount: str
    units: str

    @property
    def price(self) -> float:
        """What one unit cost, while amount and units are still numbers."""
        return float(self.sales_amount) / int(self.units)


# fmt: off
BRANDS = ("Storehouse", "Petit Élan", "Kindly", "Trailhead", "Abuela Inés", "Root & Leaf", "Mabel")
SIZES = ("trial size", "regular", "large", "family size")
CATEGORIES = (
    Category("Baby & Family Care", 0.22, (2, 1, 0, 3), ("Newborn", "Sensitive", "Allergy",
         "Organic", "Value Pack", "On the Go", "Overnight", "Toddler", "Mom's Choice", "Purées"),
        (("family_stock_up", 0.32, ("Value Pack", "Overnight", "Toddler")),
         ("gentle_and_organic", 0.27, ("Sensitive", "Allergy", "Organic")),
         ("busy_parents", 0.21, ("On the Go", "Purées", "Overnight")),
         ("newborn_care", 0.20, ("Mom's Choice", "Newborn", "Sensitive")))),
    Category("Snacks", 0.36, (2, 1, 0, 4), ("Kids' Lunchbox", "Sharing Pack", "Value Pack",
         "On the Go", "Organic", "High Protein", "Low Sugar", "Gluten-free / Vegan", "Salty",
         "Sweet Treat", "Gourmet", "World Flavors", "Jalapeño & Spicy", "Late Night"),
        (("family_pantry", 0.18, ("Kids' Lunchbox", "Sharing Pack", "Value Pack")),
         ("wellness", 0.18, ("Organic", "High Protein", "Low Sugar", "Gluten-free / Vegan")),
         ("grab_and_go", 0.16, ("On the Go", "Late Night", "High Protein")),
         ("explorers", 0.28, ("Gourmet", "World Flavors", "Jalapeño & Spicy")),
         ("classic_treats", 0.20, ("Salty", "Sweet Treat", "Sharing Pack")))),
    Category("Household Cleaning", 0.24, (2, 1, 0, 3), ("Value Pack", "Concentrate / Refill", "Eco",
         "Sensitive", "Allergy", "Disinfecting", "Heavy Duty", "Fresh Scent", "Quick Clean",
         "Stain Removal", "Pet Owners", "Small Home"),
        (("bulk_and_tough", 0.36, ("Value Pack", "Heavy Duty", "Stain Removal")),
         ("green_home", 0.26, ("Eco", "Concentrate / Refill", "Sensitive")),
         ("quick_city", 0.22, ("Quick Clean", "Small Home", "Disinfecting")),
         ("pets_and_allergy", 0.16, ("Pet Owners", "Allergy", "Fresh Scent")))),
    Category("Oral Care", 0.18, (1, 1, 0, 2), ("Everyday", "Whitening", "Sensitive", "Children's",
         "Natural", "Gum Care", "Travel Size", "Value Pack"),
        (("basics", 0.45, ("Everyday", "Value Pack", "Children's")),
         ("cosmetic", 0.32, ("Whitening", "Natural", "Travel Size")),
         ("dental_health", 0.23, ("Sensitive", "Gum Care", "Everyday")))),
)
UNCLASSIFIED_PRODUCTS = (
    *((f"NEW{number}", f"Seasonal Display No. {number}", "Snacks", "") for number in range(1, 6)),
    *((f"NEW{number}", f"Supplier Sample No. {number}", "", "Eco") for number in range(6, 11)),
)
EXTERNAL_ARCHETYPES = ("dense_urban", "affluent_suburban", "value_town", "rural")
EXTERNAL_WEIGHTS = (0.31, 0.27, 0.25, 0.17)
# Numbers per file: median in each external archetype, log-sd within it, decimals to write.
NUMBERS: dict[str, tuple[Number, ...]] = {
    "raw_demographics": (("median_income_usd", (64_000, 98_000, 49_000, 54_000), 0.26, 0),
        ("population_density_per_sqkm", (5_200, 1_300, 800, 90), 0.83, 1),
        ("share_households_with_children", (0.21, 0.37, 0.32, 0.27), 0.26, 3),
        ("median_age_years", (34.0, 40.0, 38.5, 45.0), 0.12, 1),
        ("share_university_degree", (0.48, 0.52, 0.22, 0.18), 0.33, 3),
        ("unemployment_rate", (0.056, 0.033, 0.072, 0.051), 0.37, 3)),
    "raw_foot_traffic": (("visits_per_week", (15_500, 10_500, 8_200, 3_600), 0.47, 0),
        ("share_weekend_visits", (0.28, 0.39, 0.35, 0.33), 0.19, 3),
        ("share_evening_visits", (0.41, 0.29, 0.26, 0.19), 0.29, 3),
        ("dwell_minutes", (16.0, 31.0, 27.0, 29.0), 0.29, 1),
        ("parking_spaces", (35, 240, 150, 80), 0.61, 0)),
    "raw_competition": (("competitors_within_1km", (7.5, 2.6, 2.9, 0.6), 0.61, 0),
        ("competitors_within_5km", (44, 19, 12, 2.5), 0.50, 0),
        ("distance_nearest_discounter_km", (0.7, 2.4, 1.1, 9.5), 0.72, 2),
        ("loyalty_survey_score", (7.2, 7.6, 7.0, 7.4), 0.06, 1)),
}
LABELS = {  # per file, in the order of the external archetypes
    "raw_demographics": {
        "area_type": ("urban", "suburban", "town", "rural"), "country_code": ("US",) * 4},
    "raw_competition": {
        "nearest_competitor_format": ("convenience", "hypermarket", "discounter", "supermarket")},
}
# fmt: on


def generator(*stream: int) -> Generator:
    """Return the random generator of one part of the data, independent of the other parts."""
    return Generator(PCG64([SEED, *stream]))


def draw_roles(rng: Generator) -> Roles:
    """Name the stores and deal out the roles: role -> store ids."""
    selling = [f"T{number:04d}" for number in range(1, N_SELLING + 1)]
    planned = [f"P{number:04d}" for number in range(1, N_PLANNED + 1)]
    dealt = [selling[index] for index in rng.permutation(N_SELLING)]
    first_internal = N_WITHOUT_EXTERNAL + N_THIN
    first_external = first_internal + N_OUTLIERS - N_OUTLIERS_IN_BOTH
    return {
        "selling": selling,
        "located": sorted({*selling} - {*dealt[:N_WITHOUT_EXTERNAL]}) + planned,
        "thin": dealt[N_WITHOUT_EXTERNAL:first_internal],
        "internal_outliers": dealt[first_internal : first_internal + N_OUTLIERS],
        "external_outliers": dealt[first_external : first_external + N_OUTLIERS],
    }


def draw_products(rng: Generator, category: Category) -> tuple[list[Row], dict[str, list[Row]]]:
    """Draw 1 to 3 products per need state: raw_products rows, need state -> (id, price in USD)."""
    rows: list[Row] = []
    shelves: dict[str, list[Row]] = {need_state: [] for need_state in category.need_states}
    initials = "".join(word[0] for word in category.name.split() if word.isalpha())
    for position, own in enumerate(category.need_states):
        for _ in range(rng.choice((1, 2, 3), p=PRODUCTS_PER_NEED_STATE)):
            name = f"{rng.choice(BRANDS)} {own}, {rng.choice(SIZES)}"
            shelves[own].append((f"{initials}{101 + len(rows)}", f"{rng.integers(2, 15)}.99"))
            rows.append((shelves[own][-1][0], name, category.name, own))
            if rng.random() < TWO_NEED_STATES:
                rows.append((*rows[-1][:3], category.need_states[position - 1]))
    return rows, shelves


def draw_shares(rng: Generator, profile: Floats, *, is_outlier: bool) -> Floats:
    """Draw a store's need-state shares, which sum to one; an outlier ignores its archetype."""
    noise = rng.normal(0.0, OUTLIER_NOISE if is_outlier else SHARE_NOISE, len(profile))
    logs = noise if is_outlier else profile + noise
    weights = np.exp(logs) * (rng.random(len(profile)) >= ASSORTMENT_GAP)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def draw_sales(rng: Generator, store: str, shelf: Sequence[Row], usd: float) -> list[Sale]:
    """Spread a store's yearly sales of one need state over the products and the half-years."""
    is_listed = rng.random(len(shelf)) < LISTING
    is_listed[int(rng.integers(len(shelf)))] |= not is_listed.any()
    weights = np.exp(rng.normal(0.0, 0.4, len(shelf))) * is_listed
    first_half = 0.5 + rng.normal(0.0, 0.03)
    sales: list[Sale] = []
    for (product, price), weight in zip(shelf, weights / weights.sum(), strict=True):
        for sold_on, part in zip(PERIOD_STARTS, (first_half, 1 - first_half), strict=True):
            if units := round(float(usd * weight * part) / float(price)):
                amount = f"{units * float(price):.2f}"
                sales.append(Sale(store, product, sold_on, amount, str(units)))
    return sales


def internal_lane(roles: Roles, places: dict[str, int]) -> tuple[list[Row], list[Sale], list[Row]]:
    """Return the rows of raw_products, the clean sales and the truth of the internal lane."""
    medians = np.where(np.isin(roles["selling"], roles["thin"]), THIN_SALES_USD, MEDIAN_SALES_USD)
    totals = medians * np.exp(generator(2).normal(0.0, SALES_SPREAD, N_SELLING))
    is_unsold = generator(3).permutation(len(CATEGORIES) * N_SELLING) < N_UNSOLD_PAIRS
    products: list[Row] = []
    sales: list[Sale] = []
    truth: list[Row] = []
    for number, category in enumerate(CATEGORIES):
        rng = generator(4, number)
        rows, shelves = draw_products(rng, category)
        products += rows
        weights = [weight for _, weight, _ in category.archetypes]
        popularity = rng.normal(0.0, POPULARITY_SPREAD, len(shelves))
        for position, store in enumerate(roles["selling"]):
            drawn = rng.choice(len(weights), p=weights)
            follows = rng.random() < FOLLOWS_EXTERNAL
            archetype = category.preferred[places[store]] if follows else drawn
            name, _, sells_more = category.archetypes[archetype]
            profile = popularity + LIFT * np.isin(category.need_states, sells_more)
            is_outlier = store in roles["internal_outliers"]
            shares = draw_shares(rng, profile, is_outlier=is_outlier)
            if is_unsold[number * N_SELLING + position]:
                continue
            truth.append(("internal", category.name, store, name, str(is_outlier).lower()))
            for shelf, share in zip(shelves.values(), totals[position] * shares, strict=True):
                sales += draw_sales(rng, store, shelf, category.sales_share * share)
    return products, sales, truth


# How many rows of the sales go wrong, and what becomes of the n-th of them.
SALES_FAULTS: tuple[tuple[int, Callable[[Sale, int], list[Sale]]], ...] = (
    (20, lambda sale, _: [sale, sale]),
    (25, lambda sale, _: [sale, sale._replace(sales_amount=f"-{sale.price:.2f}", units="-1")]),
    (12, lambda sale, _: [sale, sale._replace(sales_amount="0.00", units="1")]),
    (12, lambda sale, nth: [sale._replace(sales_amount=("NaN", "inf")[nth % 2])]),
    (10, lambda sale, nth: [sale._replace(sales_amount=("n/a", "12,50 EUR")[nth % 2])]),
    (8, lambda sale, _: [sale._replace(store_id="")]),
    (15, lambda sale, nth: [sale._replace(store_id=sale.store_id.center(6 + nth % 3))]),
    (10, lambda sale, nth: [sale._replace(product_id=f"ZZ{900 + nth}")]),
    (6, lambda sale, nth: [sale._replace(sold_on=("2024-13-01", "2025-02-30", "Q3")[nth % 3])]),
)


def spoil_sales(rng: Generator, sales: Sequence[Sale]) -> list[Sale]:
    """Apply ``SALES_FAULTS`` to rows drawn without replacement; the order stays."""
    faults = [(fault, nth) for count, fault in SALES_FAULTS for nth in range(count)]
    rows = [[sale] for sale in sales]
    for index, (fault, nth) in zip(rng.permutation(len(rows)), faults, strict=False):
        rows[index] = fault(sales[index], nth)
    return [row for together in rows for row in together]


def draw_number(rng: Generator, number: Number, kinds: list[int], is_odd: list[bool]) -> list[str]:
    """Draw one number per store, as text, given its archetype and whether it is an outlier."""
    name, medians, spread, decimals = number
    noise = rng.normal(0.0, 1.0, len(kinds))
    shift = OUTLIER_SHIFT * np.sign(rng.random(len(kinds)) - 0.5)
    noise += shift * (rng.random(len(kinds)) < OUTLIER_FEATURES) * is_odd
    values = np.array(medians)[kinds] * np.exp(spread * noise)
    largest = LARGEST_SHARE if name.startswith("share_") else np.inf
    return [f"{min(value, largest):.{decimals}f}" for value in values]


def external_table(rng: Generator, name: str, roles: Roles, places: dict[str, int]) -> list[Row]:
    """Return one external file, header first: numbers, labels, and what is wrong with them."""
    stores = roles["located"]
    kinds = [places[store] for store in stores]
    is_odd = [store in roles["external_outliers"] for store in stores]
    columns = {number[0]: draw_number(rng, number, kinds, is_odd) for number in NUMBERS[name]}
    for column, options in LABELS.get(name, {}).items():
        strayed = np.clip(kinds + rng.choice(LABEL_STEPS, len(stores)), 0, len(options) - 1)
        columns[column] = [options[kind] for kind in strayed]
    if name == "raw_demographics":
        ratios = rng.normal(MEAN_TO_MEDIAN_INCOME, 0.015, len(stores))
        means = np.array(columns["median_income_usd"], dtype=np.float64) * ratios
        columns["mean_income_usd"] = [f"{mean:.0f}" for mean in means]
    for column, cells in columns.items():
        is_kept = rng.random(len(stores)) >= MISSING_SHARES.get(column, MISSING_SHARE)
        columns[column] = [cell * int(kept) for cell, kept in zip(cells, is_kept, strict=True)]
    for index in rng.permutation(len(stores))[:N_UNKNOWN_CELLS]:
        columns[NUMBERS[name][0][0]][index] = "unknown"
    rows = list(zip(stores, *columns.values(), strict=True))
    if name == "raw_demographics":
        complete = [row for row in rows if row[1].isdigit()]
        same, other = (complete[index] for index in rng.permutation(len(complete))[:2])
        rows += [same, (other[0], str(int(other[1]) + 7_500), *other[2:])]
    return [("store_id", *columns), *rows]


def csv_bytes(rows: Iterable[Row]) -> bytes:
    """Write rows as UTF-8 CSV with Unix line ends, quoted where needed."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def build_files() -> dict[str, bytes]:
    """Return every file: path in the project -> content."""
    roles = draw_roles(generator(0))
    stores = roles["selling"] + roles["located"][-N_PLANNED:]
    kinds = generator(1).choice(len(EXTERNAL_WEIGHTS), len(stores), p=EXTERNAL_WEIGHTS).tolist()
    places = dict(zip(stores, kinds, strict=True))
    products, sales, truth = internal_lane(roles, places)
    twice = set(generator(5).permutation(len(products))[:N_DUPLICATES].tolist())
    buyers = generator(6).permutation(N_SELLING).tolist()
    for product in UNCLASSIFIED_PRODUCTS * N_UNCLASSIFIED_SALES:
        store = roles["selling"][buyers.pop()]
        sales.append(Sale(store, product[0], PERIOD_STARTS[1], "59.94", "6"))
    for store in roles["located"]:
        is_outlier = str(store in roles["external_outliers"]).lower()
        archetype = EXTERNAL_ARCHETYPES[places[store]]
        truth.append(("external", "external", store, archetype, is_outlier))
    tables: dict[str, list[Row]] = {
        f"seeds/{name}.csv": external_table(generator(8, number), name, roles, places)
        for number, name in enumerate(NUMBERS)
    }
    tables["seeds/raw_sales.csv"] = [Sale._fields, *spoil_sales(generator(7), sorted(sales))]
    listed = [row for index, row in enumerate(products) for _ in range(1 + (index in twice))]
    tables["seeds/raw_products.csv"] = [PRODUCTS_HEADER, *listed, *UNCLASSIFIED_PRODUCTS]
    tables["tests/data/planted_archetypes.csv"] = [TRUTH_HEADER, *truth]
    return {path: csv_bytes(table) for path, table in tables.items()}


def write_or_check(
    files: Mapping[str, bytes], description: str, arguments: Sequence[str] | None
) -> int:
    """Write files below the project's folder, or compare them with what is there.

    Parameters
    ----------
    files
        Path in the project -> content.
    description
        What the command does, for its help.
    arguments
        Of the command line; by default those that the program was called with.

    Returns
    -------
    int
        Exit code: 1 if a compared file differs.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--output", type=Path, default=PROJECT_ROOT, help="project folder")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    exit_code = 0
    for name, content in files.items():
        path = options.output / name
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            sys.stdout.write(f"{path}: {len(content):,} bytes\n")
        elif not path.is_file() or path.read_bytes() != content:
            sys.stderr.write(f"differs: {path}\n")
            exit_code = 1
    return exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the files; return the exit code."""
    return write_or_check(build_files(), "Write the example data, or check it.", arguments)


if __name__ == "__main__":
    sys.exit(main())
