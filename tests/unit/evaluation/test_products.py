from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from segmentation.evaluation.periods import ORIGIN, Panel
from segmentation.evaluation.products import (
    PRODUCTS_SCHEMA,
    RANKING_SCHEMA,
    product_ranking,
    segment_products,
)
from segmentation.evaluation.simulation import simulated_chain


def brief(whole: Panel, segments: dict[str, str]) -> pl.DataFrame:
    """The brief of one category, from sums as the build has them."""
    totals, sold = whole.totals(), whole.amounts > 0
    names = np.array([segments[store] for store in whole.stores])
    rows = []
    for segment in np.unique(names):
        own = names == segment
        for place, product in enumerate(whole.need_states):
            sells = own & sold[:, :, place].any(axis=1)
            row = (
                "Tea",
                str(segment),
                product,
                float(totals[own, place].sum()),
                float(totals[sells].sum()),
                int(sells.sum()),
                int(sold[own][:, :, place].any(axis=0).sum()),
                int(own.sum()),
            )
            rows.append(row)
    columns = (
        *("category", "segment_id", "product_id", "sales_amount", "sellers_sales"),
        *("n_stores_selling", "n_periods_sold", "n_stores"),
    )
    return segment_products(pl.DataFrame(rows, schema=columns, orient="row"))


def small_chain() -> Panel:
    """Ten stores, six products with 10 of sales each per period, all sold everywhere."""
    return Panel(
        tuple(f"S{store}" for store in range(10)),
        tuple("abcdef"),
        tuple(ORIGIN + dt.timedelta(days=14 * n) for n in range(6)),
        ORIGIN + dt.timedelta(days=14 * 6),
        np.full((10, 6, 6), 10.0),
    )


def in_segment(whole: Panel, n_stores: int = 10) -> dict[str, str]:
    return {store: "one" if row < n_stores else "two" for row, store in enumerate(whole.stores)}


def row_of(frame: pl.DataFrame, product: str, segment: str = "one") -> dict[str, object]:
    found = frame.filter(product_id=product, segment_id=segment).to_dicts()
    assert len(found) == 1
    return found[0]


def test_reach_index_and_evidence_are_counted_per_segment() -> None:
    whole = small_chain()
    whole.amounts[1:5, :, 0] = 0
    found = brief(whole, in_segment(whole, 5))
    assert found.schema == PRODUCTS_SCHEMA
    row = row_of(found, "a")
    assert row["sales_amount"] == 60
    assert row["reach"] == pytest.approx(0.2)
    assert row["share_where_sold"] == pytest.approx(1 / 6)
    assert row["sales_index"] == pytest.approx(100 * (60 / 1560) / (360 / 3360))
    assert (row["n_stores_selling"], row["n_periods_sold"]) == (1, 6)
    assert row["evidence"] == "thin"


def test_a_product_that_few_stores_sell_well_is_to_be_listed() -> None:
    whole = simulated_stores(40)
    whole.amounts[:, :, 0] = 0
    whole.amounts[:10, :, 0] = 40
    assert row_of(brief(whole, in_segment(whole, 40)), "a")["advice"] == "list"


def test_thin_evidence_is_watched_instead() -> None:
    whole = simulated_stores(40)
    whole.amounts[:, :, 0] = 0
    whole.amounts[:3, :, 0] = 40
    assert row_of(brief(whole, in_segment(whole, 40)), "a")["advice"] == "watch"


def test_a_product_that_sells_elsewhere_only_is_to_be_delisted() -> None:
    whole = simulated_stores(40)
    whole.amounts[:20, :, 0] = 1
    found = brief(whole, in_segment(whole, 20))
    assert row_of(found, "a")["advice"] == "delist"
    assert row_of(found, "c")["advice"] == "keep"


def test_a_product_that_sells_little_everywhere_is_watched() -> None:
    whole = simulated_stores(40)
    whole.amounts[:, :, 0] = 1
    assert row_of(brief(whole, in_segment(whole, 20)), "a")["advice"] == "watch"


def test_the_brief_adds_up_to_the_sales_of_the_segments() -> None:
    whole, labels = simulated_chain(n_stores=40, group_spread=0.5)
    segments = {store: str(label) for store, label in zip(whole.stores, labels, strict=True)}
    found = brief(whole, segments)
    assert found["sales_amount"].sum() == pytest.approx(whole.totals().sum())


def test_the_brief_ranks_better_where_segments_differ() -> None:
    whole, labels = simulated_chain(n_stores=120, n_need_states=20, group_spread=0.8, seed=1)
    segments = {store: str(label) for store, label in zip(whole.stores, labels, strict=True)}
    found = product_ranking(whole, "Tea", segments)
    assert found.schema == RANKING_SCHEMA
    assert found["verdict"].to_list() == ["holds"]


def test_the_brief_says_so_where_it_ranks_no_better() -> None:
    whole, labels = simulated_chain(n_stores=120, n_need_states=20, seed=1)
    segments = {store: str(label) for store, label in zip(whole.stores, labels, strict=True)}
    found = product_ranking(whole, "Tea", segments)
    assert found["verdict"].to_list() == ["does not hold"]
    assert "does not rank the products of the next half better" in found["explanation"][0]


def test_a_ranking_needs_two_halves() -> None:
    whole = small_chain()
    found = product_ranking(whole, "Tea", in_segment(whole))
    assert found["verdict"].to_list() == ["not possible"]


def simulated_stores(n_stores: int) -> Panel:
    whole = small_chain()
    return replace(
        whole,
        stores=tuple(f"S{store}" for store in range(n_stores)),
        amounts=np.full((n_stores, 6, 6), 10.0) + np.arange(6),
    )
