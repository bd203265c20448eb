"""What each candidate number of segments gains, and what its upkeep costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from segmentation.evaluation.opportunity import MIN_PERIODS, total_room
from segmentation.evaluation.periods import MIN_GROUP, Panel, halves, seen_in_both, too_little
from segmentation.evaluation.validity import (
    group_mean_of_others,
    mean_of_others,
    mix_error,
    predict,
    skill,
)
from segmentation.features.vectors import Labels, closure

#: Weeks of a year, to compare sales of half a year with a yearly upkeep.
_WEEKS: Final = 52.0

VALUE_OF_K_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "n_segments": pl.Int64(),
        "skill": pl.Float64(),
        "skill_standard_error": pl.Float64(),
        "holds": pl.Boolean(),
        "sales_better_placed": pl.Float64(),
        "room": pl.Float64(),
        "upkeep": pl.Float64(),
        "net_value": pl.Float64(),
        "is_best": pl.Boolean(),
    }
)


def value_of_k(
    whole: Panel,
    category: str,
    candidates: Mapping[int, Labels],
    cost_per_segment: float,
    minimum: int = MIN_GROUP,
) -> pl.DataFrame:
    """Put a price on fewer or more segments.

    The gain is measured on later sales: the sales per year that a plan per segment places in the
    right need state and a plan for the whole chain does not, ``S mean(e0) sales``. One plan for all
    stores (k = 1) gains nothing and needs one plan's upkeep. Sales that are better placed are not
    additional sales, so `cost_per_segment` is the sales per year that one more segment must place
    better to be worth keeping. Room is shown beside it and not counted: it is a ceiling.

    Parameters
    ----------
    whole
        Sales of the category, split in the middle of its time.
    category
        Its name.
    candidates
        For each number of segments the label of each store of `whole`, made from the first half;
        negative for no segment.
    cost_per_segment
        Upkeep of one segment per year, in money.
    minimum
        Least number of stores in a segment whose mean is used.

    Returns
    -------
    polars.DataFrame
        Schema `VALUE_OF_K_SCHEMA`, one row for k = 1 and for each candidate, sorted; empty if there
        is too little data. `is_best` marks the largest net value among k = 1 and the candidates
        that hold. `room` is null with fewer than 8 periods.
    """
    first, second = halves(whole)
    if too_little(first, second) is not None:
        return pl.DataFrame(schema=VALUE_OF_K_SCHEMA)
    stores = seen_in_both(first, second)
    places = np.flatnonzero(np.isin(whole.stores, stores))
    weeks = second.weeks
    first, second, both = first.take(stores), second.take(stores), whole.take(stores)
    p1, p2 = closure(first.totals()), closure(second.totals())
    chain_errors = mix_error(predict(mean_of_others(p1), p1, p2), p2)
    per_year = second.totals().sum(axis=1) * _WEEKS / weeks
    has_room = len(whole.starts) >= MIN_PERIODS
    rows = []
    net_values = {}
    for k, given in sorted({**candidates, 1: np.zeros(len(whole.stores), dtype=np.intp)}.items()):
        labels = given[places]
        errors = (
            chain_errors
            if k == 1
            else mix_error(predict(group_mean_of_others(p1, labels, minimum), p1, p2), p2)
        )
        found = skill(errors, chain_errors)
        placed = float(((chain_errors - errors) * per_year).sum())
        upkeep = k * cost_per_segment
        amount = total_room(both.amounts, labels) if has_room else None
        rows.append(
            (
                category,
                k,
                found.skill,
                found.standard_error,
                found.holds,
                placed,
                amount,
                upkeep,
                placed - upkeep,
            )
        )
        if k == 1 or found.holds:
            net_values[k] = placed - upkeep
    best = max(net_values, key=lambda k: (net_values[k], -k))
    measured = pl.Schema({n: t for n, t in VALUE_OF_K_SCHEMA.items() if n != "is_best"})
    return pl.DataFrame(rows, schema=measured, orient="row").with_columns(
        is_best=pl.col("n_segments") == best
    )
