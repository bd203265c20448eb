from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest

from segmentation.inputs.checks import input_stamps, last_change, vars_problems

KNOWN = ("demographics", "foot_traffic")


@pytest.mark.parametrize("inputs", [{}, {"sales": None}, {"sales": ""}])
def test_without_any_location_the_example_seeds_are_no_problem(inputs: dict[str, Any]) -> None:
    assert vars_problems(inputs, list(KNOWN), KNOWN) == []


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (["sales"], "inputs: ['sales'] is not allowed; it is a mapping of input name to location"),
        ("sales", "inputs: 'sales' is not allowed; it is a mapping of input name to location"),
    ],
)
def test_inputs_that_are_no_mapping_are_refused(inputs: object, expected: str) -> None:
    assert vars_problems(inputs, [], KNOWN) == [expected]


@pytest.mark.parametrize("sources", ["demographics", 5, {"demographics": 1}])
def test_external_sources_that_are_no_list_are_refused(sources: object) -> None:
    assert vars_problems({}, sources, KNOWN) == [
        f"external_sources: {sources!r} is not allowed; it is a list of names"
    ]


def test_unknown_inputs_and_sources_are_refused_with_the_names_that_are_known() -> None:
    assert vars_problems({"sale": None}, ["weather", "demographics"], KNOWN) == [
        "inputs.sale: unknown input; did you mean sales? known ones: sales, products, "
        "demographics, foot_traffic",
        "external_sources: 'weather' has no staging model stg_external__weather; "
        "known ones: demographics, foot_traffic",
    ]


def test_own_data_does_not_mix_with_the_example_seeds() -> None:
    lines = vars_problems({"sales": "lake.raw.sales"}, ["demographics"], KNOWN)
    assert lines == [
        "inputs.products: no location given, while inputs.sales has one; give a location "
        "(own data and the example seeds do not mix)",
        "inputs.demographics: no location given, while inputs.sales has one; give a location "
        "or take the name out of external_sources (own data and the example seeds do not mix)",
    ]


def test_external_inputs_need_no_sales_but_products_do() -> None:
    places = {"demographics": "stores.csv"}
    assert vars_problems(places, ["demographics"], KNOWN) == []
    (line,) = vars_problems({**places, "products": "products.csv"}, ["demographics"], KNOWN)
    assert line.startswith("inputs.sales: no location given, while inputs.demographics has one")


def test_an_external_input_that_takes_no_part_needs_no_location() -> None:
    inputs = {"sales": "lake.raw.sales", "products": "lake.raw.products"}
    assert vars_problems(inputs, [], KNOWN) == []
    assert len(vars_problems(inputs, ["foot_traffic"], KNOWN)) == 1


def test_a_stamp_changes_with_the_files_and_with_nothing_else(tmp_path: Path) -> None:
    inputs = {}
    for name in ("sales", "products", *KNOWN):
        inputs[name] = str(tmp_path / f"{name}.csv")
        (tmp_path / f"{name}.csv").write_text("store_id\n1\n")
    inputs["sales"] = str(tmp_path / "sa*.csv")
    first = input_stamps({**inputs, "products": "https://host/products.csv"})
    assert set(first) == {"sales", *KNOWN}
    (tmp_path / "products.csv").unlink()
    assert input_stamps(inputs) | {"products": ""} == first | {"products": ""}
    (tmp_path / "sale-2.csv").write_text("store_id\n2\n")
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


def test_the_last_change_is_that_of_the_newest_file_in_utc(tmp_path: Path) -> None:
    newest = dt.datetime(2025, 3, 30, 1, 30, tzinfo=dt.UTC)
    for days in (3, 0, 5):
        path = tmp_path / f"sales-{days}.csv"
        path.write_text("a")
        time = int((newest - dt.timedelta(days=days)).timestamp())
        os.utime(path, (time, time))
    for location in (tmp_path, tmp_path / "*.csv", tmp_path / "sales-0.csv"):
        changed = last_change(str(location))
        assert changed == newest
        assert changed.tzinfo is dt.UTC
    assert last_change(str(tmp_path / "sales-5.csv")) == newest - dt.timedelta(days=5)


@pytest.mark.parametrize("location", ["https://host/sales.csv", "nowhere.csv"])
def test_an_address_and_a_location_without_files_have_no_last_change(location: str) -> None:
    assert last_change(location) is None


@pytest.mark.parametrize(
    ("inputs", "sources"), [({1: "sales.csv"}, []), ({}, ["demographics", 2]), ({}, [None])]
)
def test_names_that_are_no_texts_are_refused(inputs: object, sources: object) -> None:
    assert vars_problems(inputs, sources, KNOWN) == [
        "inputs and external_sources: names are texts; put others into quotes"
    ]
