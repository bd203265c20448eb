"""Stores without sales: their segment and their mix, as far as surroundings tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from segmentation.evaluation.periods import MIN_GROUP, MIN_STORES, counted
from segmentation.evaluation.validity import Z95
from segmentation.features.vectors import Labels, Matrix

#: Folds in which stores are left out.
_FOLDS: Final = 10
#: Penalties that are tried, from strong to weak.
_PENALTIES: Final = (0.001, 0.01, 0.1, 1.0)
#: Like-stores that are named.
N_LIKE_STORES: Final = 5
#: Ends of the 95 % interval of the mix.
_TAIL: Final = 0.025
_SMALLEST: Final = 1e-12
#: Stores of the history that lend a new store the values that it lacks.
_DONORS: Final = 50
#: The coverage is measured on as many stores, in chunks that bound memory.
_MEASURED: Final = 1000
_CHUNK: Final = 100

NEW_STORES_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "store_id": pl.String(),
        "segment_id": pl.String(),
        "probability": pl.Float64(),
        "share_of_stores": pl.Float64(),
        "like_stores": pl.List(pl.String),
    }
)
NEW_MIX_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "store_id": pl.String(),
        "need_state": pl.String(),
        "expected_share": pl.Float64(),
        "share_low": pl.Float64(),
        "share_high": pl.Float64(),
    }
)
CALIBRATION_SCHEMA: Final = pl.Schema(
    {
        "category": pl.String(),
        "n_stores": pl.Int64(),
        "log_loss": pl.Float64(),
        "log_loss_of_shares": pl.Float64(),
        "mean_top_probability": pl.Float64(),
        "top_is_right": pl.Float64(),
        "interval_coverage": pl.Float64(),
        "uses_surroundings": pl.Boolean(),
        "explanation": pl.String(),
    }
)


@dataclass(frozen=True)
class History:
    """Stores of one category that have both sales and surroundings.

    Attributes
    ----------
    stores
        Their ids.
    surroundings
        Stores x features; NaN where a value is missing.
    segments
        Segment of each store.
    shares
        Stores x need states, every row sums to 1.
    need_states
        Names of the columns of `shares`.
    """

    stores: tuple[str, ...]
    surroundings: Matrix
    segments: tuple[str, ...]
    shares: Matrix
    need_states: tuple[str, ...]


@dataclass(frozen=True)
class NewStores:
    """Probabilities, expected mix, and how well both did for stores that were left out."""

    segments: pl.DataFrame
    mix: pl.DataFrame
    calibration: pl.DataFrame


def sharpened(probabilities: Matrix, power: float) -> Matrix:
    """Raise probabilities to a power and close them: below 1 makes them more cautious.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks (temperature
    scaling), Proceedings of Machine Learning Research 70.
    """
    logs = power * np.log(np.maximum(probabilities, _SMALLEST))
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    closed: Matrix = weights / weights.sum(axis=1, keepdims=True)
    return closed


def log_loss(probabilities: Matrix, labels: Labels) -> Matrix:
    """Negative logarithm of the probability that each store's true segment was given."""
    loss: Matrix = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], _SMALLEST))
    return loss


def expected_mix(probabilities: Matrix, labels: Labels, shares: Matrix) -> tuple[Matrix, ...]:
    """Mean mix and 95 % interval, given probabilities of the segments.

    A new store is thought of as a store of the history, each with weight
    ``P(its segment) / number of stores in it``: the mean is the mean of the segments' mixes, and
    the interval has the weighted quantiles.

    Parameters
    ----------
    probabilities
        New stores x segments.
    labels
        Segment of each store of the history.
    shares
        Stores of the history x need states.

    Returns
    -------
    tuple
        Mean, lower and upper end, each new stores x need states.
    """
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    return _weighted_mix(probabilities[:, labels] / counts[labels], shares)


def _weighted_mix(weights: Matrix, shares: Matrix) -> tuple[Matrix, ...]:
    """Weighted mean and 95 % interval of each column, for each row of weights."""
    weights = weights / weights.sum(axis=1, keepdims=True)
    mean = weights @ shares
    low, high = np.empty_like(mean), np.empty_like(mean)
    for column in range(shares.shape[1]):
        order = np.argsort(shares[:, column], kind="stable")
        ranked = shares[order, column]
        reached = np.cumsum(weights[:, order], axis=1)
        last = len(ranked) - 1
        low[:, column] = ranked[np.minimum((reached < _TAIL).sum(axis=1), last)]
        high[:, column] = ranked[np.minimum((reached < 1 - _TAIL).sum(axis=1), last)]
    return mean, low, high


