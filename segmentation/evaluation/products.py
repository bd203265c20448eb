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
        "index": pl.Float64(),
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


def segment_products(whole: Panel, category: str, segments: dict[str, str]) -> pl.DataFrame:
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
    whole
        Sales of the category with products in place of need states.
    category
        Its name.
    segments
        Segment of each store; stores without one, or without sales, count for the chain only.

    Returns
    -------
    polars.DataFrame
        Schema `PRODUCTS_SCHEMA`, one row per segment and product that any store of the chain sold,
        sorted by segment and falling sales.
    """
    totals = whole.totals()
    sold = (whole.amounts > 0).any(axis=1)
    chain = totals.sum(axis=0) / max(totals.sum(), 1e-12)
    frames = [pl.DataFrame(schema=PRODUCTS_SCHEMA)]
    active = np.array([store in segments for store in whole.stores]) & (totals.sum(axis=1) > 0)
    names = np.array([segments.get(store, "") for store in whole.stores])
    for segment in np.unique(names[active]):
        rows = np.flatnonzero(active & (names == segment))
        sales, sells = totals[rows], sold[rows]
        reach = sells.mean(axis=0)
        by_sellers = (sells * sales.sum(axis=1, keepdims=True)).sum(axis=0)
        product_sales = sales.sum(axis=0)
        where_sold = np.divide(
            product_sales, by_sellers, out=np.zeros_like(reach), where=by_sellers > 0
        )
        index = np.divide(
            100 * product_sales / sales.sum(), chain, out=np.zeros_like(chain), where=chain > 0
        )
        n_stores = sells.sum(axis=0)
        n_periods = (whole.amounts[rows] > 0).any(axis=0).sum(axis=0)
        thin = (n_stores < MIN_EVIDENCE_STORES) | (n_periods < MIN_EVIDENCE_PERIODS)
        frames.append(
            pl.DataFrame(
                {
                    "category": category,
                    "segment_id": str(segment),
                    "product_id": whole.need_states,
                    "sales_amount": product_sales,
                    "reach": reach,
                    "share_where_sold": where_sold,
                    "index": index,
                    "n_stores_selling": n_stores,
                    "n_periods_sold": n_periods,
                    "evidence": np.where(thin, "thin", "enough"),
                    "advice": _advice(reach, where_sold, index, thin),
                },
                schema=PRODUCTS_SCHEMA,
            ).filter(pl.Series(chain > 0))
        )
    return pl.concat(frames).sort(
        ["segment_id", "sales_amount", "product_id"], descending=[False, True, False]
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


def _advice(
    reach: Matrix, where_sold: Matrix, index: Matrix, thin: np.typing.NDArray[np.bool_]
) -> np.typing.NDArray[np.str_]:
    wide = reach >= WIDE_REACH
    if not wide.any():
        return np.full(len(reach), "keep")
    lowest, middle = np.quantile(where_sold[wide], [0.25, 0.5])
    weak = wide & (where_sold <= lowest)
    delist = weak & (index <= LOW_INDEX)
    listed = ~wide & (reach > 0) & (where_sold > middle)
    return np.select(
        [(delist | listed) & thin, delist, listed, weak],
        ["watch", "delist", "list", "watch"],
        default="keep",
    )


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
