"""Assortment brief: which products a segment's stores sell, should try, or could do without."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from scipy.stats import rankdata

from segmentation.evaluation.periods import MIN_GROUP, Panel, halves, seen_in_both, too_little
from segmentation.evaluation.validity import Z95
from segmentation.features.vectors import Labels, Matrix

#: A product is widely sold in a segment if at least this share of its stores sells it.
WIDE_REACH: Final = 0.5
#: A candidate to delist sells at most this much of what its share in the chain leads to expect.
LOW_INDEX: Final = 80.0
#: Evidence is thin with fewer stores or periods than these.
MIN_EVIDENCE_STORES: Final = 5
MIN_EVIDENCE_PERIODS: Final = 4

PRODUCTS_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "segment_id": pl.String(),
        "product_id": pl.String(),
        "sales_amount": pl.Float64(),
        "reach": pl.Float64(),
        "share_where_sold": pl.Float64(),
        "sales_index": pl.Float64(),
        "n_stores_selling": pl.Int64(),
        "n_periods_sold": pl.Int64(),
        "evidence": pl.String(),
        "advice": pl.String(),
    }
)
RANKING_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "n_stores": pl.Int64(),
        "segment_rank_correlation": pl.Float64(),
        "chain_rank_correlation": pl.Float64(),
        "gain": pl.Float64(),
        "gain_standard_error": pl.Float64(),
        "verdict": pl.String(),
        "explanation": pl.String(),
    }
)


def segment_products(sums: pl.DataFrame) -> pl.DataFrame:
    """Sales, reach, index, evidence and advice for each segment and product.

    Reach is the share of the segment's stores that sell the product. The share where sold is the
    product's part of the category's sales in these stores. The index is 100 times the product's
    part of the segment's sales over its part of the chain's sales.

    Advice follows four rules, the first that applies:

    - *delist*: widely sold (reach of at least 50 %), in the lowest quarter of the share where sold
      among the segment's widely sold products, and an index of at most 80.
    - *list*: sold by some stores of the segment, but fewer than half, and its share where sold is
      above the median of the widely sold products.
    - *watch*: one of these rules applies but evidence is thin (fewer than 5 stores or 4 periods);
      or the product is in the lowest quarter without a low index, so it sells little everywhere.
    - *keep*: everything else.

    Parameters
    ----------
    sums
        `int_product_sums`: category, segment_id, product_id, sales_amount, sellers_sales (sales in
        the category of the stores that sell the product), n_stores_selling, n_periods_sold,
        n_stores (of the segment).

    Returns
    -------
    polars.DataFrame
        Schema `PRODUCTS_SCHEMA`, one row per segment and product with sales, sorted by category,
        segment and falling sales.
    """
    segment = ("category", "segment_id")
    sales, where_sold = pl.col("sales_amount"), pl.col("share_where_sold")
    chain_share = sales.sum().over("category", "product_id") / sales.sum().over("category")
    is_wide = pl.col("reach") >= WIDE_REACH
    wide = where_sold.filter(is_wide)
    is_thin = (pl.col("n_stores_selling") < MIN_EVIDENCE_STORES) | (
        pl.col("n_periods_sold") < MIN_EVIDENCE_PERIODS
    )
    is_weak = is_wide & (where_sold <= wide.quantile(0.25, "linear").over(segment))
    is_delisted = is_weak & (pl.col("sales_index") <= LOW_INDEX)
    is_listed = ~is_wide & (where_sold > wide.median().over(segment))
    return (
        sums.filter(sales > 0)
        .sort("category", "segment_id", "product_id")
        .with_columns(
            reach=pl.col("n_stores_selling") / pl.col("n_stores"),
            share_where_sold=sales / pl.col("sellers_sales"),
            sales_index=100 * sales / sales.sum().over(segment) / chain_share,
            evidence=pl.when(is_thin).then(pl.lit("thin")).otherwise(pl.lit("enough")),
        )
        .with_columns(
            advice=pl.when((is_delisted | is_listed) & is_thin)
            .then(pl.lit("watch"))
            .when(is_delisted)
            .then(pl.lit("delist"))
            .when(is_listed)
            .then(pl.lit("list"))
            .when(is_weak)
            .then(pl.lit("watch"))
            .otherwise(pl.lit("keep"))
        )
        .select(PRODUCTS_SCHEMA.names())
        .cast(dict(PRODUCTS_SCHEMA))  # type: ignore[arg-type]
        .sort(
            ["category", "segment_id", "sales_amount", "product_id"],
            descending=[False, False, True, False],
        )
    )


def product_ranking(whole: Panel, category: str, segments: dict[str, str]) -> pl.DataFrame:
    """Test whether a segment's ranking of products beats the chain's on later sales.

    For each store, products are ranked by the first half's shares of the other stores of its
    segment, and of all other stores; Spearman's correlation with the store's own second half says
    which ranking is better. The gain is the mean difference, one store is one observation.

    Parameters
    ----------
    whole
        Sales of the category with products in place of need states.
    category
        Its name.
    segments
        Segment of each store, made without the second half.

    Returns
    -------
    polars.DataFrame
        Schema `RANKING_SCHEMA`, one row. `verdict` is `holds`, `does not hold` or `not possible`.
    """
    first, second = halves(whole)
    reason = too_little(first, second)
    stores = [store for store in seen_in_both(first, second) if store in segments]
    labels = np.unique([segments[store] for store in stores], return_inverse=True)[1]
    if reason is None and (not stores or np.bincount(labels).max() < MIN_GROUP):
        reason = f"no segment has at least {MIN_GROUP} stores with sales in both halves"
    if reason is None and len(whole.need_states) < 3:  # noqa: PLR2004
        reason = "fewer than three products were sold"
    if reason is not None:
        text = f"{category}: the ranking of products cannot be tested: {reason}"
        nothing = (category, len(stores), None, None, None, None, "not possible", text)
        return pl.DataFrame([nothing], schema=RANKING_SCHEMA, orient="row")
    before, after = first.take(stores).totals(), second.take(stores).totals()
    by_chain = _rank_correlation(before.sum(axis=0) - before, after)
    by_segment = _rank_correlation(_sums_of_others(before, labels), after)
    gains = by_segment - by_chain
    gain = float(gains.mean())
    error = float(gains.std(ddof=1) / np.sqrt(len(gains)))
    holds = gain - Z95 * error > 0
    if holds:
        outcome = "the brief ranks the products of the next half better than the chain's ranking"
    else:
        outcome = "the brief does not rank the products of the next half better than the chain's"
    text = (
        f"{category}: {outcome} (rank correlation {by_segment.mean():.2f} against "
        f"{by_chain.mean():.2f})"
    )
    row = (
        category,
        len(stores),
        float(by_segment.mean()),
        float(by_chain.mean()),
        gain,
        error,
        "holds" if holds else "does not hold",
        text,
    )
    return pl.DataFrame([row], schema=RANKING_SCHEMA, orient="row")


def _sums_of_others(values: Matrix, labels: Labels) -> Matrix:
    """Sum over the other rows with the same label; over all others where the group is small."""
    counts = np.bincount(labels)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, labels, values)
    small = (counts < MIN_GROUP)[labels][:, np.newaxis]
    others: Matrix = np.where(small, values.sum(axis=0), sums[labels]) - values
    return others


def _rank_correlation(scores: Matrix, actual: Matrix) -> Matrix:
    """Spearman's correlation of each row; 0 where a row has no differences."""
    one, other = (rankdata(values, axis=1) for values in (scores, actual))
    one = one - one.mean(axis=1, keepdims=True)
    other = other - other.mean(axis=1, keepdims=True)
    length = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    found: Matrix = np.divide(
        (one * other).sum(axis=1), length, out=np.zeros(len(length)), where=length > 0
    )
    return found