def new_stores(
    history: History, category: str, names: list[str], surroundings: Matrix, seed: int
) -> NewStores:
    """Segments and mix of stores that have no sales yet.

    Multinomial logistic regression of the segment on standardized surroundings. Values that a new
    store lacks are taken from the most similar stores of the history in turn, and the probabilities
    averaged, so that what is not known makes them more cautious. A value beyond those of the
    history counts as the nearest of them. Each store of the
    history is predicted by a model without it (ten folds); the penalty and a power of the
    probabilities are chosen by the log-loss of these predictions. If they do not beat the plain
    shares of the segments by 1.96 standard errors, the shares are used instead and `explanation`
    says that surroundings do not tell the segment.

    Parameters
    ----------
    history
        Stores with sales. Segments with fewer than 8 of them are left out.
    category
        Its name.
    names
        Ids of the new stores.
    surroundings
        New stores x features, in the order of `history.surroundings`.
    seed
        Of the folds.

    Returns
    -------
    NewStores
        `segments` (schema `NEW_STORES_SCHEMA`): one row per new store and segment, with the
        nearest stores of that segment by surroundings. `mix` (`NEW_MIX_SCHEMA`): expected share
        and 95 % interval per need state. `calibration` (`CALIBRATION_SCHEMA`): one row about
        stores that were left out, among others the share of their actual shares inside the
        interval. With fewer than 30 stores or two segments only `calibration` has a row.

    References
    ----------
    Dawid (1982), The well-calibrated Bayesian, Journal of the American Statistical Association 77.
    """
    known, counts = np.unique(np.array(history.segments), return_counts=True)
    known = known[counts >= MIN_GROUP]
    rows = np.flatnonzero(np.isin(history.segments, known))
    n_features = history.surroundings.shape[1]
    if len(known) < 2 or len(rows) < MIN_STORES or n_features == 0:  # noqa: PLR2004
        reason = (
            f"{counted(len(rows), 'store')} in {counted(len(known), 'segment')} of at least "
            f"{MIN_GROUP}, {counted(n_features, 'feature')} of their surroundings; at least "
            f"{MIN_STORES} stores, two segments and one feature are needed"
            if history.stores
            else "no store has both sales and surroundings"
        )
        text = f"{category}: new stores cannot be placed: {reason}"
        nothing = (category, len(rows), *[None] * 6, text)
        return NewStores(
            pl.DataFrame(schema=NEW_STORES_SCHEMA),
            pl.DataFrame(schema=NEW_MIX_SCHEMA),
            pl.DataFrame([nothing], schema=CALIBRATION_SCHEMA, orient="row"),
        )
    labels = np.searchsorted(known, np.array(history.segments)[rows])
    X, shares = history.surroundings[rows], history.shares[rows]
    base = np.bincount(labels) / len(labels)
    left_out, penalty, power = _left_out(X, labels, seed)
    losses = log_loss(left_out, labels)
    of_shares = log_loss(np.tile(base, (len(labels), 1)), labels)
    gains = of_shares - losses
    informed = bool(gains.mean() > Z95 * gains.std(ddof=1) / np.sqrt(len(gains)))
    if informed:
        fitted = _model(penalty).fit(X, labels)
        probabilities = _probabilities(fitted, power, X, surroundings)
    else:
        left_out = np.tile(base, (len(labels), 1))
        probabilities = np.tile(base, (len(names), 1))
    order = np.random.default_rng(seed).permutation(len(labels))
    covered = _coverage(left_out[order], labels[order], shares[order])
    top = left_out.argmax(axis=1)
    right = float((top == labels).mean())
    if informed:
        text = (
            f"{category}: surroundings tell the segment of a store that was left out in "
            f"{100 * right:.0f}% of cases"
        )
    else:
        text = (
            f"{category}: surroundings do not tell the segment; the probabilities are the "
            "segments' shares of the stores"
        )
    row = (
        category,
        len(rows),
        float(log_loss(left_out, labels).mean()),
        float(of_shares.mean()),
        float(left_out.max(axis=1).mean()),
        right,
        covered,
        informed,
        text,
    )
    like = _like_stores(X, surroundings, labels, np.array(history.stores)[rows], len(known))
    return NewStores(
        _segment_rows(category, names, known, probabilities, base, like),
        _mix_rows(
            category, names, history.need_states, expected_mix(probabilities, labels, shares)
        ),
        pl.DataFrame([row], schema=CALIBRATION_SCHEMA, orient="row"),
    )


def _model(penalty: float) -> Pipeline:
    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=penalty, max_iter=1000),
    )


