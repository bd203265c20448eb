"""One grouping of stores for all categories, and a budget of segments over the categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from sklearn.cluster import KMeans

from segmentation.evaluation.periods import Panel
from segmentation.evaluation.validity import (
    group_mean_of_others,
    mean_of_others,
    mix_error,
    predict,
)
from segmentation.features.vectors import Labels, Matrix, closure

#: Restarts of K-means.
_RESTARTS: Final = 20

STORE_GROUPS_SCHEMA: Final = pl.Schema(
    {"store_id": pl.String(), "store_group": pl.String(), "agreement": pl.Float64()}
)
GROUP_LOSS_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "n_stores": pl.Int64(),
        "n_segments": pl.Int64(),
        "chain_mix_error": pl.Float64(),
        "segment_mix_error": pl.Float64(),
        "group_mix_error": pl.Float64(),
        "sales_amount": pl.Float64(),
        "loss": pl.Float64(),
    }
)
BUDGET_SCHEMA: Final = pl.Schema(
    {"category": pl.String(), "n_segments": pl.Int64(), "loss": pl.Float64()}
)


def store_groups(
    segments: pl.DataFrame, category_sales: Mapping[str, float], n_groups: int, seed: int
) -> pl.DataFrame:
    """Group stores that share segments in the categories that sell most.

    The co-membership of two stores is the share of sales of the categories in which they are in the
    same segment. K-means on indicators of the segments, each times the root of its category's share
    of sales, works in exactly this measure: the squared distance of two stores is twice one minus
    their co-membership. It needs memory for stores times segments, not for pairs of stores.

    Parameters
    ----------
    segments
        category, store_id, segment_id.
    category_sales
        Sales of each category.
    n_groups
        How many groups.
    seed
        Of K-means.

    Returns
    -------
    polars.DataFrame
        Schema `STORE_GROUPS_SCHEMA`, one row per store, sorted. Groups are numbered by size.
        `agreement` is the mean co-membership with the other stores of the group, 0 to 1; null for
        the only store of a group. A store without sales in a category agrees with none in it.

    References
    ----------
    Strehl and Ghosh (2002), Cluster ensembles: a knowledge reuse framework for combining multiple
    partitions, Journal of Machine Learning Research 3 (co-membership).
    """
    stores = segments["store_id"].unique().sort()
    if stores.is_empty():
        return pl.DataFrame(schema=STORE_GROUPS_SCHEMA)
    total = sum(category_sales[name] for name in segments["category"].unique())
    columns = segments.select("category", "segment_id").unique().sort("category", "segment_id")
    cells = segments.join(columns.with_row_index("column"), on=["category", "segment_id"]).join(
        pl.DataFrame({"store_id": stores}).with_row_index("row"), on="store_id"
    )
    weights = np.array([category_sales[name] / total for name in cells["category"]])
    indicators = np.zeros((len(stores), len(columns)))
    indicators[cells["row"].to_numpy(), cells["column"].to_numpy()] = np.sqrt(weights)
    fitted = KMeans(
        n_clusters=min(n_groups, len(np.unique(indicators, axis=0))),
        n_init=_RESTARTS,
        random_state=seed,
    ).fit(indicators)
    counts = np.bincount(fitted.labels_)
    first = np.array([np.flatnonzero(fitted.labels_ == n)[0] for n in range(len(counts))])
    numbers = np.argsort(np.lexsort((first, -counts)))[fitted.labels_]
    agreement = np.full(len(stores), np.nan)
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        if len(rows) > 1:
            members = indicators[rows]
            shared = members @ members.sum(axis=0) - (members**2).sum(axis=1)
            agreement[rows] = shared / (len(rows) - 1)
    return pl.DataFrame(
        {
            "store_id": stores,
            "store_group": [f"group {number + 1}" for number in numbers],
            "agreement": pl.Series(agreement).fill_nan(None),
        },
        schema=STORE_GROUPS_SCHEMA,
    )


@dataclass(frozen=True)
class Plans:
    """Mixes that plans are made from, and those that they have to meet; one row per store.

    Attributes
    ----------
    known, actual
        Stores x need states, every row sums to 1: mix of the first and of the second half, or
        twice the same mix if there are no later sales.
    sales
        Stores, in money: what a mix error is a share of.
    """

    known: Matrix
    actual: Matrix
    sales: Matrix

    def misplaced_sales(self, labels: Labels, minimum: int = 2) -> float:
        """Sales that a plan per group puts into the wrong need state.

        Each store is planned with the mean known mix of the other stores of its group, carried over
        by the change of the chain (`validity.predict`).

        Parameters
        ----------
        labels
            Group of each store.
        minimum
            Least size of a group; stores of smaller ones are planned with the mean of the chain.
        """
        plan = predict(group_mean_of_others(self.known, labels, minimum), self.known, self.actual)
        return float((self.sales * mix_error(plan, self.actual)).sum())


def group_loss(
    panels: Mapping[str, Panel], segments: Mapping[str, Mapping[str, str]], groups: pl.DataFrame
) -> pl.DataFrame:
    """What a single grouping costs in each category, against the category's own segments.

    Parameters
    ----------
    panels
        Sales of each category.
    segments
        Per category the segment of each store.
    groups
        Result of `store_groups`.

    Returns
    -------
    polars.DataFrame
        Schema `GROUP_LOSS_SCHEMA`, one row per category. Mix errors are shares of sales, `loss` is
        the additional error times the sales, in money, for the time that the panel covers.
    """
    group_of = dict(groups.select("store_id", "store_group").iter_rows())
    rows = []
    for category, whole in sorted(panels.items()):
        segment_of = segments[category]
        totals = whole.totals()
        kept = [
            row
            for row, store in enumerate(whole.stores)
            if store in segment_of and store in group_of and totals[row].sum() > 0
        ]
        if len(kept) < 2:  # noqa: PLR2004
            continue
        shares, sales = closure(totals[kept]), totals[kept].sum(axis=1)
        plans = Plans(shares, shares, sales)
        names = [whole.stores[row] for row in kept]
        own, own_labels = np.unique([segment_of[store] for store in names], return_inverse=True)
        _, group_labels = np.unique([group_of[store] for store in names], return_inverse=True)
        chain = float((sales * mix_error(mean_of_others(shares), shares)).sum())
        by_segment = plans.misplaced_sales(own_labels)
        by_group = plans.misplaced_sales(group_labels)
        total = float(sales.sum())
        rows.append(
            (
                category,
                len(kept),
                len(own),
                chain / total,
                by_segment / total,
                by_group / total,
                total,
                by_group - by_segment,
            )
        )
    return pl.DataFrame(rows, schema=GROUP_LOSS_SCHEMA, orient="row")


def merged_steps(plans: Plans, labels: Labels) -> dict[int, tuple[float, Labels]]:
    """Merge segments pair by pair, each time the pair that costs least.

    Pairs are compared by the known mixes alone. Of many pairs, the best one on later sales would be
    a lucky one, and what is tested on these sales would look better than it is.

    Parameters
    ----------
    plans
        What is planned.
    labels
        Segment of each store.

    Returns
    -------
    dict
        For each number of segments from the given one down to 1: misplaced sales and labels.
    """
    current = np.unique(labels, return_inverse=True)[1].astype(np.intp)
    before = Plans(plans.known, plans.known, plans.sales)
    steps = {}
    n_segments = int(current.max()) + 1
    while True:
        steps[n_segments] = (plans.misplaced_sales(current), current)
        if n_segments == 1:
            return steps
        candidates = []
        for kept in range(n_segments):
            for gone in range(kept + 1, n_segments):
                merged = np.where(current == gone, kept, current)
                candidates.append((before.misplaced_sales(merged), kept, gone))
        _, kept, gone = min(candidates)
        current = np.where(current == gone, kept, current)
        current = np.unique(current, return_inverse=True)[1].astype(np.intp)
        n_segments -= 1


def segment_budget(
    losses: Mapping[str, Sequence[tuple[int, float]]], max_segments_total: int
) -> pl.DataFrame:
    """Choose a number of segments per category so that the total loss is least.

    Exact: dynamic programming over the categories. Its time grows with categories times budget
    times candidates, so nothing is gained by a greedy choice.

    Parameters
    ----------
    losses
        Per category the candidates: number of segments, and loss in money (misplaced sales).
    max_segments_total
        Most segments in all categories together.

    Returns
    -------
    polars.DataFrame
        Schema `BUDGET_SCHEMA`, one row per category, sorted. Of equal losses the fewest segments
        are taken.

    Raises
    ------
    ValueError
        If even the smallest candidates exceed the budget.

    References
    ----------
    Kellerer, Pferschy and Pisinger (2004), Knapsack Problems, chapter 11 (multiple-choice).
    """
    categories = sorted(losses)
    least = sum(min(n for n, _ in losses[name]) for name in categories)
    if least > max_segments_total:
        raise ValueError(
            f"max_segments_total is {max_segments_total}, but {len(categories)} categories need at "
            f"least {least} segments; raise it to {least} or more"
        )
    # for each number of segments used so far: the least loss and the choices that lead to it
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for name in categories:
        following: dict[int, tuple[float, tuple[int, ...]]] = {}
        for used, (loss, choices) in best.items():
            for n_segments, more in losses[name]:
                total = used + n_segments
                if total > max_segments_total:
                    continue
                candidate = (loss + more, (*choices, n_segments))
                if total not in following or candidate < following[total]:
                    following[total] = candidate
        best = following
    used = min(best, key=lambda total: (best[total][0], total))
    _, choices = best[used]
    rows = [
        (name, n_segments, dict(losses[name])[n_segments])
        for name, n_segments in zip(categories, choices, strict=True)
    ]
    return pl.DataFrame(rows, schema=BUDGET_SCHEMA, orient="row")
