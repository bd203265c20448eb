from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from segmentation.inputs.checks import InputCheck, Reader, check_inputs, input_stamps

NOBODY = 65534
KNOWN = ("demographics", "foot_traffic")
GOOD_FILES = {
    "sales": "store_id,product_id,sales_amount\ns1,p1,1.5\n",
    "products": "product_id,category,need_state\np1,Snacks,salty\n",
    "demographics": "store_id,income\ns1,10\n",
    "foot_traffic": "store_id,visits\ns1,10\n",
}


@contextmanager
def not_as_root() -> Iterator[None]:
    """For root, who may read everything, be nobody for a while."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def text_reader(path: Path | str) -> Reader:
    """The reader that the warehouse uses for a text file."""
    options = "all_varchar = true, header = true, null_padding = true, union_by_name = true"
    return Reader(f"read_csv('{path}', {options})", str(path), is_text=True)


def parquet_reader(path: Path | str) -> Reader:
    """The reader that the warehouse uses for a Parquet file."""
    return Reader(f"read_parquet('{path}', union_by_name = true)", str(path), is_text=False)


def write(folder: Path, files: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Reader]]:
    """Write CSV files; give the var `inputs` and the readers the warehouse would use."""
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    inputs = {name: str(folder / f"{name}.csv") for name in files}
    return inputs, {name: text_reader(path) for name, path in inputs.items()}


def problems_of(
    inputs: object, external_sources: object, readers: Mapping[str, Reader], known: Sequence[str]
) -> list[str]:
    """All lines: those that stop the build, and those that it goes on without."""
    check = check_inputs(inputs, external_sources, readers, known)
    return [*check.problems, *(f"inputs.{name}: {why}" for name, why in check.unread.items())]


def problems_of_files(folder: Path, **changed: str) -> list[str]:
    """Problems when some of the good files have another content."""
    inputs, readers = write(folder, {**GOOD_FILES, **changed})
    return problems_of(inputs, list(KNOWN), readers, KNOWN)


def test_good_files_of_all_inputs_are_no_problem(tmp_path: Path) -> None:
    assert problems_of_files(tmp_path) == []


@pytest.mark.parametrize("inputs", [{}, {"sales": None}, {"sales": ""}])
def test_without_any_location_the_example_seeds_are_no_problem(inputs: dict[str, Any]) -> None:
    assert problems_of(inputs, list(KNOWN), {}, KNOWN) == []


def test_a_web_server_is_read_through_the_extension_of_the_locked_package(tmp_path: Path) -> None:
    write(tmp_path, GOOD_FILES)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        urls = {
            name: f"http://127.0.0.1:{server.server_port}/{name}.csv"
            for name in (*GOOD_FILES, "competition")
        }
        readers = {name: text_reader(url) for name, url in urls.items()}
        check = check_inputs(urls, [*KNOWN, "competition"], readers, [*KNOWN, "competition"])
        server.shutdown()
    assert check.problems == []
    assert list(check.unread) == ["competition"]
    assert "404" in check.unread["competition"]


def test_tables_of_an_attached_database_are_left_to_the_warehouse() -> None:
    inputs = {"sales": "lake.raw.sales", "products": "lake.raw.products"}
    assert problems_of(inputs, [], {}, KNOWN) == []


def test_parquet_files_and_globs_are_read_like_csv_files(tmp_path: Path) -> None:
    (tmp_path / "sales").mkdir()
    for part in ("a", "b"):
        pl.DataFrame(
            {"STORE_ID": ["s1"], "Product_Id": ["p"], "sales_amount": [1.0]}
        ).write_parquet(tmp_path / "sales" / f"{part}.parquet")
    inputs, readers = write(tmp_path, {"products": GOOD_FILES["products"]})
    inputs["sales"] = str(tmp_path / "sales" / "*.parquet")
    readers["sales"] = parquet_reader(inputs["sales"])
    assert problems_of(inputs, [], readers, KNOWN) == []


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["sales"], "inputs: ['sales'] is not allowed; it is a mapping of input name to location"),
        ("sales", "inputs: 'sales' is not allowed; it is a mapping of input name to location"),
    ],
)
def test_inputs_that_are_no_mapping_are_refused(inputs: object, expected: str) -> None:
    assert problems_of(inputs, [], {}, KNOWN) == [expected]


@pytest.mark.parametrize("sources", ["demographics", 5, {"demographics": 1}])
def test_external_sources_that_are_no_list_are_refused(sources: object) -> None:
    assert problems_of({}, sources, {}, KNOWN) == [
        f"external_sources: {sources!r} is not allowed; it is a list of names"
    ]


def test_unknown_inputs_and_sources_are_refused_with_the_names_that_are_known() -> None:
    assert problems_of({"sale": None}, ["weather", "demographics"], {}, KNOWN) == [
        "inputs.sale: unknown input; known ones: sales, products, demographics, foot_traffic",
        "external_sources: 'weather' has no staging model stg_external__weather; "
        "known ones: demographics, foot_traffic",
    ]


def test_own_data_does_not_mix_with_the_example_seeds() -> None:
    lines = problems_of({"sales": "lake.raw.sales"}, ["demographics"], {}, KNOWN)
    assert lines == [
        "inputs.products: no location given, while inputs.sales has one; give a location "
        "(own data and the example seeds do not mix)",
        "inputs.demographics: no location given, while inputs.sales has one; give a location "
        "or take the name out of external_sources (own data and the example seeds do not mix)",
    ]


def test_an_external_input_that_takes_no_part_needs_no_location() -> None:
    inputs = {"sales": "lake.raw.sales", "products": "lake.raw.products"}
    assert problems_of(inputs, [], {}, KNOWN) == []
    assert len(problems_of(inputs, ["foot_traffic"], {}, KNOWN)) == 1


def test_a_file_that_is_not_there_is_named_with_the_cause(tmp_path: Path) -> None:
    inputs, readers = write(tmp_path, GOOD_FILES)
    (tmp_path / "sales.csv").unlink()
    (line,) = problems_of(inputs, list(KNOWN), readers, KNOWN)
    assert line.startswith(f"inputs.sales: cannot read {inputs['sales']!r}: No files found")
    assert "\n" not in line


def test_a_file_that_is_not_what_its_name_says_is_named_with_the_cause(tmp_path: Path) -> None:
    inputs, readers = write(tmp_path, GOOD_FILES)
    broken = tmp_path / "products.parquet"
    broken.write_text("this is no parquet", encoding="utf-8")
    inputs["products"], readers["products"] = str(broken), parquet_reader(broken)
    (line,) = problems_of(inputs, list(KNOWN), readers, KNOWN)
    assert line.startswith(f"inputs.products: cannot read {str(broken)!r}: ")


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("sales", "store_id"),
        ("sales", "product_id"),
        ("sales", "sales_amount"),
        ("products", "product_id"),
        ("products", "category"),
        ("products", "need_state"),
        ("demographics", "store_id"),
    ],
)
def test_each_column_that_an_input_needs_is_missed(tmp_path: Path, name: str, missing: str) -> None:
    text = GOOD_FILES[name].replace(missing, "something_else", 1)
    columns = text.splitlines()[0].replace(",", ", ")
    (line,) = problems_of_files(tmp_path, **{name: text})
    location = str(tmp_path / f"{name}.csv")
    assert line == f"inputs.{name}: {location!r} has no column {missing!r}; it has: {columns}"


def test_columns_are_found_in_upper_and_lower_case(tmp_path: Path) -> None:
    text = GOOD_FILES["products"].replace("product_id", "PRODUCT_ID")
    assert problems_of_files(tmp_path, products=text) == []


@pytest.mark.parametrize(("name", "count"), [("sales", 1), ("products", 1), ("demographics", 0)])
def test_sales_and_products_without_rows_leave_nothing_to_segment(
    tmp_path: Path, name: str, count: int
) -> None:
    header = GOOD_FILES[name].splitlines()[0] + "\n"
    lines = problems_of_files(tmp_path, **{name: header})
    assert len(lines) == count
    assert all(line.endswith("has no rows; there is nothing to segment") for line in lines)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    inputs, readers = write(
        tmp_path, {**GOOD_FILES, "sales": "shop,amount\n1,2\n", "products": "product_id\n"}
    )
    (tmp_path / "demographics.csv").unlink()
    del inputs["foot_traffic"], readers["foot_traffic"]
    inputs["weather"] = "weather.csv"
    lines = problems_of(inputs, [*KNOWN, "events"], readers, KNOWN)
    assert sorted(line.split(":")[0] for line in lines) == sorted(
        [
            "inputs.weather",  # unknown
            "external_sources",  # events is unknown
            "inputs.foot_traffic",  # no location
            "inputs.events",  # no location either
            "inputs.demographics",  # no file
            *["inputs.products"] * 2,  # two columns
            *["inputs.sales"] * 3,  # three columns
        ]
    )


def test_an_external_input_that_cannot_be_read_stops_nothing(tmp_path: Path) -> None:
    inputs, readers = write(
        tmp_path, {**GOOD_FILES, "demographics": "shop,income\n1,2\n", "foot_traffic": "\n"}
    )
    (tmp_path / "foot_traffic.csv").unlink()
    check = check_inputs(inputs, list(KNOWN), readers, KNOWN)
    assert check.problems == []
    assert set(check.unread) == {"demographics", "foot_traffic"}
    assert "has no column 'store_id'" in check.unread["demographics"]


def test_what_is_wrong_far_down_in_a_file_of_products_is_found(tmp_path: Path) -> None:
    inputs, readers = write(tmp_path, GOOD_FILES)
    lines = "".join(f"p{row},Snacks,salty\n" for row in range(60_000))
    bad = f"product_id,category,need_state\n{lines}p,Caf\xe9,salty\n".encode("latin-1")
    (tmp_path / "products.csv").write_bytes(bad)
    check = check_inputs(inputs, list(KNOWN), readers, KNOWN)
    assert check.problems == []
    assert "ignore_errors = true" in check.options["products"]
    assert check.lines.rows() == [
        ("products", inputs["products"], 60_002, "line is not UTF-8 text", "p,Caf??salty")
    ]


def test_no_line_shows_a_password_of_an_address(tmp_path: Path) -> None:
    location = "postgres://me:hunter2@host/sales.csv?signature=abc"
    reader = text_reader(f"{tmp_path}/absent-hunter2.csv")
    lines = check_inputs({"sales": location}, [], {"sales": reader}, KNOWN).problems
    assert any("cannot read 'postgres://***@host/sales.csv?***'" in line for line in lines)


def test_a_stamp_changes_with_the_files_and_with_nothing_else(tmp_path: Path) -> None:
    inputs, _ = write(tmp_path, GOOD_FILES)
    inputs["sales"] = str(tmp_path / "sa*.csv")
    first = input_stamps({**inputs, "products": "https://host/products.csv"})
    assert set(first) == {"sales", "demographics", "foot_traffic"}
    (tmp_path / "products.csv").unlink()
    assert input_stamps(inputs) | {"products": ""} == first | {"products": ""}
    (tmp_path / "sale-2.csv").write_text(GOOD_FILES["sales"])
    with (tmp_path / "demographics.csv").open("a") as stream:
        stream.write("s2,11\n")
    second = input_stamps(inputs)
    assert {name for name in first if first[name] != second[name]} == {"sales", "demographics"}


def test_a_stamp_knows_all_files_that_duckdb_reads(tmp_path: Path) -> None:
    inputs = {
        "by_name": str(tmp_path / "sales [2025].csv"),
        "by_glob": str(tmp_path / "parts" / "*.csv"),
        "by_folder": str(tmp_path / "sales.parquet"),
        "nowhere": str(tmp_path / "nowhere.csv"),
    }
    files = [
        tmp_path / "sales [2025].csv",
        tmp_path / "parts" / ".hidden.csv",
        tmp_path / "sales.parquet" / "year=2025" / "part.parquet",
    ]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a")
    first = input_stamps(inputs)
    assert set(first) == set(inputs) - {"nowhere"}
    for path in files:
        path.write_text("ab")
    second = input_stamps(inputs)
    assert all(first[name] != second[name] for name in first)


def check_of_sales(folder: Path, *parts: bytes) -> InputCheck:
    """Check of sales in several files, 30,000 good lines in front of what the test brings."""
    good = b"store_id,product_id,sales_amount,note\n" + b's1,p1,1.5,"a"\n' * 30_000
    inputs, readers = write(folder, {"products": GOOD_FILES["products"]})
    for number, part in enumerate(parts):
        (folder / f"sales-{number}.csv").write_bytes(good + part)
    inputs["sales"] = str(folder / "sales-*.csv")
    readers["sales"] = text_reader(inputs["sales"])
    return check_inputs(inputs, [], readers, KNOWN)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"s1,p1,1,a,b", "line has more values than the header"),
        (b's1,"p"1,1,a', "line has a quote that does not end"),
        (b"s1,p\xe91,1,a", "line is not UTF-8 text"),
        (b"s1,p1,1," + b"x" * 33_000_000, "line is longer than 32,000,000 bytes"),
    ],
)
def test_a_line_that_cannot_be_read_is_left_out_and_told_with_its_place(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    check = check_of_sales(tmp_path, b"", line + b"\ns2,p1,2,\n")
    assert check.problems == []
    assert "ignore_errors = true" in check.options["sales"]
    assert check.lines.select("input", "file", "line", "reason").rows() == [
        ("sales", str(tmp_path / "sales-1.csv"), 30_002, reason)
    ]


def test_quoted_line_breaks_are_read_in_one_thread(tmp_path: Path) -> None:
    check = check_of_sales(tmp_path, b's2,p1,1,"two\nlines"\n' * 700_000)
    assert check.problems == []
    assert check.options == {"sales": "parallel = false"}
    assert check.lines.is_empty()


def test_a_file_in_which_no_line_can_be_read_is_told_with_the_first_cause(tmp_path: Path) -> None:
    inputs, readers = write(tmp_path, GOOD_FILES)
    (tmp_path / "sales.csv").write_bytes(bytes(range(128, 256)) * 50)
    (line,) = check_inputs(inputs, list(KNOWN), readers, KNOWN).problems
    assert line.startswith(f"inputs.sales: cannot read {inputs['sales']!r}: ")


def test_a_file_without_permission_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's are for their owner only
        Path(folder).chmod(0o755)
        inputs, readers = write(Path(folder), GOOD_FILES)
        Path(inputs["products"]).chmod(0)
        with not_as_root():
            (line,) = check_inputs(inputs, list(KNOWN), readers, KNOWN).problems
    assert line.startswith(f"inputs.products: cannot read {inputs['products']!r}: ")
    assert "Permission denied" in line
