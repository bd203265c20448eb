"""Random files of sales, products and facts about stores, with money that is known to the cent.

``python -m tests.fuzz_intake [--minutes 10] [--seed N] [--staging 0]`` writes files in random
dialects with random damage, checks them as ``make check-data`` does, and stops at the first file
with a traceback, with a message that docs/errors.md does not have, or with money that is wrong:

- an amount that nobody wrote is read, or one that was written is missing, while nothing is refused;
- accepted rows, rejected rows and lines that cannot be read are not all the rows of the file.

A share of the files (`--staging`, every n-th) is also staged by the real dbt, which has to accept
the same money. The seed of a failure is shown, and `--seed` repeats it.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import io
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import duckdb
import polars as pl
from openpyxl import Workbook

from segmentation.inputs.check import IntakeReport, check_data
from segmentation.inputs.losses import UNKNOWN_PRODUCT
from segmentation.inputs.options import InputOptions
from segmentation.inputs.select import select_of
from segmentation.inputs.sql_text import tidy_id
from tests.integration.helpers import OWN_INPUTS, Project, is_listed

TODAY: Final = dt.date(2026, 6, 30)
ENCODINGS: Final = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "cp1252", "utf-16")
SEPARATORS: Final = (",", ",", ";", "\t", "|")
#: Decimal mark and mark between thousands.
NUMBERS: Final = ((".", ""), (".", ","), (",", ""), (",", "."), (",", "\u00a0"), (".", "'"))
CURRENCIES: Final = ("{}", "{}", "{}", "${}", "{} €", "€ {}", "{} EUR", "USD {}")
NEGATIVES: Final = ("-{}", "-{}", "{}-", "({})", "\u2212{}")
DAYS: Final = (
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%Y%m%d",
    "%d-%b-%Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d",
)
HEADERS: Final[dict[str, tuple[str, ...]]] = {
    "store_id": ("store_id", "Store ID", "STORE_ID", "storeid", " store id "),
    "product_id": ("product_id", "Product_ID", "PRODUCT ID", "ProductId"),
    "sold_on": ("sold_on", "Sold On", "SOLD_ON"),
    "sales_amount": ("sales_amount", "Sales Amount", "SalesAmount"),
    "units": ("units", "Units", "UNITS"),
}
NO_AMOUNT: Final = ("", "n/a", "-", "NULL", "#REF!", "unknown", "tbd")


@dataclass
class Case:
    """Files, and what is true about them.

    Attributes
    ----------
    inputs
        Location by name.
    amounts
        Amounts of the sales that have to be read, each as often as it was written.
    n_rows
        Rows of the file of sales, including those that must be rejected.
    separator
        Mark between two values of the file of sales.
    is_soft
        Whether good lines may be lost with a damaged one, as in an open quote.
    what
        The dialect and the damage, for the message.
    """

    inputs: dict[str, str] = field(default_factory=dict)
    amounts: Counter[Decimal] = field(default_factory=Counter)
    n_rows: int = 0
    separator: str = ","
    is_soft: bool = False
    what: dict[str, Any] = field(default_factory=dict)


class WrongError(Exception):
    """What the intake got wrong."""


def grouped(digits: str, mark: str) -> str:
    """Digits with a mark before every third from the right."""
    first = len(digits) % 3 or 3
    return mark.join([digits[:first], *(digits[i : i + 3] for i in range(first, len(digits), 3))])


def written(amount: Decimal, places: int, marks: tuple[str, str], currency: str, minus: str) -> str:
    """An amount as an export writes it."""
    whole, _, fraction = f"{abs(amount):.{places}f}".partition(".")
    text = grouped(whole, marks[1]) if marks[1] else whole
    text = currency.format(text + (marks[0] + fraction if fraction else ""))
    return minus.format(text) if amount < 0 else text


def case_of(seed: int, folder: Path) -> Case:
    """Write the files of a seed."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    case = Case()
    places = rng.choice((2, 2, 2, 2, 0, 1, 3, 4))
    largest = rng.choice((10, 100, 2_000, 50_000, 3_000_000))
    stores = next(rng.choice(("S{:03d}", "{}", "{:04d}", "Filiale {}")) for _ in range(1))
    store_ids = [stores.format(n) for n in range(1, rng.randint(3, 40))]
    product_ids = [f"P{n}" for n in range(1, rng.randint(3, 15))]
    first = dt.date(2025, 1, 1)
    return_share = rng.choice((0.0, 0.0, 0.02, 0.1))
    rows: list[tuple[str, str, dt.date, Decimal, int]] = []
    for _ in range(rng.randint(20, 500)):
        # skewed, as sales are, and rarely zero
        value = Decimal(repr(largest * rng.random() ** 3)).quantize(Decimal(1).scaleb(-places))
        if rng.random() < return_share:
            value = -value
        rows.append(
            (
                rng.choice(store_ids),
                rng.choice(product_ids),
                first + dt.timedelta(days=rng.randrange(400)),
                value,
                rng.randint(1, 9),
            )
        )
    case.amounts = Counter(row[3] for row in rows)
    case.n_rows = len(rows)
    kind = rng.choices(("csv", "xlsx", "parquet"), (0.8, 0.08, 0.12))[0]
    case.what = {"kind": kind, "places": places, "rows": len(rows)}
    names = {ours: rng.choice(theirs) for ours, theirs in HEADERS.items()}
    if kind == "csv":
        _write_csv(case, rng, folder, rows, names, places)
    elif kind == "xlsx":
        _write_workbook(case, rng, folder, rows, names)
    else:
        _write_parquet(case, rng, folder, rows, names)
    _write_products(case, rng, folder, product_ids)
    if rng.random() < 0.5:
        _write_external(case, rng, folder, store_ids)
    return case


