"""Long feature tables to one vector per store.

Every vector follows the order of the scope's feature list (model `scope_features`), so that a
position in `x` means the same feature for all stores of the scope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from segmentation.settings import EXTERNAL_SCOPE, Lane, Settings, Transform

Matrix = npt.NDArray[np.float64]
#: Number of the cluster of each row.
Labels = npt.NDArray[np.intp]

INTERNAL_SCHEMA: Final = pl.Schema(
    {
        "scope": pl.String(),
        "store_id": pl.String(),
        "sales_amount": pl.Float64(),
        "shares": pl.List(pl.Float64),
        "x": pl.List(pl.Float64),
        "n_rows": pl.Int64(),
        "is_thin_history": pl.Boolean(),
    }
)
EXTERNAL_SCHEMA: Final = pl.Schema(
    {
        "scope": pl.String(),
        "store_id": pl.String(),
        "sales_amount": pl.Float64(),
        "x": pl.List(pl.Float64),
        "is_thin_history": pl.Boolean(),
    }
)
#: A store with few rows is thin only if the median store of the category has more than this
#: multiple of them: where all stores have few, the rows are totals and not single purchases.
_TYPICAL_ROWS: Final = 4


def closure(amounts: Matrix) -> Matrix:
    """Divide each row by its sum: amounts to shares.

    Parameters
    ----------
    amounts
        Stores x need states, non-negative, every row with a positive sum.

    Returns
    -------
    Matrix
        Same shape, every row sums to 1.

    Raises
    ------
    ValueError
        If an amount is negative or no number, or a row sums to zero.

    References
    ----------
    Aitchison (1986), The Statistical Analysis of Compositional Data, section 2.3.
    """
    totals = amounts.sum(axis=1, keepdims=True)
    if not (amounts >= 0).all() or not (totals > 0).all():
        raise ValueError("shares need non-negative amounts and a positive total in every row")
    shares: Matrix = amounts / totals
    return shares


def centred_log_ratio(shares: Matrix, zero_replacement: float) -> Matrix:
    """Centred log-ratios of smoothed shares.

    Zeros have no logarithm. Each store is mixed with a small even share of every need state,
    ``(share + w / D) / (1 + w)`` with ``w = zero_replacement``: the posterior mean of a
    composition under an even Dirichlet prior whose weight is ``w`` times the store's sales. That
    keeps the ratios of large shares and damps the noise of the tiny ones.

    Parameters
    ----------
    shares
        Stores x need states, every row sums to 1.
    zero_replacement
        Weight ``w`` of the even composition against the store's own one, above 0.

    Returns
    -------
    Matrix
        Same shape, every row sums to 0.

    References
    ----------
    Aitchison (1986), section 4.6 (the transform). Martin-Fernandez et al. (2015),
    Bayesian-multiplicative treatment of count zeros in compositional data sets, Statistical
    Modelling 15(2) (the replacement by a Dirichlet posterior mean).
    """
    smoothed = (shares + zero_replacement / shares.shape[1]) / (1.0 + zero_replacement)
    logs = np.log(smoothed)
    centred: Matrix = logs - logs.mean(axis=1, keepdims=True)
    return centred


def log_shares(shares: Matrix, zero_replacement: float) -> Matrix:
    """Logarithms of smoothed shares; a share of zero is NaN.

    Parameters
    ----------
    shares
        Stores x need states, every row sums to 1.
    zero_replacement
        Weight of the even composition that is mixed in, as in
        :func:`centred_log_ratio`. It dampens the noise of tiny
        shares.

    Returns
    -------
    Matrix
        Same shape.
    """
    smoothed = (shares + zero_replacement / shares.shape[1]) / (1.0 + zero_replacement)
    logs: Matrix = np.where(shares > 0, np.log(smoothed), np.nan)
    return logs


@dataclass(frozen=True)
class ShareTransform:
    """A value of the setting `transform`.

    Attributes
    ----------
    of_shares
        Transforms shares (stores x need states), with the setting `zero_replacement`.
    sql
        The same for the list `shares` of one store in DuckDB, for a kept model whose category has
        other need states today. `logs` is the list of the logarithms of the smoothed shares.
    """

    of_shares: Callable[[Matrix, float], Matrix]
    sql: str


TRANSFORMS: Final[Mapping[Transform, ShareTransform]] = {
    # the model adds row and column effects (`log_ratios`)
    "log_ratio_gaps": ShareTransform(
        log_shares, "list_transform(shares, lambda s, place: if(s > 0, logs[place], null))"
    ),
    "clr": ShareTransform(
        centred_log_ratio, "list_transform(logs, lambda l: l - list_sum(logs) / len(logs))"
    ),
    "share": ShareTransform(lambda shares, _: shares, "shares"),
}


def internal_features(
    sales: pl.DataFrame, scope_features: pl.DataFrame, settings: Settings
) -> pl.DataFrame:
    """Need-state shares per category and store.

    Parameters
    ----------
    sales
        `int_sales_by_need_state`: store_id, category, need_state, sales_amount (money), n_rows.
    scope_features
        `scope_features`: lane, scope, position (1-based), feature.
    settings
        Gives `transform`, `zero_replacement`, `min_training_sales` and `min_training_rows` per
        category.

    Returns
    -------
    polars.DataFrame
        One row per category (`scope`) and store, sorted: total sales, `shares` and `x` in the
        order of the scope's feature list, rows of sales, and whether the store has too little
        history to learn from. A product in two need states counts in both.
    """
    cells = sales.join(
        scope_features.filter(pl.col("lane") == "internal").select(
            category="scope", need_state="feature", position="position"
        ),
        on=["category", "need_state"],
        how="inner",
    ).select("category", "store_id", "position", pl.col("sales_amount").cast(pl.Float64), "n_rows")
    frames = []
    for (scope,), part in sorted(cells.group_by("category")):
        stores, amounts = _to_matrix(part, "sales_amount", fill=0.0)
        shares = closure(amounts)
        totals = amounts.sum(axis=1)
        n_rows = part.group_by("store_id").agg(pl.col("n_rows").sum()).sort("store_id")["n_rows"]
        chosen = settings.for_scope("internal", str(scope))
        frames.append(
            pl.DataFrame(
                {
                    "scope": [str(scope)] * len(stores),
                    "store_id": stores,
                    "sales_amount": totals,
                    "shares": _to_lists(shares),
                    "x": _to_lists(
                        TRANSFORMS[chosen.transform].of_shares(shares, chosen.zero_replacement)
                    ),
                    "n_rows": n_rows,
                    "is_thin_history": (totals < chosen.min_training_sales)
                    | has_few_rows(n_rows.to_numpy(), chosen.min_training_rows),
                },
                schema=INTERNAL_SCHEMA,
            )
        )
    return pl.concat(frames) if frames else pl.DataFrame(schema=INTERNAL_SCHEMA)


def has_few_rows(n_rows: npt.NDArray[np.int64], least: int) -> npt.NDArray[np.bool_]:
    """Tell which stores have too few rows of sales for a mix of need states.

    Parameters
    ----------
    n_rows
        Shape (stores,), rows of each store in one category.
    least
        Rows that are always enough; 0 makes no store thin.

    Returns
    -------
    numpy.ndarray
        Shape (stores,): fewer rows than `least`, and fewer than a quarter of the median store.
    """
    if not len(n_rows):
        return np.zeros(0, dtype=bool)
    few: npt.NDArray[np.bool_] = n_rows < min(
        float(least), float(np.median(n_rows)) / _TYPICAL_ROWS
    )
    return few


def external_features(
    values: pl.DataFrame,
    scope_features: pl.DataFrame,
    stores: pl.DataFrame,
    min_training_sales: float = 0.0,
) -> pl.DataFrame:
    """Numeric columns and indicators of all external sources, one vector per store.

    Parameters
    ----------
    values
        `int_external_features`: store_id, feature, value (missing values are null).
    scope_features
        `scope_features`: lane, scope, position (1-based), feature.
    stores
        `dim_stores`: store_id, sales_amount (0 for a store without sales).
    min_training_sales
        Sales below which a store has too little history to learn from.

    Returns
    -------
    polars.DataFrame
        One row per store that any source knows, sorted; `x` keeps missing values as null.
    """
    cells = values.join(
        scope_features.filter(pl.col("lane") == "external").select("feature", "position"),
        on="feature",
        how="inner",
    )
    if cells.is_empty():
        return pl.DataFrame(schema=EXTERNAL_SCHEMA)
    ids, matrix = _to_matrix(cells, "value", fill=np.nan)
    return (
        pl.DataFrame({"store_id": ids, "x": _to_lists(matrix)})
        .join(stores.select("store_id", "sales_amount"), on="store_id", how="left")
        .select(
            pl.lit(EXTERNAL_SCOPE).alias("scope"),
            "store_id",
            pl.col("sales_amount").cast(pl.Float64),
            "x",
            (pl.col("sales_amount").fill_null(0.0) < min_training_sales).alias("is_thin_history"),
        )
        .sort("store_id")
        .cast(dict(EXTERNAL_SCHEMA))  # type: ignore[arg-type]
    )


def to_matrix(vectors: pl.Series, width: int = 0) -> Matrix:
    """List column of one scope to a stores x features matrix; nulls become NaN.

    `width` is the number of columns where there is no row to read it from.
    """
    if vectors.is_empty():
        return np.empty((0, width))
    width = int(vectors.list.len().max() or 0)  # type: ignore[arg-type]
    if width == 0:
        return np.empty((len(vectors), 0))
    flat = vectors.explode().fill_null(np.nan).to_numpy()
    return np.ascontiguousarray(flat.reshape(len(vectors), width), dtype=np.float64)


def lane_features(frame: pl.DataFrame, lane: Lane) -> pl.Series:
    """Values in which a person would call a feature constant: shares, or the external values."""
    return frame["shares" if lane == "internal" else "x"]


def _to_matrix(cells: pl.DataFrame, column: str, fill: float) -> tuple[list[str], Matrix]:
    """Long cells (store_id, position, column) to sorted store ids and a dense matrix."""
    stores = cells["store_id"].unique().sort()
    rows = cells.join(
        pl.DataFrame({"store_id": stores}).with_row_index("row"), on="store_id", how="inner"
    ).drop_nulls(column)
    width = int(cells["position"].max())  # type: ignore[arg-type]
    matrix = np.full((len(stores), width), fill)
    matrix[rows["row"].to_numpy(), rows["position"].to_numpy() - 1] = rows[column].to_numpy()
    return stores.to_list(), matrix


def _to_lists(matrix: Matrix) -> pl.Series:
    """Dense matrix to a list column; NaN becomes null, as SQL has no other word for missing."""
    width = matrix.shape[1]
    flat = pl.Series(matrix.ravel()).fill_nan(None)
    return flat.reshape((matrix.shape[0], width)).arr.to_list()
