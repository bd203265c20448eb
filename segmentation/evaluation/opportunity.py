"""Room of each store within its segment, after sampling noise is taken out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from segmentation.evaluation.periods import MIN_GROUP, Panel, counted
from segmentation.evaluation.validity import Z95
from segmentation.features.vectors import Labels, Matrix, closure

#: Least number of periods with sales that a sampling variance is estimated from.
MIN_PERIODS: Final = 8
#: Draws behind the null bound.
_RESAMPLES: Final = 40
#: Draws behind the intervals.
_DRAWS: Final = 100
#: How many standard deviations of chance the dispersion of the stores must exceed.
_GATE: Final = 6.0
#: Stores beyond this many interquartile ranges from the quartiles are unusual. Tukey's three would
#: leave out stores whose true shares are merely skewed.
_FAR_OUT: Final = 4.0
_MONEY: Final = pl.Decimal(18, 2)

OPPORTUNITY_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "segment_id": pl.String(),
        "store_id": pl.String(),
        "need_state": pl.String(),
        "sales_amount": _MONEY,
        "share": pl.Float64(),
        "shrunken_share": pl.Float64(),
        "target_share": pl.Float64(),
        "room": _MONEY,
        "room_low": _MONEY,
        "room_high": _MONEY,
    }
)
ROOM_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "segment_id": pl.String(),
        "n_stores": pl.Int64(),
        "sales_amount": _MONEY,
        "room": _MONEY,
        "room_low": _MONEY,
        "room_high": _MONEY,
        "null_bound": _MONEY,
        "explanation": pl.String(),
    }
)


@dataclass(frozen=True)
class Room:
    """Result of `room`; all arrays are stores x need states unless noted.

    Attributes
    ----------
    shrunken, target
        Shrunken share of each store, and the upper quartile of its segment.
    amount, low, high
        Room and the ends of its interval, in money.
    draws
        Draws x stores: room of each store, in money, if shares and targets are drawn from what the
        sales leave possible. Sums of stores share the errors of their target.
    """

    shrunken: Matrix
    target: Matrix
    amount: Matrix
    low: Matrix
    high: Matrix
    draws: Matrix


def sampling_variance(amounts: Matrix) -> Matrix:
    """Variance of each store's shares, estimated from its periods.

    ``V = B / (B - 1) sum_b (a_bn - p_n a_b)^2 / A^2`` with the sales a_bn of need state n in period
    b, a_b of all need states, and A of all periods: the variance of a ratio of totals if periods
    are independent. Where a panel of households is all that was observed, periods share the same
    households and look too certain: put random groups of households in the place of the periods.

    Parameters
    ----------
    amounts
        ... x periods x need states; at least two periods, a positive total for each store.

    Returns
    -------
    Matrix
        ... x need states.

    References
    ----------
    Cochran (1977), Sampling Techniques, section 6.4. Wolter (2007), Introduction to Variance
    Estimation, chapter 2 (random groups).
    """
    n_periods = amounts.shape[-2]
    per_period = amounts.sum(axis=-1, keepdims=True)
    total = per_period.sum(axis=-2, keepdims=True)
    shares = amounts.sum(axis=-2, keepdims=True) / total
    squares = ((amounts - shares * per_period) ** 2).sum(axis=-2)
    variance: Matrix = n_periods / (n_periods - 1) * squares / total[..., 0] ** 2
    return variance


def without_season(amounts: Matrix) -> Matrix:
    """Sales as they would be if the mix of all these stores were the same in all periods.

    ``a_bn - a_b (c_bn - c_n)`` with the share of all stores c_bn of need state n in period b and
    c_n in all periods. Sales of a period stay the same. What all stores share, such as Christmas,
    is then no sampling variance of each, and a store that was open for a part of the year does not
    differ from the others by its season.

    Parameters
    ----------
    amounts
        Stores x periods x need states.
    """
    chain = amounts.sum(axis=0)
    sales = chain.sum(axis=1, keepdims=True)
    shares = np.divide(chain, sales, out=np.zeros_like(chain), where=sales > 0)
    change = np.where(sales > 0, shares - chain.sum(axis=0) / chain.sum(), 0.0)
    steady: Matrix = amounts - amounts.sum(axis=2, keepdims=True) * change
    return steady


def without_segment_season(amounts: Matrix, labels: Labels) -> Matrix:
    """Take out of each store the season of its segment, or of all stores if that is small."""
    steady = without_season(amounts)
    for rows in _segments(labels):
        steady[rows] = without_season(amounts[rows])
    return steady


def shrunken_shares(shares: Matrix, variance: Matrix, sales: Matrix) -> tuple[Matrix, Matrix]:
    """Shares of the stores of one segment, pulled toward its mean by their sampling variance.

    ``theta = mu + w (p - mu)`` with ``w = tau2 / (tau2 + V)`` and the variance between stores
    ``tau2 = max(0, var p - mean V)``. V is pooled, ``kappa / A``, so that a store with few
    eventful periods does not look certain by chance; a store whose own V is larger keeps it.
    All stores get the mean unless the need state passes the gate ``Q / (n - 1) > 1 + 6 sqrt(2 m /
    (n - 1))``, where Q is the sum of the squared deviations over the pooled variance and m the mean
    of ``(V / pooled V)^2``: one if all variances follow the pooled one, more if a few stores with
    rare, large baskets carry Q.

    A store whose share or kappa is far out (Tukey) takes no part in these estimates: a single odd
    store would let chance pass as room in its whole segment, or hide all room. It is shrunken like
    the others.

    Parameters
    ----------
    shares, variance
        ... x stores x need states.
    sales
        Stores, in money.

    Returns
    -------
    tuple
        Shrunken shares and their posterior variance ``w V``, both in the shape of `shares`.

    References
    ----------
    Morris (1983), Parametric empirical Bayes inference, Journal of the American Statistical
    Association 78. Cochran (1954), The combination of estimates from different experiments,
    Biometrics 10 (Q). Tukey (1977), Exploratory Data Analysis, section 2D (far out).
    """
    weights = sales[:, np.newaxis]
    kappa = weights * variance
    usual = _is_usual(shares) & _is_usual(kappa)
    usual |= usual.mean(axis=-2, keepdims=True) < 0.5  # noqa: PLR2004 (too few to learn from)
    n_stores = usual.sum(axis=-2, keepdims=True)

    def average(values: Matrix, weights: Matrix | float = 1.0) -> Matrix:
        counted: Matrix = usual * weights
        mean: Matrix = (counted * values).sum(axis=-2, keepdims=True) / counted.sum(
            axis=-2, keepdims=True
        )
        return mean

    mean = average(shares, weights)
    pooled = average(kappa) / weights
    own = np.maximum(variance, pooled)
    with np.errstate(divide="ignore", invalid="ignore"):
        # of n - 1 degrees of freedom
        excess = n_stores / (n_stores - 1)
        dispersion = average((shares - mean) ** 2 / pooled) * excess
        uneven = average((variance / pooled) ** 2)
        dispersed = dispersion > 1 + _GATE * np.sqrt(2 * uneven / (n_stores - 1))
    spread = average((shares - average(shares)) ** 2) * excess
    between = np.where(dispersed, np.maximum(spread - average(own), 0.0), 0.0)
    known = between + own
    weight = np.divide(between, known, out=np.zeros_like(known), where=known > 0)
    return mean + weight * (shares - mean), weight * own


def evenly_spread(shrunken: Matrix, variance: Matrix) -> Matrix:
    """Spread shrunken shares of one segment as far apart as the true shares are.

    Shrunken shares are the best guess for each store, and too close to each other for a quantile:
    ``mu + a (theta - mu)`` with ``a^2 = 1 + mean(variance) / var(theta)`` restores their variance.

    Parameters
    ----------
    shrunken, variance
        Result of `shrunken_shares`.

    References
    ----------
    Louis (1984), Estimating a population of parameter values using Bayes and empirical Bayes
    methods, Journal of the American Statistical Association 79. Ghosh (1992), Constrained Bayes
    estimation with applications, same journal, 87.
    """
    mean = shrunken.mean(axis=-2, keepdims=True)
    between = shrunken.var(axis=-2, keepdims=True)
    lost = variance.mean(axis=-2, keepdims=True)
    ratio = np.divide(lost, between, out=np.zeros_like(lost), where=between > 0)
    spread: Matrix = mean + np.sqrt(1 + ratio) * (shrunken - mean)
    return spread


def room(amounts: Matrix, labels: Labels, seed: int = 0) -> Room:
    """Gap of each store to the upper quartile of its segment, both sides shrunken.

    ``A max(0, Q75(theta) - theta)`` with the shares of `evenly_spread`: room within the category's
    sales. Shares sum to one, so more of one need state is less of another: this is a ceiling for a
    change of mix, neither incremental nor causal.

    Parameters
    ----------
    amounts
        Stores x periods x need states, in money; a positive total for each store.
    labels
        Segment of each store. Segments with fewer than 8 stores have no room.
    seed
        Of the draws behind the intervals.
    """
    shares, variance, sales = _steady(amounts, labels)
    generator = np.random.default_rng(seed)
    draws = np.zeros((_DRAWS, len(sales)))
    margin = np.zeros_like(shares)
    for rows in _segments(labels):
        theta, posterior = shrunken_shares(shares[rows], variance[rows], sales[rows])
        some = np.flatnonzero(posterior.any(axis=0))
        noise = generator.standard_normal((_DRAWS, len(rows), len(some)))
        drawn = theta[:, some] + np.sqrt(posterior[:, some]) * noise
        # the variance between stores, tau2, is an estimate, too; the weight is tau2 / (tau2 + V)
        mean, variation = theta[:, some].mean(axis=0), theta[:, some].var(axis=0)
        weight = variation / (variation + posterior[:, some].mean(axis=0))
        relative = np.sqrt(2 * (1 / weight**2 - 1) / (len(rows) - 1))
        tau2 = 1 + relative * generator.standard_normal((_DRAWS, 1, len(some)))
        drawn = mean + np.sqrt(np.maximum(tau2, 0.0)) * (drawn - mean)
        targets = np.quantile(drawn, 0.75, axis=1, keepdims=True)
        draws[:, rows] = sales[rows] * np.maximum(targets - drawn, 0.0).sum(axis=2)
        margin[np.ix_(rows, some)] = Z95 * np.sqrt(posterior[:, some] + targets.var(axis=0, ddof=1))
    shrunken, target = _targets(shares, variance, sales, labels)
    gap = target - shrunken
    money = sales[:, np.newaxis]
    return Room(
        shrunken=shrunken,
        target=target,
        amount=money * np.maximum(gap, 0.0),
        low=money * np.maximum(gap - margin, 0.0),
        high=money * np.maximum(gap + margin, 0.0),
        draws=draws,
    )


def total_room(amounts: Matrix, labels: Labels) -> float:
    """Sum of the room of all stores, without intervals; parameters as for `room`."""
    shares, variance, sales = _steady(amounts, labels)
    shrunken, target = _targets(shares, variance, sales, labels)
    return float(sales @ np.maximum(target - shrunken, 0.0).sum(axis=1))


def null_room(amounts: Matrix, labels: Labels, seed: int, n_draws: int = _RESAMPLES) -> Matrix:
    """Room that appears although all stores of a segment have the same mix.

    Wild bootstrap: each store keeps its periods, and the deviations of their mix from the store's
    own mix get random signs around the mean of the segment.

    Returns
    -------
    Matrix
        Draws x stores: room in money.

    References
    ----------
    Liu (1988), Bootstrap procedures under some non-i.i.d. models, Annals of Statistics 16.
    """
    generator = np.random.default_rng(seed)
    amounts = without_segment_season(amounts, labels)
    per_period = amounts.sum(axis=2, keepdims=True)
    sales = per_period.sum(axis=1, keepdims=True)
    residuals = amounts - amounts.sum(axis=1, keepdims=True) / sales * per_period
    pooled = np.zeros((len(amounts), 1, amounts.shape[2]))
    for label in np.unique(labels):
        rows = labels == label
        totals = amounts[rows].sum(axis=(0, 1))
        pooled[rows] = totals / totals.sum()
    # residual of a drawn period: sign * residual - (drawn - pooled share) * sales of the period
    total, pooled = sales[:, 0, :], pooled[:, 0, :]
    squares = (residuals**2).sum(axis=1)
    weighted = residuals * per_period
    periods = (per_period**2).sum(axis=1)
    scale = amounts.shape[1] / (amounts.shape[1] - 1) / total**2
    results = np.empty((n_draws, len(amounts)))
    for draw in range(n_draws):
        signs = generator.choice([-1.0, 1.0], size=(len(amounts), 1, amounts.shape[1]))
        moved = (signs @ residuals)[:, 0] / total
        variance = scale * (squares - 2 * moved * (signs @ weighted)[:, 0] + moved**2 * periods)
        shares = closure(np.maximum(pooled + moved, 0.0))
        shrunken, target = _targets(shares, variance, total[:, 0], labels)
        results[draw] = total[:, 0] * np.maximum(target - shrunken, 0.0).sum(axis=1)
    return results


def segment_opportunity(
    whole: Panel, category: str, segments: dict[str, str], seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Room per store and need state, and its sums per segment.

    Parameters
    ----------
    whole
        Sales of the category.
    category
        Its name.
    segments
        Segment of each store; stores without one, or without sales, are left out.
    seed
        Of the draws behind the null bound.

    Returns
    -------
    tuple
        Two frames. Schema `OPPORTUNITY_SCHEMA`: one row per store and need state, sorted. Schema
        `ROOM_SCHEMA`: one row per segment and, with a null `segment_id`, one for the category. Room
        is rounded to cents per store and need state before it is summed, so the sums agree to the
        cent; the sums are null where no segment has 8 stores. The null bound is the 95th percentile
        of `null_room`. With fewer than 8 periods there are no rows of stores, and the row of the
        category explains why.
    """
    active = whole.amounts.sum(axis=(1, 2)) > 0
    stores = [s for s, on in zip(whole.stores, active, strict=True) if on and s in segments]
    n_periods = len(whole.starts)
    if n_periods < MIN_PERIODS or not stores:
        reason = (
            f"the sales have {counted(n_periods, 'period')}; at least {MIN_PERIODS} are needed to "
            "tell differences between stores from chance"
        )
        text = (
            f"{category}: room cannot be estimated: "
            f"{reason if stores else 'there are no sales with dates'}"
        )
        row = (category, None, len(stores), None, None, None, None, None, text)
        return pl.DataFrame(schema=OPPORTUNITY_SCHEMA), pl.DataFrame(
            [row], schema=ROOM_SCHEMA, orient="row"
        )
    part = whole.take(stores)
    names = np.array([segments[store] for store in stores])
    named, labels = np.unique(names, return_inverse=True)
    found = room(part.amounts, labels, seed)
    nulls = null_room(part.amounts, labels, seed)
    width = len(part.need_states)
    totals = part.amounts.sum(axis=1)
    detail = pl.DataFrame(
        {
            "category": [category] * (len(stores) * width),
            "segment_id": np.repeat(names, width),
            "store_id": np.repeat(np.array(stores), width),
            "need_state": np.tile(np.array(part.need_states), len(stores)),
            "sales_amount": _cents(totals),
            "share": closure(np.maximum(totals, 0.0)).ravel(),
            "shrunken_share": found.shrunken.ravel(),
            "target_share": found.target.ravel(),
            "room": _cents(found.amount),
            "room_low": _cents(found.low),
            "room_high": _cents(found.high),
        },
        schema=OPPORTUNITY_SCHEMA,
    ).sort("segment_id", "store_id", "need_state")
    rows = []
    for number, name in [*enumerate(named), (None, None)]:
        chosen = np.ones(len(stores), dtype=bool) if number is None else labels == number
        cells = detail if name is None else detail.filter(pl.col("segment_id") == name)
        total = cells["room"].sum()
        sales = cells["sales_amount"].sum()
        margin = Z95 * float(found.draws[:, chosen].sum(axis=1).std(ddof=1))
        bound = float(np.quantile(nulls[:, chosen].sum(axis=1), 0.95))
        low, high = max(float(total) - margin, 0.0), float(total) + margin
        unknown = _not_estimated(labels[chosen])
        known = _in_words(float(sales), float(total), low, high, bound, width)
        amounts = (total, _cent(low), _cent(high), _cent(bound))
        where = category if name is None else f"{category} {name}"
        rows.append(
            (
                category,
                None if name is None else str(name),
                int(chosen.sum()),
                sales,
                *(amounts if unknown is None else [None] * len(amounts)),
                f"{where}: {unknown or known}",
            )
        )
    return detail, pl.DataFrame(rows, schema=ROOM_SCHEMA, orient="row")


