"""Simulated chains with known groups, to check what the estimates of this package claim."""

from __future__ import annotations

import datetime as dt

import numpy as np

from segmentation.evaluation.periods import ORIGIN, Panel
from segmentation.features.vectors import Labels, Matrix


def simulated_chain(
    *,
    n_stores: int = 120,
    n_periods: int = 26,
    n_need_states: int = 8,
    n_groups: int = 4,
    group_spread: float = 0.0,
    store_spread: float = 0.0,
    baskets_per_period: float = 60.0,
    season: float = 0.1,
    seed: int = 0,
) -> tuple[Panel, Labels]:
    """Two-week sales of a chain whose stores differ by groups, by themselves, and by baskets.

    A basket holds one need state and has a gamma-distributed value, so sales vary between periods
    as till receipts do. The logarithm of a store's mix is the chain's, plus its group's deviation,
    plus its own.

    Parameters
    ----------
    n_stores, n_periods, n_need_states, n_groups
        Size of the chain.
    group_spread, store_spread
        Standard deviation of the deviations of the groups and of the stores, in logarithms; 0 for
        both gives stores that differ by baskets only.
    baskets_per_period
        Baskets of the median store in two weeks; stores differ by a log-normal factor.
    season
        Standard deviation of the chain's own changes between the first and the second half.
    seed
        Of everything that is drawn.

    Returns
    -------
    tuple
        Panel of sales and the planted group of each store.
    """
    generator = np.random.default_rng(seed)
    labels = np.arange(n_stores) % n_groups
    base = generator.normal(0, 0.7, n_need_states)
    groups = generator.normal(0, 1, (n_groups, n_need_states)) * group_spread
    own = generator.normal(0, 1, (n_stores, n_need_states)) * store_spread
    change = generator.normal(0, season, n_need_states)
    size = baskets_per_period * np.exp(generator.normal(0, 0.5, n_stores))
    halves = (np.arange(n_periods) >= n_periods / 2)[:, np.newaxis] * change
    logs = base + (groups[labels] + own)[:, np.newaxis, :] + halves
    mix = np.exp(logs)
    mix /= mix.sum(axis=2, keepdims=True)
    baskets = generator.poisson(size[:, np.newaxis, np.newaxis] * mix)
    amounts: Matrix = generator.gamma(np.maximum(1.5 * baskets, 1e-9), 8.0) * (baskets > 0)
    amounts = np.round(amounts, 2)
    starts = tuple(ORIGIN + dt.timedelta(days=14 * period) for period in range(n_periods))
    return (
        Panel(
            tuple(f"S{store:05d}" for store in range(n_stores)),
            tuple(f"need {number}" for number in range(n_need_states)),
            starts,
            ORIGIN + dt.timedelta(days=14 * n_periods),
            amounts,
        ),
        labels.astype(np.intp),
    )