def _left_out(X: Matrix, labels: Labels, seed: int) -> tuple[Matrix, float, float]:
    """Probabilities of stores left out, with the best penalty and power."""
    n_folds = int(min(_FOLDS, np.bincount(labels).min()))
    folds = list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(X, labels))
    candidates = []
    for penalty in _PENALTIES:
        found = np.empty((len(labels), labels.max() + 1))
        for train, test in folds:
            found[test] = _model(penalty).fit(X[train], labels[train]).predict_proba(X[test])
        candidates.append((float(log_loss(found, labels).mean()), penalty, found))
    _, penalty, found = min(candidates, key=lambda candidate: candidate[:2])
    power = float(
        minimize_scalar(
            lambda power: log_loss(sharpened(found, power), labels).mean(),
            bounds=(0.1, 3.0),
            method="bounded",
        ).x
    )
    return sharpened(found, power), penalty, power


def _coverage(probabilities: Matrix, labels: Labels, shares: Matrix) -> float:
    """Share of the actual shares that lie in the interval made without their store."""
    counts = np.bincount(labels)
    inside = []
    for start in range(0, min(len(labels), _MEASURED), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(labels), _MEASURED))
        own = labels[rows][:, np.newaxis] == labels
        weights = probabilities[rows][:, labels] / (counts[labels] - own)
        weights[np.arange(len(rows)), rows] = 0.0
        _, low, high = _weighted_mix(weights, shares)
        inside.append((low <= shares[rows]) & (shares[rows] <= high))
    return float(np.concatenate(inside).mean())


def _probabilities(model: Pipeline, power: float, X: Matrix, new: Matrix) -> Matrix:
    """Probabilities of new stores, averaged over what their missing values may be.

    References
    ----------
    Andridge and Little (2010), A review of hot deck imputation for survey non-response,
    International Statistical Review 78.
    """
    within = np.clip(new, *_range(X))
    missing = np.isnan(within)
    found = sharpened(model.predict_proba(within), power)
    for row in np.flatnonzero(missing.any(axis=1)):
        lacks = missing[row]
        distances = _distances(X, within[[row]])[0]
        nearest = np.argsort(distances, kind="stable")
        donors = nearest if lacks.all() else nearest[:_DONORS]
        filled = np.where(lacks, X[donors], within[row])
        found[row] = sharpened(model.predict_proba(filled), power).mean(axis=0)
    return found


def _range(X: Matrix) -> tuple[Matrix, Matrix]:
    """Smallest and largest value of each feature; no limit for one that is always missing."""
    known = ~np.isnan(X)
    empty = ~known.any(axis=0)
    least, most = (
        np.where(known, X, np.inf).min(axis=0),
        np.where(known, X, -np.inf).max(axis=0),
    )
    return np.where(empty, -np.inf, least), np.where(empty, np.inf, most)


def _distances(X: Matrix, new: Matrix) -> Matrix:
    """Distances of new stores (rows) to those of the history by the features that a store has."""
    scaler = _model(1.0)[:-1].fit(X)
    scaled, known = scaler.transform(new), ~np.isnan(new)
    history = scaler.transform(X)
    return np.stack(
        [
            cdist(row[np.newaxis, has], history[:, has])[0] if has.any() else np.zeros(len(X))
            for row, has in zip(scaled, known, strict=True)
        ]
    )


def _like_stores(
    X: Matrix, new: Matrix, labels: Labels, stores: np.typing.NDArray[np.str_], n_segments: int
) -> list[list[list[str]]]:
    """For each new store and segment the nearest stores by standardized surroundings.

    A store whose surroundings are not known is like no other.
    """
    found: list[list[list[str]]] = []
    for row, known in zip(_distances(X, new), ~np.isnan(new), strict=True):
        per_segment: list[list[str]] = []
        if not known.any():
            found.append([[]] * n_segments)
            continue
        for segment in range(n_segments):
            members = np.flatnonzero(labels == segment)
            order = members[np.argsort(row[members], kind="stable")][:N_LIKE_STORES]
            per_segment.append(stores[order].tolist())
        found.append(per_segment)
    return found


def _segment_rows(
    category: str,
    names: list[str],
    known: np.typing.NDArray[np.str_],
    probabilities: Matrix,
    base: Matrix,
    like: list[list[list[str]]],
) -> pl.DataFrame:
    rows = [
        (category, name, str(segment), probabilities[i, k], base[k], like[i][k])
        for i, name in enumerate(names)
        for k, segment in enumerate(known)
    ]
    return pl.DataFrame(rows, schema=NEW_STORES_SCHEMA, orient="row")


def _mix_rows(
    category: str, names: list[str], need_states: tuple[str, ...], mix: tuple[Matrix, ...]
) -> pl.DataFrame:
    mean, low, high = mix
    return pl.DataFrame(
        {
            "category": [category] * mean.size,
            "store_id": np.repeat(np.array(names, dtype=object), len(need_states)),
            "need_state": list(need_states) * len(names),
            "expected_share": mean.ravel(),
            "share_low": low.ravel(),
            "share_high": high.ravel(),
        },
        schema=NEW_MIX_SCHEMA,
    )
