"""A build again: with the same inputs, and with one category changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import duckdb
import polars as pl

from benchmarks import data
from benchmarks.dbt_runs import dbt, scratch
from benchmarks.harness import PAIRS, ROOT, Measurement, Suite, measure, ratio_row, row

TARGET: Final = "No-change rebuild"
EXTERNAL: Final = ("demographics", "foot_traffic", "competition")
SAME_LIMIT, CHANGED_LIMIT = 0.45, 0.5


def example(folder: Path, changed: bool) -> dict[str, Any]:
    """The example data as files: 300 stores, 4 categories, of which one may be changed."""
    locations = {}
    for name in ("sales", "products", *EXTERNAL):
        frame = pl.read_csv(ROOT / "seeds" / f"raw_{name}.csv", infer_schema=False)
        if name == "sales" and changed:
            products = pl.read_csv(ROOT / "seeds" / "raw_products.csv", infer_schema=False)
            chosen = products.filter(pl.col("category") == "Oral Care")["product_id"].unique()
            amount = pl.col("sales_amount").cast(pl.Float64, strict=False)
            # not a common factor: the mix must change
            grown = (amount * (1.1 + pl.col("store_id").hash(1) % 100 / 1000)).round(2)
            is_chosen = pl.col("product_id").is_in(chosen.to_list()) & amount.is_not_null()
            frame = frame.with_columns(
                sales_amount=pl.when(is_chosen)
                .then(grown.cast(pl.String))
                .otherwise("sales_amount")
            )
        locations[name] = str(folder / f"{name}.csv")
        frame.write_csv(locations[name])
    return {"inputs": locations, "external_sources": list(EXTERNAL)}


def retailer(folder: Path, changed: bool) -> dict[str, Any]:
    """A retailer of the size of the fact table: 2,000 stores, 12 categories, one may be changed."""
    sales = str(folder / "sales.parquet")
    with duckdb.connect() as connection:
        connection.execute(
            f"""
            copy (
                select * replace (
                    if(
                        {changed} and product_id like '3-%',
                        sales_amount * (1.1 + hash(store_id, product_id) % 100 / 1000),
                        sales_amount
                    )::decimal(10, 2) as sales_amount
                )
                from '{data.shop_sales(data.STORES, data.CATEGORIES)}'
            ) to '{sales}'
            """
        )
    locations = {
        "sales": sales,
        "products": str(data.shop_products(data.CATEGORIES)),
        "demographics": str(data.shop_demographics(data.STORES)),
    }
    return {"inputs": locations, "external_sources": ["demographics"]}


def empty_project(folder: Path, n_models: int, n_tests: int) -> str:
    """Make a dbt project of as many tables and data tests that has nothing to do; return its folder."""
    files = {
        "dbt_project.yml": (
            "{name: empty, profile: empty, config-version: 2, models: {+materialized: table},"
            " flags: {send_anonymous_usage_stats: false, log_level_file: info}}"
        ),
        "profiles.yml": (
            "{empty: {target: duckdb, outputs: {duckdb: {type: duckdb, threads: 2,"
            """ path: "{{ env_var('STORE_SEGMENTS_DB') }}"}}}}"""
        ),
        **{f"models/model_{number}.sql": "select 1 as n" for number in range(n_models)},
        **{
            f"tests/test_{number}.sql": (
                f"select n from {{{{ ref('model_{number % n_models}') }}}} where n is null"
            )
            for number in range(n_tests)
        },
    }
    for name, text in files.items():
        path = folder / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(folder / "project")


def build(folder: str, variables: dict[str, Any], project: str = str(ROOT)) -> dict[str, Any]:
    """`dbt build` in a folder; the whole process counts."""
    done = dbt(Path(folder), "build", variables=variables, project=Path(project))
    return {
        "n_models": len(done["nodes"]),
        "n_tests": done["n_tests"],
        "has_pycaret": "pycaret" in sys.modules,
    }


def build_nothing(n_models: int, n_tests: int) -> Measurement:
    """A build again of a project with nothing to do but as many tables and data tests."""
    with scratch() as folder:
        given = {
            "folder": str(folder),
            "variables": {},
            "project": empty_project(folder, n_models, n_tests),
        }
        measure(build, **given)
        return measure(build, **given)


#: What each suite builds again: the inputs, how rows name them, how many categories there are.
RETAILERS: Final = {
    "bench": (example, "the example, 300 stores", "four"),
    "bench-large": (retailer, "a retailer, 2,000 stores", "twelve"),
}


def results(suite: Suite) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of this target; there is no curve."""
    inputs, name, n_categories = RETAILERS[suite]
    same: list[tuple[Measurement, Measurement]] = []
    changed: list[tuple[Measurement, Measurement]] = []
    nothing: list[tuple[Measurement, Measurement]] = []
    for _ in range(PAIRS):
        with scratch() as folder:
            variables = inputs(folder, changed=False)
            first = measure(build, folder=str(folder), variables=variables)
            again = measure(build, folder=str(folder), variables=variables)
            same.append((again, first))
            if suite == "bench-large":
                counts = {key: again.result[key] for key in ("n_models", "n_tests")}
                nothing.append((again, build_nothing(**counts)))
            variables = inputs(folder, changed=True)
            again = measure(build, folder=str(folder), variables=variables)
            changed.append((again, first))
    n_imports = sum(again.result["has_pycaret"] for again, _ in same)
    note = "whole process of `dbt build`, tests and pictures included"
    rows = [
        ratio_row(TARGET, f"{name}: same inputs", suite, same, SAME_LIMIT, "at most", note),
        ratio_row(
            TARGET,
            f"{name}: one category of {n_categories} changed",
            suite,
            changed,
            CHANGED_LIMIT,
            "at most",
            note,
        ),
        row(
            TARGET,
            f"{name}: builds without a change that import PyCaret",
            suite,
            [float(n_imports)],
            0,
            "at most",
        ),
    ]
    if nothing:
        rows.append(
            ratio_row(
                TARGET,
                f"{name}: same inputs, against a dbt project that has nothing to do",
                suite,
                nothing,
                None,
                "at most",
                "both built again; the other has as many models, all `select 1`, and data tests,"
                " and its process imports our libraries too",
            )
        )
    return rows, []
