"""Test whether groups of the first half predict the mix of the second, and what predicts better."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl

from segmentation.evaluation.periods import MIN_GROUP, Panel, halves, seen_in_both, too_little
from segmentation.features.vectors import Labels, Matrix, closure

#: Two-sided 95 % of a normal distribution.
Z95: Final = 1.96

#: A mix error below this is rounding.
_EXACT: Final = 1e-9

Verdict = Literal["holds", "does not hold", "not possible"]
#: How sentences call a predictor whose name alone does not read well.
_SUBJECTS: Final = {
    "own mix": "a store's own mix",
    "own mix, shrunken": "a store's own mix, shrunken toward the chain's,",
}

VALIDITY_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "predictor": pl.String(),
        "n_stores": pl.Int64(),
        "n_groups": pl.Int64(),
        "split_on": pl.Date(),
        "mix_error": pl.Float64(),
        "chain_mix_error": pl.Float64(),
        "skill": pl.Float64(),
        "skill_standard_error": pl.Float64(),
        "verdict": pl.String(),
        "explanation": pl.String(),
    }
)
EXPECTED_SHARE_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "store_id": pl.String(),
        "need_state": pl.String(),
        "share": pl.Float64(),
        "own_weight": pl.Float64(),
        "expected_share": pl.Float64(),
    }
)


@dataclass(frozen=True)
class Grouping:
    """Groups of stores, and when they could have been known.

    Attributes
    ----------
    name
        For example `segments`, `internal`, or the name of an attribute such as `format`.
    labels
        Group of each store. Stores without a group are predicted with the mean of the chain.
    known_on
        Last day of the data that the groups were made from. Groups that used data of the second
        half cannot be tested with it; `datetime.date.max` for data without a date.
    problem
        Why there are no groups to test.
    """

    name: str
    labels: Mapping[str, str]
    known_on: dt.date
    problem: str | None = None


@dataclass(frozen=True)
class Skill:
    """Error of a prediction against the error of the chain's mean; one store is one observation."""

    error: float
    chain_error: float
    skill: float
    standard_error: float

    @property
    def holds(self) -> bool:
        """Whether the skill is above zero by more than chance."""
        return self.skill - Z95 * self.standard_error > 0


def mean_of_others(values: Matrix) -> Matrix:
    """Mean of all rows but the row itself."""
    others: Matrix = (values.sum(axis=0) - values) / (len(values) - 1)
    return others


def group_mean_of_others(values: Matrix, labels: Labels, minimum: int = MIN_GROUP) -> Matrix:
    """Mean of the other rows with the same label.

    Rows of a group with fewer than `minimum` rows, or with a negative label, get the mean of all
    other rows.

    Parameters
    ----------
    values
        Stores x need states.
    labels
        Group of each store; negative for none.
    minimum
        Least size of a group, at least 2.
    """
    means = mean_of_others(values)
    grouped = np.flatnonzero(labels >= 0)
    if not len(grouped):
        return means
    counts = np.bincount(labels[grouped])
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, labels[grouped], values[grouped])
    rows = grouped[counts[labels[grouped]] >= minimum]
    own = labels[rows]
    means[rows] = (sums[own] - values[rows]) / (counts[own] - 1)[:, np.newaxis]
    return means


def predict(estimate: Matrix, first: Matrix, second: Matrix) -> Matrix:
    """Carry an estimate of the first half over to the second.

    ``closure(max(0, estimate + c2 - c1))`` with the chain's mean mix c1 and c2 of both halves. Both
    means leave out the store that is predicted, so nothing of a store's second half enters its own
    prediction. The change is added: multiplying shares by the chain's ratio makes small shares
    with a seasonal change too large, and raised the error on The Complete Journey.

    Parameters
    ----------
    estimate
        Stores x need states: what is expected of each store, as of the first half.
    first, second
        Stores x need states: shares in both halves, every row sums to 1.
    """
    change = mean_of_others(second) - mean_of_others(first)
    return closure(np.maximum(estimate + change, 0.0))


def mix_error(predicted: Matrix, actual: Matrix) -> Matrix:
    """Share of a store's sales that a prediction puts into the wrong need state, 0 to 1."""
    errors: Matrix = np.abs(predicted - actual).sum(axis=1) / 2
    return errors


def skill(errors: Matrix, chain_errors: Matrix) -> Skill:
    """Skill ``S = 1 - sum e / sum e0`` and its standard error.

    The standard error is the one of a ratio estimator:
    ``sd(e - (1 - S) e0) / (mean(e0) sqrt(n))``.

    Parameters
    ----------
    errors, chain_errors
        One value per store: error of the prediction and of the chain's mean.

    References
    ----------
    Murphy (1988), Skill scores based on the mean square error, Monthly Weather Review 116 (the
    score). Cochran (1977), Sampling Techniques, section 6.4 (the standard error of a ratio).
    """
    reference = float(chain_errors.mean())
    if reference == 0:
        return Skill(float(errors.mean()), 0.0, 0.0, 0.0)
    gain = 1 - float(errors.mean()) / reference
    spread = float(np.std(errors - (1 - gain) * chain_errors, ddof=1))
    return Skill(
        float(errors.mean()), reference, gain, spread / (reference * float(np.sqrt(len(errors))))
    )


