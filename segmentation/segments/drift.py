"""Population stability index, with thresholds that know how many stores there are."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import gammaincinv

from segmentation.features.vectors import Matrix
from segmentation.settings import Lane, Settings

Counts = npt.NDArray[np.int64]

#: Added to every bin, so that an empty one has a logarithm (Jeffreys' prior of a multinomial).
_PSEUDO_COUNT: Final = 0.5
#: Draws behind a threshold.
_RESAMPLES: Final = 1000

DRIFT_SCHEMA: Final = pl.Schema(
    {
        "lane": pl.String(),
        "scope": pl.String(),
        "subject": pl.String(),
        "feature": pl.String(),
        "stability_index": pl.Float64(),
        "threshold": pl.Float64(),
        "n_training": pl.Int64(),
        "n_today": pl.Int64(),
    }
)


def population_stability_index(training: Counts | Matrix, today: Counts | Matrix) -> Matrix:
    """Symmetric divergence of two distributions over the same bins.

    ``sum((q - p) * log(q / p))`` with the shares p and q of the bins, half a store added to each.

    Parameters
    ----------
    training, today
        Counts; the last axis runs over the bins.

    Returns
    -------
    Matrix
        Without the last axis; 0 for equal shares, and above.

    References
    ----------
    Siddiqi (2006), Credit Risk Scorecards. It is the divergence J of Jeffreys (1946).
    """
    p, q = _shares(training), _shares(today)
    index: Matrix = np.sum((q - p) * np.log(q / p), axis=-1)
    return index


def stability_threshold(
    training: Counts, n_today: int, false_alarm_rate: float, seed: int
) -> float:
    """Index that chance alone exceeds with a given probability.

    Parametric bootstrap: both samples are drawn, in their sizes, from the distribution seen in
    training. With few stores or many bins chance makes a large index, with many stores a small one,
    which is why fixed limits such as 0.1 and 0.25 say little. The quantile is that of the gamma
    distribution with the mean and the variance of the draws, which reaches farther into the tail
    than the draws themselves.

    Parameters
    ----------
    training
        Counts per bin.
    n_today
        Number of stores today.
    false_alarm_rate
        Probability of exceeding the threshold although nothing has changed.
    seed
        Of the draws.

    References
    ----------
    Yurdakul and Naranjo (2020), Statistical properties of the population stability index, Journal
    of Risk Model Validation 14(4): for many stores, ``(1 / n + 1 / m)`` times a chi-squared
    variable with one degree of freedom fewer than bins. Efron and Tibshirani (1993), An
    Introduction to the Bootstrap, section 6.5.
    """
    generator = np.random.default_rng(seed)
    shares = _shares(training)
    before = generator.multinomial(int(training.sum()), shares, size=_RESAMPLES)
    after = generator.multinomial(n_today, shares, size=_RESAMPLES)
    chance = population_stability_index(before, after)
    mean, variance = float(chance.mean()), float(chance.var())
    if variance == 0:
        return mean
    return float(gammaincinv(mean**2 / variance, 1 - false_alarm_rate) * variance / mean)


def lane_drift(bins: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Index and threshold of everything that is counted in bins.

    `drift_false_alarm_rate` is shared out among the subjects of a lane and scope (Bonferroni), so
    that a model with many features does not raise more false alarms.

    Parameters
    ----------
    bins
        `drift_bins`: lane, scope, subject, feature, bin, n_training, n_today.
    settings
        Gives the false alarm rate, and the seed per scope.

    Returns
    -------
    polars.DataFrame
        Schema `DRIFT_SCHEMA`, one row per lane, scope, subject and feature, sorted. Index and
        threshold are null where there is no store on one side.
    """
    keys = ["lane", "scope", "subject", "feature"]
    counted = (
        bins.sort(*keys, "bin").group_by(keys, maintain_order=True).agg("n_training", "n_today")
    )
    counted = counted.with_columns(pl.len().over("lane", "scope").alias("n_subjects"))
    rows = []
    for lane, scope, subject, feature, training, today, n_subjects in counted.iter_rows():
        before, after = np.array(training), np.array(today)
        if not before.any() or not after.any():
            rows.append((lane, scope, subject, feature, None, None, *(map(sum, (training, today)))))
            continue
        fit_lane: Lane = "external" if lane == "external" else "internal"
        threshold = stability_threshold(
            before,
            int(after.sum()),
            settings.project.drift_false_alarm_rate / n_subjects,
            _seed(settings.for_scope(fit_lane, scope).seed, lane, scope, subject, feature),
        )
        rows.append(
            (
                lane,
                scope,
                subject,
                feature,
                float(population_stability_index(before, after)),
                threshold,
                int(before.sum()),
                int(after.sum()),
            )
        )
    return pl.DataFrame(rows, schema=DRIFT_SCHEMA, orient="row")


def _shares(counts: Counts | Matrix) -> Matrix:
    """Smoothed shares of the bins; the last axis sums to 1."""
    smoothed = counts + _PSEUDO_COUNT
    shares: Matrix = smoothed / smoothed.sum(axis=-1, keepdims=True)
    return shares


def _seed(seed: int, *names: str | None) -> int:
    """Seed of one subject, whatever other subjects there are."""
    text = "\x1f".join([str(seed), *(name or "" for name in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
