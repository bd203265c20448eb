"""What each candidate number of segments gains, and what its upkeep costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from segmentation.evaluation.opportunity import MIN_PERIODS, total_room
from segmentation.evaluation.periods import MIN_GROUP, Panel, halves, seen_in_both
from segmentation.evaluation.validity import (
    cannot_be_tested,
    group_mean_of_others,
    mean_of_others,
    mix_error,
    predict,
    skill,
)
from segmentation.features.vectors import Labels, Matrix, closure

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
        "net_value_standard_error": pl.Float64(),
        "is_best": pl.Boolean(),
        "explanation": pl.String(),
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
        Schema `VALUE_OF_K_SCHEMA`, one row for k = 1 and for each candidate, sorted; a single row
        without figures if there is too little data. `is_best` marks the fewest segments, of k = 1
        and the candidates that hold, whose net value is within one standard error of the largest:
        of many candidates one is best by chance, and every segment has to be kept up. `room` is
        null with fewer than 8 periods.

    References
    ----------
    Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, section 3.4.3
    (the one-standard-error rule).
    """
    first, second = halves(whole)
    reason = cannot_be_tested(first, second)
    if reason is not None:
        return not_compared(category, reason)
    stores = seen_in_both(first, second)
    places = np.flatnonzero(np.isin(whole.stores, stores))
    weeks = second.weeks
    first, second, both = first.take(stores), second.take(stores), whole.take(stores)
    p1, p2 = closure(first.totals()), closure(second.totals())
    chain_errors = mix_error(predict(mean_of_others(p1), p1, p2), p2)
    per_year = second.totals().sum(axis=1) * _WEEKS / weeks
    has_room = len(whole.starts) >= MIN_PERIODS
    rows = []
    gains = {}
    for k, given in sorted({**candidates, 1: np.zeros(len(whole.stores), dtype=np.intp)}.items()):
        labels = given[places]
        errors = (
            chain_errors
            if k == 1
            else mix_error(predict(group_mean_of_others(p1, labels, minimum), p1, p2), p2)
        )
        found = skill(errors, chain_errors)
        gain = (chain_errors - errors) * per_year
        if k == 1 or found.holds:
            gains[k] = gain
        placed, upkeep = float(gain.sum()), k * cost_per_segment
        rows.append(
            {
                "category": category,
                "n_segments": k,
                "skill": found.skill,
                "skill_standard_error": found.standard_error,
                "holds": found.holds,
                "sales_better_placed": placed,
                "room": total_room(both.amounts, labels) if has_room else None,
                "upkeep": upkeep,
                "net_value": placed - upkeep,
                "net_value_standard_error": _standard_error(gain),
            }
        )
    best, why = _fewest_of_the_best(gains, cost_per_segment)
    for row in rows:
        row |= {"is_best": row["n_segments"] == best, "explanation": f"{category}: {why}"}
    return pl.DataFrame(rows, schema=VALUE_OF_K_SCHEMA)


def not_compared(category: str, reason: str) -> pl.DataFrame:
    """One row without figures that says why numbers of clusters cannot be compared."""
    text = f"{category}: numbers of clusters cannot be compared: {reason}"
    row = {"category": category, "n_segments": 1, "holds": False, "is_best": False}
    return pl.DataFrame([{**row, "explanation": text}], schema=VALUE_OF_K_SCHEMA)


def _standard_error(gain: Matrix) -> float:
    """Standard error of a sum over stores; one store is one observation."""
    return float(np.std(gain, ddof=1) * np.sqrt(len(gain)))


def _fewest_of_the_best(gains: Mapping[int, Matrix], cost: float) -> tuple[int, str]:
    """Smallest number of segments by the one-standard-error rule, and an explanation of it."""
    values = {k: float(gain.sum()) - k * cost for k, gain in gains.items()}
    largest = max(values, key=lambda k: (values[k], -k))
    best = min(
        k
        for k in gains
        if k <= largest and values[largest] - values[k] <= _standard_error(gains[largest])
    )
    if len(gains) == 1:
        return (
            best,
            "no number of clusters holds on later sales, so one plan for all stores is best",
        )
    name = "one plan for all stores" if best == 1 else f"{best} clusters"
    if best != largest:
        return best, (
            f"{name} {'is' if best == 1 else 'are'} within one standard error of the largest net "
            f"value, which {largest} clusters have"
        )
    if best == 1:
        return best, f"{name} has the largest net value"
    return best, (
        f"{name} have the largest net value, and no smaller number is within one standard error "
        "of it"
    )