def grouping_skill(
    first: Matrix, second: Matrix, labels: Labels, minimum: int = MIN_GROUP
) -> Skill:
    """Skill of groups: each store is predicted with the mean of its group without itself."""
    estimate = group_mean_of_others(first, labels, minimum)
    chain = predict(mean_of_others(first), first, second)
    return skill(
        mix_error(predict(estimate, first, second), second),
        mix_error(chain, second),
    )


def shrink(shares: Matrix, sales: Matrix, prior_sales: float) -> Matrix:
    """Pull each store's mix toward the mean of the other stores.

    ``c + A / (A + K) (p - c)``: the empirical Bayes estimate if sampling variance falls as 1 / A.

    Parameters
    ----------
    shares
        Stores x need states, every row sums to 1.
    sales
        A, sales of each store.
    prior_sales
        K, the sales at which a store's own mix and the chain's mean weigh the same; `inf` allowed.

    References
    ----------
    Efron and Morris (1975), Data analysis using Stein's estimator and its generalizations, Journal
    of the American Statistical Association 70.
    """
    weight = np.zeros(len(sales)) if np.isinf(prior_sales) else sales / (sales + prior_sales)
    chain = mean_of_others(shares)
    shrunken: Matrix = chain + weight[:, np.newaxis] * (shares - chain)
    return shrunken


def prior_sales(amounts: Matrix) -> float | None:
    """Strength of the shrinkage, tuned inside the given periods.

    The mix of the earlier periods, shrunken with each candidate K, predicts the mix of the later
    ones; the K with the least error is kept. It is never zero, which would call a store's own mix
    certain. As the weight ``A / (A + K)`` knows how much a store
    sold, K holds for twice the time, too. A Dirichlet-multinomial fit on till lines shrinks too
    little, because the lines of one household are not independent.

    Parameters
    ----------
    amounts
        Stores x periods x need states.

    Returns
    -------
    float or None
        K in money, `inf` if a store's own past says nothing; `None` if there are fewer than two
        periods or fewer than three stores that sold in both parts.
    """
    n_periods = amounts.shape[1]
    cut = (n_periods + 1) // 2
    early = np.maximum(amounts[:, :cut].sum(axis=1), 0.0)
    late = np.maximum(amounts[:, cut:].sum(axis=1), 0.0)
    active = (early.sum(axis=1) > 0) & (late.sum(axis=1) > 0)
    if n_periods < 2 or active.sum() < 3:  # noqa: PLR2004
        return None
    first, second = closure(early[active]), closure(late[active])
    sales = early[active].sum(axis=1)
    candidates = [*(np.median(sales) * 2.0 ** np.arange(-6, 6.5, 0.5)), np.inf]
    errors = [
        mix_error(predict(shrink(first, sales, k), first, second), second).sum() for k in candidates
    ]
    return float(candidates[int(np.argmin(errors))])


def expected_share(whole: Panel, category: str) -> pl.DataFrame:
    """Mix that each store is expected to have: its own, shrunken toward the chain's.

    Returns
    -------
    polars.DataFrame
        Schema `EXPECTED_SHARE_SCHEMA`, one row per store with sales and need state, sorted.
        `own_weight` is 0 where the chain's mean is the best guess and close to 1 where the own mix
        is; it is below 1, as no past makes a mix certain. No
        rows if `prior_sales` has nothing to learn from, such as a single period.
    """
    totals = whole.totals()
    rows = np.flatnonzero(totals.sum(axis=1) > 0)
    if len(rows) < 2:  # noqa: PLR2004
        return pl.DataFrame(schema=EXPECTED_SHARE_SCHEMA)
    sales, shares = totals[rows].sum(axis=1), closure(totals[rows])
    strength = prior_sales(whole.amounts[rows])
    if strength is None:
        return pl.DataFrame(schema=EXPECTED_SHARE_SCHEMA)
    weight = np.zeros(len(rows)) if np.isinf(strength) else sales / (sales + strength)
    width = len(whole.need_states)
    return pl.DataFrame(
        {
            "category": [category] * (len(rows) * width),
            "store_id": np.repeat(np.array(whole.stores)[rows], width),
            "need_state": np.tile(np.array(whole.need_states), len(rows)),
            "share": shares.ravel(),
            "own_weight": np.repeat(weight, width),
            "expected_share": closure(shrink(shares, sales, strength)).ravel(),
        },
        schema=EXPECTED_SHARE_SCHEMA,
    )


def cannot_be_tested(first: Panel, second: Panel) -> str | None:
    """Why the mix of the second half cannot be predicted from the first, or None if it can."""
    reason = too_little(first, second)
    if reason is None and len(first.need_states) < 2:  # noqa: PLR2004
        return "there is only one need state"
    return reason