def _steady(amounts: Matrix, labels: Labels) -> tuple[Matrix, Matrix, Matrix]:
    """Shares without the season, their sampling variance, and sales of each store.

    The season is the one of the segment. A store is a part h of the sales that show it, so a part h
    of its own variance is taken out with it, and is put back.
    """
    steady, sales = without_segment_season(amounts, labels), amounts.sum(axis=(1, 2))
    variance = sampling_variance(steady)
    for rows in _segments(labels):
        variance[rows] /= (1 - sales[rows] / sales[rows].sum())[:, np.newaxis]
    return closure(np.maximum(steady.sum(axis=1), 0.0)), variance, sales


def _not_estimated(labels: Labels) -> str | None:
    """Why the room of these segments is not known, None if it is."""
    counts = np.unique(labels, return_counts=True)[1]
    if (counts >= MIN_GROUP).any():
        return None
    largest = counted(int(counts.max()), "store")
    known = largest if len(counts) == 1 else f"at most {largest}"
    return f"room cannot be estimated: {known} in a segment; at least {MIN_GROUP} are needed"


def _in_words(
    sales: float, total: float, low: float, high: float, bound: float, n_need_states: int
) -> str:
    """Room as a part of the sales, with its interval."""
    if n_need_states < 2:  # noqa: PLR2004
        return "no room for another mix, as there is only one need state"
    if not total:
        return "no room found, as the stores of a segment differ no more than chance explains"
    part, least, most, chance = (100 * amount / sales for amount in (total, low, high, bound))
    return (
        f"room of {part:.1f}% of sales for another mix ({least:.1f}% to {most:.1f}%), a ceiling; "
        f"chance alone gives up to {chance:.1f}%"
    )


