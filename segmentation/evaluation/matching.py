"""Control stores for test stores, and the effect of a test with an interval from placebo tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.spatial.distance import cdist
from scipy.stats import norm, trim_mean

from segmentation.evaluation.periods import Panel, counted
from segmentation.evaluation.validity import Z95
from segmentation.features.vectors import Matrix, closure

#: Controls of each test store.
N_CONTROLS: Final = 10
#: Least number of test stores, of other stores, and of periods before the test.
MIN_TESTS: Final = 20
MIN_OTHERS: Final = 60
MIN_PERIODS_BEFORE: Final = 8
#: Share of the periods before the test in which a store must have sold.
MIN_ACTIVITY: Final = 0.9
#: Cut off at each end before stores are averaged.
_TRIMMED: Final = 0.2
_PLACEBOS: Final = 1000
#: Placebo tests computed at once, which bounds memory.
_CHUNK: Final = 100
#: The trend of the test stores is called unusual beyond this many standard errors (1 %).
_UNUSUAL: Final = 2.576
#: So is their past if its difference from the controls' explains as many standard errors of the
#: effect: the interval then covers the truth in less than 93 %. In 240 simulated tests of random
#: stores none did; where stores differ by nothing but chance, 5 % do.
_EXPLAINED: Final = 0.5
#: Least number of periods before the test that controls are chosen from: two give a trend.
_MIN_PERIODS_MATCHED: Final = 2
#: Test stores without controls that a sentence names.
_NAMED: Final = 3
#: Power of the minimum detectable effect.
_POWER: Final = 0.8

MATCHES_SCHEMA: Final = pl.Schema(
    {
        "store_id": pl.String(),
        "control_rank": pl.Int64(),
        "control_store_id": pl.String(),
        "distance": pl.Float64(),
    }
)
BALANCE_SCHEMA: Final = pl.Schema(
    {
        "measure": pl.String(),
        "tests": pl.Float64(),
        "controls": pl.Float64(),
        "others": pl.Float64(),
        "standardized_difference": pl.Float64(),
    }
)
EFFECT_SCHEMA: Final = pl.Schema(
    {
        "n_tests": pl.Int64(),
        "n_others": pl.Int64(),
        "n_periods_before": pl.Int64(),
        "n_periods_after": pl.Int64(),
        "effect": pl.Float64(),
        "effect_low": pl.Float64(),
        "effect_high": pl.Float64(),
        "minimum_detectable_effect": pl.Float64(),
        "past_is_unusual": pl.Boolean(),
        "explanation": pl.String(),
    }
)
_Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class MatchedStores:
    """Matches, their balance before the test, and the effect: see the schemas above."""

    matches: pl.DataFrame
    balance: pl.DataFrame
    effect: pl.DataFrame


@dataclass(frozen=True)
class Estimate:
    """Effect of a test, as a share of sales, with its standard error."""

    effect: float
    standard_error: float

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.effect - Z95 * self.standard_error

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.effect + Z95 * self.standard_error


def past_coordinates(before: Matrix) -> tuple[Matrix, Matrix]:
    """Mix, level and trend of each store, in which near stores are good controls.

    Parameters
    ----------
    before
        Stores x periods x need states: sales before the test.

    Returns
    -------
    tuple
        Coordinates, stores x (need states + 2): the mix has a total variance of one, and so have
        level and trend. Then level (logarithm of sales per period) and trend (logarithm of the
        sales of the later periods over those of the earlier ones), stores x 2.
    """
    mix = closure(np.maximum(before.sum(axis=1), 0.0) + 1e-9)
    per_period = np.maximum(before.sum(axis=2), 0.0)
    cut = per_period.shape[1] // 2
    early, late = per_period[:, :cut].mean(axis=1), per_period[:, cut:].mean(axis=1)
    level = np.log(per_period.mean(axis=1))
    trend = np.log(np.maximum(late, 1e-9)) - np.log(np.maximum(early, 1e-9))
    measures = np.column_stack([level, trend])
    spread = np.sqrt(mix.var(axis=0).sum())
    deviations = measures.std(axis=0)
    scaled = measures / np.where(deviations > 0, deviations, 1.0)
    return np.column_stack([mix / (spread if spread > 0 else 1.0), scaled]), measures


def growth(before: Matrix, after: Matrix) -> Matrix:
    """Sales per period after the start of the test over sales per period before it."""
    ratio: Matrix = after.sum(axis=2).mean(axis=1) / before.sum(axis=2).mean(axis=1)
    return ratio


def nearest_controls(
    points: Matrix, tests: _Rows, others: _Rows, groups: _Rows | None, depth: int
) -> tuple[_Rows, Matrix]:
    """Nearest other stores of each store in `tests`, nearest first.

    Parameters
    ----------
    points
        Stores x coordinates.
    tests, others
        Rows of `points`. A store is never its own control.
    groups
        Segment of each store if controls must come from the same one.
    depth
        How many at most.

    Returns
    -------
    tuple
        Tests x depth: rows of `points`, and distances; infinite where there is no further store.
    """
    distances = cdist(points[tests], points[others])
    distances[tests[:, np.newaxis] == others] = np.inf
    if groups is not None:
        distances[groups[tests][:, np.newaxis] != groups[others]] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :depth]
    return others[order], np.take_along_axis(distances, order, axis=1)


def placebo_effects(
    ratios: Matrix,
    neighbours: _Rows,
    usable: npt.NDArray[np.bool_],
    n_tests: int,
    generator: np.random.Generator,
    n_placebos: int = _PLACEBOS,
) -> Matrix:
    """Effects of tests that did not happen.

    Parameters
    ----------
    ratios
        Growth of each store that is no test store.
    neighbours, usable
        Stores x depth: their controls, nearest first, and whether there is one.
    n_tests
        Stores that are drawn in each placebo test; they are no controls in it.
    generator
        Of the draws.
    n_placebos
        How many.

    Returns
    -------
    Matrix
        One trimmed mean per placebo test.
    """
    n_stores = len(ratios)
    effects = np.empty(n_placebos)
    for start in range(0, n_placebos, _CHUNK):
        n_draws = min(_CHUNK, n_placebos - start)
        drawn = np.argpartition(generator.random((n_draws, n_stores)), n_tests - 1, axis=1)[
            :, :n_tests
        ]
        taken = np.zeros((n_draws, n_stores), dtype=bool)
        np.put_along_axis(taken, drawn, values=True, axis=1)
        near = neighbours[drawn]
        free = usable[drawn] & ~taken[np.arange(n_draws)[:, np.newaxis, np.newaxis], near]
        differences = _differences(ratios[drawn], ratios[near], free)
        effects[start : start + n_draws] = trim_mean(differences, _TRIMMED, axis=1)
    return effects


def estimate(
    ratios: Matrix,
    points: Matrix,
    tests: _Rows,
    groups: _Rows | None,
    generator: np.random.Generator,
    n_placebos: int = _PLACEBOS,
) -> Estimate:
    """Effect of a test: trimmed mean over its stores, minus the mean of placebo tests.

    The growth of each test store is divided by the mean growth of its controls. In a placebo test,
    as many of the other stores play the test stores and are no controls, so its noise comes from
    the same sources as the noise of the test. The standard error is the standard deviation of the
    placebo effects.

    Parameters
    ----------
    ratios
        Growth of each store.
    points
        Stores x coordinates of the past.
    tests
        Rows of the test stores; all others may be controls.
    groups
        Segment of each store, to take controls from the same one.
    generator
        Of the placebo draws.
    n_placebos
        How many.

    References
    ----------
    Abadie, Diamond and Hainmueller (2010), Synthetic control methods for comparative case studies,
    Journal of the American Statistical Association 105 (placebo tests). Wilcox (2012),
    Introduction to Robust Estimation and Hypothesis Testing, section 3.3 (trimmed means).
    """
    others = np.setdiff1d(np.arange(len(ratios)), tests)
    # enough that ten are left, nearly always, when the stores of a placebo test are taken out
    depth = min(2 * N_CONTROLS * len(others) // max(len(others) - len(tests), 1), len(others))
    near, distances = nearest_controls(points, tests, others, groups, depth)
    effect = trim_mean(_differences(ratios[tests], ratios[near], np.isfinite(distances)), _TRIMMED)
    near, distances = nearest_controls(points, others, others, groups, depth)
    placebos = placebo_effects(
        ratios[others],
        np.searchsorted(others, near),
        np.isfinite(distances),
        len(tests),
        generator,
        n_placebos,
    )
    return Estimate(float(effect - placebos.mean()), float(placebos.std(ddof=1)))


def expected_change(measures: Matrix, ratios: Matrix, rows: _Rows, controls: Matrix) -> float:
    """Change of the test stores that their past leads to expect, without any test.

    Stores that sold little by chance recover, and controls cannot sell as little if the test stores
    are the ones that sold least. How fast stores recover is estimated from the stores that are no
    test stores: their growth is regressed on level and trend. The result is the slope times the
    difference between test stores and controls.

    Parameters
    ----------
    measures
        Stores x (level, trend), from `past_coordinates`.
    ratios
        Growth of each store.
    rows
        Rows of the test stores.
    controls
        Test stores x (level, trend): means of their controls.

    References
    ----------
    Abadie and Imbens (2011), Bias-corrected matching estimators for average treatment effects,
    Journal of Business and Economic Statistics 29. Barnett, van der Pols and Dobson (2005),
    Regression to the mean: what it is and how to deal with it, International Journal of
    Epidemiology 34.
    """
    others = np.setdiff1d(np.arange(len(ratios)), rows)
    X = np.column_stack([np.ones(len(others)), measures[others]])
    _, *slopes = np.linalg.lstsq(X, ratios[others], rcond=None)[0]
    return float((measures[rows] - controls).mean(axis=0) @ np.array(slopes))


def matched_stores(
    whole: Panel,
    tests: list[str],
    starts_on: dt.date,
    *,
    segments: Mapping[str, str] | None = None,
    chosen_by_past: bool = False,
    seed: int,
) -> MatchedStores:
    """Controls for test stores, their balance, and the effect of the test.

    Which stores are compared depends on the time before the test alone: they sold in at least 90 %
    of its periods. A store that closed later stays, as dropping it would flatter the rest.

    Parameters
    ----------
    whole
        Sales; periods that reach over `starts_on` are left out.
    tests
        Ids of the test stores.
    starts_on
        First day of the test.
    segments
        Take controls from the same segment only. This gave no consistent gain in simulations.
    chosen_by_past
        Whether the test stores were chosen for good or bad sales.
    seed
        Of the placebo tests.

    Returns
    -------
    MatchedStores
        Ten controls per test store, the balance of mix, level and trend, and one row with the
        effect. There is no effect with fewer than 20 test stores, 60 others or 8 periods before
        the test; `explanation` says so, and which test stores have no controls. If the stores were
        chosen by their past, if their trend differs from the others' by more than chance, or if
        level and trend that the controls do not share explain half a standard error of the effect,
        it warns about regression to the mean.

    Raises
    ------
    ValueError
        If a test store has no sales at all.
    """
    unknown = sorted(set(tests) - set(whole.stores))
    if unknown:
        raise ValueError(
            f"{len(unknown)} of {len(set(tests))} test stores have no sales, for example "
            f"{unknown[0]}, while ids look like {whole.stores[0]}; check the ids of the test stores"
        )
    ends = [*whole.starts[1:], whole.end]
    before = np.array([end <= starts_on for end in ends], dtype=bool)
    after = np.array([start >= starts_on for start in whole.starts], dtype=bool)
    sold = (whole.amounts[:, before].sum(axis=2) > 0).mean(axis=1) if before.any() else np.zeros(1)
    eligible = np.broadcast_to(sold >= MIN_ACTIVITY, len(whole.stores))
    chosen = [store for store, fine in zip(whole.stores, eligible, strict=True) if fine]
    if segments is not None:
        controlled = {segments[s] for s in chosen if s in segments and s not in set(tests)}
        chosen = [store for store in chosen if segments.get(store) in controlled]
    kept = [store for store in chosen if store in set(tests)]
    counts = (len(kept), len(chosen) - len(kept), int(before.sum()), int(after.sum()))
    left_out = _left_out(sorted(set(tests) - set(kept)), within_segments=segments is not None)
    reason = _too_little(*counts)
    if min(counts[:2]) == 0 or counts[2] < _MIN_PERIODS_MATCHED:
        return MatchedStores(
            pl.DataFrame(schema=MATCHES_SCHEMA),
            pl.DataFrame(schema=BALANCE_SCHEMA),
            _not_measured(counts, f"The test cannot be measured: {reason}{left_out}"),
        )
    part = whole.take(chosen)
    names = np.array(chosen)
    groups = None
    if segments is not None:
        _, groups = np.unique([segments[store] for store in chosen], return_inverse=True)
    rows = np.flatnonzero(np.isin(names, kept))
    points, measures = past_coordinates(part.amounts[:, before])
    others = np.setdiff1d(np.arange(len(names)), rows)
    near, distances = nearest_controls(points, rows, others, groups, min(N_CONTROLS, len(others)))
    usable = np.isfinite(distances)
    matches = _matches(names, rows, near, distances)
    balance = _balance(part, before, measures, rows, near, usable)
    if reason is not None:
        text = f"Controls were found, but the effect cannot be measured: {reason}{left_out}"
        return MatchedStores(matches, balance, _not_measured(counts, text))
    ratios = growth(part.amounts[:, before], part.amounts[:, after])
    found = estimate(ratios, points, rows, groups, np.random.default_rng(seed))
    trend = measures[:, 1]
    error = np.sqrt(trend[rows].var(ddof=1) / len(rows) + trend[others].var(ddof=1) / len(others))
    with_controls = usable.any(axis=1)
    controls = np.stack(
        [
            measures[row[fine]].mean(axis=0)
            for row, fine in zip(near, usable, strict=True)
            if any(fine)
        ]
    )
    explained = expected_change(measures, ratios, rows[with_controls], controls)
    unusual = bool(
        abs(trend[rows].mean() - trend[others].mean()) > _UNUSUAL * error
        or abs(explained) > _EXPLAINED * found.standard_error
    )
    detectable = (Z95 + float(norm.ppf(_POWER))) * found.standard_error
    text = (
        f"{counts[0]:,} test stores: sales changed by {100 * found.effect:+.1f}% "
        f"({100 * found.low:+.1f}% to {100 * found.high:+.1f}%) compared with their controls; "
        f"effects below {100 * detectable:.1f}% cannot be detected{left_out}"
    )
    if chosen_by_past or unusual:
        why = "were chosen for" if chosen_by_past else "differ from the others in"
        text += (
            f". Warning: the test stores {why} their past sales, so part of the change is "
            "regression to the mean; do not read it as the effect of the test"
        )
    row = (*counts, found.effect, found.low, found.high, detectable, unusual, text)
    return MatchedStores(matches, balance, pl.DataFrame([row], schema=EFFECT_SCHEMA, orient="row"))


def _not_measured(counts: tuple[int, int, int, int], text: str) -> pl.DataFrame:
    return pl.DataFrame([(*counts, *[None] * 5, text)], schema=EFFECT_SCHEMA, orient="row")


def _left_out(stores: list[str], *, within_segments: bool) -> str:
    """Part of a sentence about test stores without controls, empty if there are none."""
    if not stores:
        return ""
    more = " and others" if len(stores) > _NAMED else ""
    segment = " or have no other store in their segment" if within_segments else ""
    return (
        f"; left out: {counted(len(stores), 'test store')} that sold in less than "
        f"{MIN_ACTIVITY:.0%} of the periods before the test{segment} "
        f"({', '.join(stores[:_NAMED])}{more})"
    )


def _too_little(n_tests: int, n_others: int, n_before: int, n_after: int) -> str | None:
    """Why a test cannot be measured."""
    for found, least, what in (
        (n_tests, MIN_TESTS, ("test store", "that sold regularly before the test")),
        (n_others, MIN_OTHERS, ("other store", "that sold regularly before the test")),
        (n_before, MIN_PERIODS_BEFORE, ("period", "before the test")),
    ):
        if found < least:
            noun, which = what
            return (
                f"{counted(found, noun)} {which}; at least {least} are needed to tell an effect "
                "from chance"
            )
    if n_after == 0:
        return "there are no sales by period after its start"
    return None


def _differences(own: Matrix, near: Matrix, free: npt.NDArray[np.bool_]) -> Matrix:
    """Growth of stores over the mean growth of their first ten free neighbours, minus one."""
    used = free & (np.cumsum(free, axis=-1) <= N_CONTROLS)
    counts = used.sum(axis=-1)
    means = np.where(used, near, 0.0).sum(axis=-1) / np.maximum(counts, 1)
    fine = (counts > 0) & (means > 0)
    differences: Matrix = np.where(fine, own / np.where(fine, means, 1.0) - 1, 0.0)
    return differences


def _matches(
    names: npt.NDArray[np.str_], rows: _Rows, near: _Rows, distances: Matrix
) -> pl.DataFrame:
    n_tests, width = near.shape
    return pl.DataFrame(
        {
            "store_id": np.repeat(names[rows], width),
            "control_rank": np.tile(np.arange(1, width + 1), n_tests),
            "control_store_id": names[near.ravel()],
            "distance": distances.ravel(),
        },
        schema=MATCHES_SCHEMA,
    ).filter(pl.col("distance").is_finite())


def _balance(
    part: Panel,
    before: npt.NDArray[np.bool_],
    measures: Matrix,
    rows: _Rows,
    near: _Rows,
    usable: npt.NDArray[np.bool_],
) -> pl.DataFrame:
    """Means of the past of test stores, their controls and all others."""
    shares = closure(np.maximum(part.amounts[:, before].sum(axis=1), 0.0) + 1e-9)
    values = np.column_stack([measures, shares])
    others = np.setdiff1d(np.arange(len(values)), rows)
    tests, rest = values[rows].mean(axis=0), values[others].mean(axis=0)
    controls = values[near[usable]].mean(axis=0)
    spread = values.std(axis=0, ddof=1)
    difference = np.divide(tests - controls, spread, out=np.zeros_like(tests), where=spread > 0)
    return pl.DataFrame(
        {
            "measure": [
                "log sales per period",
                "log growth before the test",
                *(f"share of {name}" for name in part.need_states),
            ],
            "tests": tests,
            "controls": controls,
            "others": rest,
            "standardized_difference": difference,
        },
        schema=BALANCE_SCHEMA,
    )