def _write_csv(
    case: Case,
    rng: random.Random,
    folder: Path,
    rows: list[tuple[str, str, dt.date, Decimal, int]],
    names: dict[str, str],
    places: int,
) -> None:
    encoding, separator, day = rng.choice(ENCODINGS), rng.choice(SEPARATORS), rng.choice(DAYS)
    case.separator = separator
    marks, currency, minus = rng.choice(NUMBERS), rng.choice(CURRENCIES), rng.choice(NEGATIVES)
    if encoding == "cp1252":
        minus = minus.replace("\u2212", "-")
    quoting: Literal[0, 1] = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    columns = ["store_id", "product_id", "sold_on", "sales_amount", "units"]
    for column, share in (("sold_on", 0.2), ("units", 0.3)):
        if rng.random() < share:
            columns.remove(column)
    rng.shuffle(columns)
    notes = rng.random() < 0.3
    header = [names[column] for column in columns] + (["note"] * notes)

    def values(row: tuple[str, str, dt.date, Decimal, int], amount: str | None = None) -> list[str]:
        texts = {
            "store_id": row[0],
            "product_id": row[1],
            "sold_on": row[2].strftime(day),
            "sales_amount": written(row[3], places, marks, currency, minus)
            if amount is None
            else amount,
            "units": str(row[4]),
        }
        note = [rng.choice(("", "Käse", "a, b; c", 'say "hi"', "x|y"))] if notes else []
        return [texts[column] for column in columns] + note

    def line(cells: list[str]) -> str:
        out = io.StringIO()
        csv.writer(out, delimiter=separator, quoting=quoting, lineterminator="").writerow(cells)
        return out.getvalue()

    lines = [line(values(row)) for row in rows]
    damage = rng.sample(sorted(DAMAGE), rng.choice((0, 0, 1, 1, 2)))
    for name in damage:
        DAMAGE[name](case, rng, lines, lambda amount: line(values(rng.choice(rows), amount)))
    if "total" in damage:
        total = sum((row[3] for row in rows), Decimal())
        label = rng.choice(("Total", "TOTAL", "Grand Total", "Gesamt", ""))
        cells = ["" for _ in header]
        cells[columns.index("store_id")] = label
        cells[columns.index("sales_amount")] = written(total, places, marks, currency, minus)
        lines.append(line(cells))
        case.n_rows += 1
    if "header again" in damage:
        lines.insert(rng.randrange(1, len(lines)), line(header))
        case.n_rows += 1
    above = rng.choice(
        ([], [], [], [], ["Sales report"], ["Sales report", ""], [f"sep={separator}"])
    )
    if above and above[0].startswith("sep=") and encoding == "utf-8-sig":
        above = []
    end = rng.choice(("\n", "\n", "\r\n"))
    last = rng.choice((end, end, "", end * 3))
    data = (end.join([*above, line(header), *lines]) + last).encode(encoding)
    if "bad bytes" in damage and encoding == "utf-8" and notes:
        data = data.replace("Käse".encode(), b"K\xe4se", 1)
        case.is_soft = True
    if "NUL" in damage and encoding != "utf-16":
        at = rng.randrange(len(data) // 2, len(data))
        data = data[:at] + b"\0" * rng.choice((1, 1, 50)) + data[at:]
        case.is_soft = True
    path = folder / f"sales{rng.choice(('.csv', '.csv', '.txt', '.tsv'))}"
    path.write_bytes(data)
    case.inputs["sales"] = str(path)
    case.what |= {
        "encoding": encoding,
        "separator": separator,
        "marks": marks,
        "currency": currency,
        "minus": minus,
        "day": day,
        "quoting": quoting,
        "columns": columns,
        "damage": damage,
        "above": above,
    }


def _no_amount(
    case: Case, rng: random.Random, lines: list[str], line: Callable[[str], str]
) -> None:
    for _ in range(rng.randint(1, 3)):
        lines.insert(rng.randrange(len(lines)), line(rng.choice(NO_AMOUNT)))
        case.n_rows += 1


def _cut(case: Case, rng: random.Random, lines: list[str], line: Callable[[str], str]) -> None:
    """One more line, of which the first value is left."""
    text = line("1")
    lines.insert(rng.randrange(len(lines)), text.partition(case.separator)[0])
    case.n_rows += 1
    case.is_soft = True


def _more_values(
    case: Case, rng: random.Random, lines: list[str], line: Callable[[str], str]
) -> None:
    text = line("7")
    lines.insert(rng.randrange(len(lines)), case.separator.join([text, "more", "values"]))
    case.n_rows += 1
    case.is_soft = True  # "a, b; c" in the note


def _open_quote(
    case: Case, rng: random.Random, lines: list[str], line: Callable[[str], str]
) -> None:
    at = rng.randrange(len(lines))
    lines[at] = '"' + lines[at]
    del line
    case.is_soft = True


def _blank_lines(
    case: Case, rng: random.Random, lines: list[str], line: Callable[[str], str]
) -> None:
    """Blank lines, which say nothing."""
    del case, line
    for _ in range(rng.randint(1, 3)):
        lines.insert(rng.randrange(len(lines)), rng.choice(("", "", "   ")))


def _nothing(*_: object) -> None:
    """Done where the file is put together."""


DAMAGE: Final[dict[str, Callable[..., None]]] = {
    "no amount": _no_amount,
    "cut": _cut,
    "more values": _more_values,
    "open quote": _open_quote,
    "blank lines": _blank_lines,
    "total": _nothing,
    "header again": _nothing,
    "bad bytes": _nothing,
    "NUL": _nothing,
}


def _write_workbook(
    case: Case,
    rng: random.Random,
    folder: Path,
    rows: list[tuple[str, str, dt.date, Decimal, int]],
    names: dict[str, str],
) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for _ in range(rng.choice((0, 0, 2))):
        sheet.append(["Sales report"])
    sheet.append([names[column] for column in HEADERS if column in names])
    as_text = rng.random() < 0.3
    for store, product, day, amount, units in rows:
        sheet.append([store, product, day, str(amount) if as_text else float(amount), units])
    path = folder / "sales.xlsx"
    book.save(path)
    case.inputs["sales"] = str(path)
    case.what |= {"as_text": as_text}


def _write_parquet(
    case: Case,
    rng: random.Random,
    folder: Path,
    rows: list[tuple[str, str, dt.date, Decimal, int]],
    names: dict[str, str],
) -> None:
    frame = pl.DataFrame(
        {
            names["store_id"]: [row[0] for row in rows],
            names["product_id"]: [row[1] for row in rows],
            names["sold_on"]: [row[2] for row in rows],
            names["sales_amount"]: [row[3] for row in rows],
            names["units"]: [row[4] for row in rows],
        },
        schema_overrides={names["sales_amount"]: pl.Decimal(18, 4)},
    )
    amount, day = pl.col(names["sales_amount"]), pl.col(names["sold_on"])
    of_amount = rng.choice(
        (amount, amount.cast(pl.Decimal(38, 6)), amount.cast(pl.Float64), amount.cast(pl.String))
    )
    of_day = rng.choice(
        (
            day,
            day.cast(pl.Datetime("us")),
            day.cast(pl.Datetime("ns", "Asia/Kolkata")),
            day.cast(pl.String),
        )
    )
    store = pl.col(names["store_id"])
    of_store = rng.choice((store, store.cast(pl.Categorical), store.cast(pl.Binary)))
    frame = frame.with_columns(of_amount, of_day, of_store)
    path = folder / "sales.parquet"
    frame.write_parquet(path)
    case.inputs["sales"] = str(path)
    case.what |= {"types": dict(frame.schema)}


def _write_products(case: Case, rng: random.Random, folder: Path, product_ids: list[str]) -> None:
    frame = pl.DataFrame(
        {
            "product_id": product_ids,
            "category": [rng.choice(("Bread", "Käse", "Wine")) for _ in product_ids],
            "need_state": [rng.choice(("a", "b", "c")) for _ in product_ids],
        }
    )
    if rng.random() < 0.2:
        case.inputs["products"] = str(folder / "products.parquet")
        frame.write_parquet(folder / "products.parquet")
        return
    text = frame.write_csv(separator=rng.choice(SEPARATORS))
    case.inputs["products"] = str(folder / "products.csv")
    (folder / "products.csv").write_bytes(text.encode(rng.choice(ENCODINGS)))


def _write_external(case: Case, rng: random.Random, folder: Path, store_ids: list[str]) -> None:
    separator, marks = rng.choice(SEPARATORS), rng.choice(NUMBERS)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerow(["store_id", "income", "area", rng.choice(("opened", "Öffnung", "x" * 300))])
    for store in store_ids:
        income = Decimal(rng.randrange(1_000_000, 9_000_000)).scaleb(-2)
        opened = dt.date(2000, 1, 1) + dt.timedelta(days=rng.randrange(9000))
        cells = [store, written(income, 2, marks, "{}", "-{}"), rng.choice("abc"), str(opened)]
        if rng.random() < 0.03:
            cells[rng.randrange(1, 4)] = rng.choice(("", "n/a", "?", "\0", "9" * 400, "inf"))
        writer.writerow(cells)
    path = folder / "demographics.csv"
    path.write_bytes(out.getvalue().encode(rng.choice(ENCODINGS)))
    case.inputs["demographics"] = str(path)


def judged(case: Case) -> tuple[str, Counter[Decimal]]:
    """Check the files; the outcome in a word and the amounts that count.

    Raises
    ------
    WrongError
        If the intake does not keep what it promises.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        report = check_data(connection, case.inputs, InputOptions({}), TODAY)
        unlisted = [
            text for texts in report.problems.values() for text in texts if not is_listed(text)
        ]
        if unlisted:
            raise WrongError(f"docs/errors.md does not have: {unlisted}")
        report.verdicts()
        report.profile()
        report.vars_file(case.inputs)
        if report.problems.get("sales") or "sales" not in report.plans:
            return "refused", Counter()
        found = _accepted(connection, report)
    losses = report.losses["sales"]
    found_only = found - case.amounts
    del found_only[Decimal(0)]  # a dash is a zero in accounting formats
    if more := +found_only:
        raise WrongError(f"amounts that nobody wrote: {_few(more)}; {_said(report)}")
    missing = case.amounts - found
    n_rejected = sum(loss.n_rows for loss in losses.by_reason if loss.is_rejected)
    # an open quote makes one line of several
    n_joined = report.plans["sales"].lines["text"].str.count_matches("\n|\r").sum()
    if missing and (not case.is_soft or missing.total() > n_rejected + n_joined):
        raise WrongError(f"amounts that are missing: {_few(missing)}; {_said(report)}")
    n_unknown = sum(loss.n_rows for loss in losses.by_reason if loss.reason == UNKNOWN_PRODUCT)
    if losses.n_accepted != found.total() - n_unknown:
        raise WrongError(f"{losses.n_accepted} accepted, and {found.total()} amounts")
    if not case.is_soft and losses.n_accepted + n_rejected != case.n_rows:
        raise WrongError(
            f"{losses.n_accepted} accepted and {n_rejected} rejected of {case.n_rows} rows;"
            f" {_said(report)}"
        )
    return "rejected rows" if n_rejected else "whole", found


def _accepted(connection: duckdb.DuckDBPyConnection, report: IntakeReport) -> Counter[Decimal]:
    """Amounts of the rows that staging accepts."""
    rows = select_of(report.plans["sales"], report.columns["sales"])
    found = connection.execute(
        "select coalesce(try_cast(sales_amount as decimal(18, 4)),"
        f" try_cast(sales_amount::varchar as decimal(18, 4))) as amount from ({rows})"
        f" where amount is not null and {tidy_id('store_id')} is not null"
        f" and {tidy_id('product_id')} is not null"
    ).fetchall()
    return Counter(amount for (amount,) in found)


def _few(amounts: Counter[Decimal]) -> str:
    return f"{amounts.total()}, such as {[str(one) for one in list(amounts)[:5]]}"


def _said(report: IntakeReport) -> str:
    losses = [(loss.reason, loss.n_rows) for loss in report.losses["sales"].by_reason]
    return f"losses {losses}, remarks {report.remarks['sales']}"


def staged(case: Case, folder: Path) -> Counter[Decimal] | None:
    """Amounts that the staging of a real build accepts; None if it refuses the files."""
    project = Project(folder / "build")
    external = [name for name in case.inputs if name not in {"sales", "products"}]
    run = project.dbt(
        *("build", "--select", "+stg_internal__sales", *OWN_INPUTS),
        variables={"inputs": case.inputs, "external_sources": external},
    )
    if not run.success:
        if "the build cannot start" not in run.shown or "Traceback" in run.shown:
            raise WrongError(f"dbt says: {run.shown[-2000:]}")
        return None
    found = project.query(
        "select sales_amount from staging.stg_internal__sales where rejection_reason is null"
    )
    return Counter(found["sales_amount"].to_list())


def main() -> int:
    """Try seeds until the time is over or one fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, help="repeat this one")
    parser.add_argument("--staging", type=int, default=0, help="every n-th file goes through dbt")
    parser.add_argument("--keep-going", action="store_true", help="show all failures")
    given = parser.parse_args()
    started = time.monotonic()
    outcomes: Counter[str] = Counter()
    first = seed = given.seed if given.seed is not None else time.time_ns() // 1000 % 10**9
    is_first = True
    while is_first or (given.seed is None and time.monotonic() - started < 60 * given.minutes):
        is_first = False
        with tempfile.TemporaryDirectory() as name:
            outcome = _tried(seed, Path(name), given.staging)
        outcomes[outcome] += 1
        if outcome == "failed" and not given.keep_going:
            break
        seed += 1
    sys.stdout.write(f"{outcomes.total():,} files from seed {first}: {dict(outcomes)}\n")
    return 1 if outcomes["failed"] else 0


def _tried(seed: int, folder: Path, staging: int) -> str:
    case = Case()
    try:
        case = case_of(seed, folder)
        outcome, found = judged(case)
        if staging and seed % staging == 0:
            accepted = staged(case, folder)
            if accepted is None and outcome != "refused":
                raise WrongError("the check accepts what the build refuses")  # noqa: TRY301
            if accepted is not None and outcome != "refused" and accepted != found:
                raise WrongError(  # noqa: TRY301
                    f"staging accepts {_few(accepted - found)} more, {_few(found - accepted)} less"
                )
            outcome += ", staged"
    except Exception as error:
        sys.stdout.write(f"seed {seed} fails: {type(error).__name__}: {error}\n  {case.what}\n")
        return "failed"
    return outcome


if __name__ == "__main__":
    sys.exit(main())
