"""Sales of simulated chains as the build has them."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import numpy as np
import polars as pl

from segmentation.evaluation.periods import Panel


def sales_of(
    chains: Mapping[str, Panel], connection: duckdb.DuckDBPyConnection
) -> duckdb.DuckDBPyRelation:
    """Rows of `int_sales_by_period`, one chain per category; a cell without sales has none."""
    frames = [
        pl.DataFrame(
            {
                "store_id": np.array(chain.stores)[stores],
                "category": [category] * len(stores),
                "need_state": np.array(chain.need_states)[need_states],
                "sales_amount": pl.Series(chain.amounts[stores, periods, need_states]).cast(
                    pl.Decimal(38, 10)
                ),
                "n_rows": np.full(len(stores), 10),
                "period_start": [chain.starts[period] for period in periods],
            }
        )
        for category, chain in chains.items()
        for stores, periods, need_states in [np.nonzero(chain.amounts)]
    ]
    connection.register("sales_by_period", pl.concat(frames).to_arrow())
    return connection.table("sales_by_period")