def _segments(labels: Labels) -> Iterator[Labels]:
    """Rows of each segment that is large enough."""
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) >= MIN_GROUP:
            yield rows


def _is_usual(values: Matrix) -> npt.NDArray[np.bool_]:
    """Whether a value is not far out among those of the stores; all are if most are the same."""
    low, high = np.quantile(values, [0.25, 0.75], axis=-2, keepdims=True)
    reach = np.where(high > low, _FAR_OUT * (high - low), np.inf)
    usual: npt.NDArray[np.bool_] = (values >= low - reach) & (values <= high + reach)
    return usual


def _targets(
    shares: Matrix, variance: Matrix, sales: Matrix, labels: Labels
) -> tuple[Matrix, Matrix]:
    """Shrunken shares and their upper quartile in the segment; small segments keep their shares."""
    shrunken, target = shares.copy(), shares.copy()
    for rows in _segments(labels):
        shrunken[rows] = evenly_spread(*shrunken_shares(shares[rows], variance[rows], sales[rows]))
        target[rows] = np.quantile(shrunken[rows], 0.75, axis=0)
    return shrunken, target


def _cent(amount: float) -> Decimal:
    return Decimal(repr(amount)).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)


def _cents(amounts: Matrix) -> pl.Series:
    return pl.Series(amounts.ravel()).round(2).cast(_MONEY)
