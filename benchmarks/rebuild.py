"""A build again: with the same inputs, and with one category changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import polars as pl

from benchmarks.dbt_runs import dbt, scratch
from benchmarks.harness import PAIRS, ROOT, Measurement, Suite, measure, ratio_row, row

TARGET: Final = "No-change rebuild"
EXTERNAL: Final = ("demographics", "foot_traffic", "competition")
CHANGED_CATEGORY: Final = "Oral Care"
SAME_LIMIT, CHANGED_LIMIT = 0.35, 0.5
CHANGED_PAIRS: Final = 3


def inputs(folder: str, factor: float) -> dict[str, Any]:
    """Write the example data as files; `factor` multiplies the sales of one category."""
    target = Path(folder) / "inputs"
    target.mkdir(exist_ok=True)
    locations = {}
    for name in ("sales", "products", *EXTERNAL):
        frame = pl.read_csv(ROOT / "seeds" / f"raw_{name}.csv", infer_schema=False)
        if name == "sales":
            products = pl.read_csv(ROOT / "seeds" / "raw_products.csv", infer_schema=False)
            chosen = products.filter(pl.col("category") == CHANGED_CATEGORY)["product_id"].unique()
            amount = pl.col("sales_amount").cast(pl.Float64, strict=False) * factor
            changed = pl.col("product_id").is_in(chosen.to_list()) & amount.is_not_null()
            frame = frame.with_columns(
                sales_amount=pl.when(changed & (factor != 1.0))
                .then(
                    # not a common factor: the mix must change
                    (amount * (1 + pl.col("store_id").hash(1) % 100 / 1000))
                    .round(2)
                    .cast(pl.String)
                )
                .otherwise("sales_amount")
            )
        path = target / f"{name}.csv"
        frame.write_csv(path)
        locations[name] = str(path)
    return {"inputs": locations, "external_sources": list(EXTERNAL)}


def build(folder: str, variables: dict[str, Any]) -> dict[str, Any]:
    """`dbt build` in a folder; the whole process counts."""
    nodes = dbt(Path(folder), "build", variables=variables)["nodes"]
    return {"nodes": nodes, "has_pycaret": "pycaret" in sys.modules}


def results(suite: Suite) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of this target; there is no curve and nothing large."""
    if suite == "bench-large":
        return [], []
    same: list[tuple[Measurement, Measurement]] = []
    changed: list[tuple[Measurement, Measurement]] = []
    for pair in range(PAIRS):
        with scratch() as folder:
            variables = inputs(str(folder), 1.0)
            first = measure(build, folder=str(folder), variables=variables)
            same.append((measure(build, folder=str(folder), variables=variables), first))
            if pair < CHANGED_PAIRS:
                inputs(str(folder), 1.1)
                again = measure(build, folder=str(folder), variables=variables)
                changed.append((again, first))
    n_imports = sum(again.result["has_pycaret"] for again, _ in same)
    note = "whole process of `dbt build` on the example data as files, tests and pictures included"
    return [
        ratio_row(TARGET, "the same inputs again", suite, same, SAME_LIMIT, "at most", note),
        ratio_row(
            TARGET, "one category of four changed", suite, changed, CHANGED_LIMIT, "at most", note
        ),
        row(
            TARGET,
            "builds without a change that import PyCaret",
            suite,
            [float(n_imports)],
            0,
            "at most",
        ),
    ], []