def segment_validity(
    whole: Panel, category: str, groupings: Sequence[Grouping], minimum: int = MIN_GROUP
) -> pl.DataFrame:
    """Test groups of the first half on the second half, beside what a retailer has anyway.

    Parameters
    ----------
    whole
        Sales of the category; it is split in the middle of its time.
    category
        Its name.
    groupings
        Segments and, as rivals, the retailer's own attributes.
    minimum
        Least number of stores in a group whose mean is used.

    Returns
    -------
    polars.DataFrame
        Schema `VALIDITY_SCHEMA`, one row per grouping and two for the stores' own past, `own mix`
        and `own mix, shrunken`. `verdict` is `holds` if the skill is above zero by 1.96 standard
        errors, `does not hold` otherwise, and `not possible` where there is too little data or the
        groups could have seen the second half; `explanation` is a sentence for people.
    """
    first, second = halves(whole)
    reason = cannot_be_tested(first, second)
    rows: list[tuple[object, ...]] = []
    names = [*(each.name for each in groupings), "own mix", "own mix, shrunken"]
    if reason is not None:
        rows = [_not_possible(category, name, reason, None) for name in names]
        return pl.DataFrame(rows, schema=VALIDITY_SCHEMA, orient="row")
    split_on = second.starts[0]
    stores = seen_in_both(first, second)
    first, second = first.take(stores), second.take(stores)
    p1, p2 = closure(first.totals()), closure(second.totals())
    chain_errors = mix_error(predict(mean_of_others(p1), p1, p2), p2)
    if chain_errors.max() < _EXACT:
        reason = "the mix of the chain predicts every store without error"
        rows = [_not_possible(category, name, reason, split_on) for name in names]
        return pl.DataFrame(rows, schema=VALIDITY_SCHEMA, orient="row")
    for grouping in groupings:
        if grouping.problem is not None:
            rows.append(_not_possible(category, grouping.name, grouping.problem, split_on))
            continue
        if grouping.known_on >= split_on:
            until = "an unknown date" if grouping.known_on == dt.date.max else grouping.known_on
            reason = f"the groups use data until {until}, which is not before {split_on}"
            rows.append(_not_possible(category, grouping.name, reason, split_on))
            continue
        labels = _numbers(stores, grouping.labels)
        counts = np.bincount(labels[labels >= 0])
        n_groups = int((counts >= minimum).sum())
        if n_groups < 2:  # noqa: PLR2004
            reason = f"fewer than two groups have at least {minimum} stores"
            rows.append(_not_possible(category, grouping.name, reason, split_on))
            continue
        estimate = group_mean_of_others(p1, labels, minimum)
        found = skill(mix_error(predict(estimate, p1, p2), p2), chain_errors)
        rows.append(_row(category, grouping.name, len(stores), n_groups, split_on, found))
    own = skill(mix_error(predict(p1, p1, p2), p2), chain_errors)
    rows.append(_row(category, "own mix", len(stores), None, split_on, own))
    strength = prior_sales(first.amounts)
    if strength is None:
        reason = "shrinkage is tuned inside the first half, which has a single period"
        rows.append(_not_possible(category, "own mix, shrunken", reason, split_on))
    else:
        shrunken = shrink(p1, first.totals().sum(axis=1), strength)
        found = skill(mix_error(predict(shrunken, p1, p2), p2), chain_errors)
        rows.append(_row(category, "own mix, shrunken", len(stores), None, split_on, found))
    return pl.DataFrame(rows, schema=VALIDITY_SCHEMA, orient="row")


def _numbers(stores: list[str], labels: Mapping[str, str]) -> Labels:
    """Number of each store's group, -1 for stores without one."""
    known = sorted({labels[store] for store in stores if store in labels})
    numbers = {label: number for number, label in enumerate(known)}
    return np.array(
        [numbers[labels[store]] if store in labels else -1 for store in stores], dtype=np.intp
    )


def _row(
    category: str, name: str, n_stores: int, n_groups: int | None, split_on: dt.date, found: Skill
) -> tuple[object, ...]:
    verdict: Verdict = "holds" if found.holds else "does not hold"
    margin = 100 * Z95 * found.standard_error
    subject = _SUBJECTS.get(name, name)
    if found.holds:
        text = (
            f"{category}: {subject} cut the mix error of the next half by "
            f"{100 * found.skill:.1f}% (± {margin:.1f})"
        )
    else:
        text = (
            f"{category}: {subject} did not hold: the mix error of the next half is "
            f"{100 * (1 - found.skill):.1f}% (± {margin:.1f}) of the error of the chain's mix"
        )
    return (
        category,
        name,
        n_stores,
        n_groups,
        split_on,
        found.error,
        found.chain_error,
        found.skill,
        found.standard_error,
        verdict,
        text,
    )


def _not_possible(
    category: str, name: str, reason: str, split_on: dt.date | None
) -> tuple[object, ...]:
    verdict: Verdict = "not possible"
    text = f"{category}: {_SUBJECTS.get(name, name)} cannot be tested: {reason}"
    return (category, name, None, None, split_on, None, None, None, None, verdict, text)
