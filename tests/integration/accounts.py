"""What has to hold after a build on any inputs: rows, money and stores are accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import polars as pl

from .helpers import OWN_INPUTS, DbtRun, Project

_LARGEST_AMOUNT: Final = Decimal(10) ** 14


@dataclass(frozen=True)
class Outcome:
    """A project after a build, what dbt showed, and the sales rows it was given."""

    project: Project
    run: DbtRun
    sales: pl.DataFrame

    def reasons(self, name: str, tag: str, value: str) -> list[str]:
        """Reasons of the rejected rows of an input whose column `tag` has a value."""
        rows = self.project.query(
            "select reason from governance.rejected_rows"
            " where input = ? and is_whole_row and json_extract_string(input_row, ?) = ?",
            [name, f"$.{tag}", value],
        )
        return rows["reason"].to_list()

    def assert_sales_are_accounted_for(self) -> None:
        """Sales in are sales in the features and rejected ones, to the cent, and so is each row."""
        given = sum((_money(amount) for amount in self.sales["sales_amount"]), Decimal(0))
        features = self.project.value("select sum(sales_amount) from features.feat_internal")
        rejected = self.project.value(
            "select coalesce(sum(sales_amount), 0) from governance.rejected_rows"
        )
        assert abs(Decimal(repr(features)) + rejected - given) < Decimal("0.005")
        rows, rows_in, money_in = self.project.query(
            "select sum(n_rows), any_value(n_rows_in), coalesce(any_value(sales_amount_in), 0)"
            " from governance.data_reconciliation where input = 'sales'"
        ).row(0)
        assert rows == rows_in == len(self.sales)
        assert abs(money_in - given) < Decimal("0.005")
        staged = (
            "select count(*), sum(sales_amount), sum(units) from staging.stg_internal__sales"
            " where rejection_reason is null"
        )
        summed = (
            "select sum(n_rows), sum(sales_amount), sum(units) from features.int_sales_outcomes"
            " where rejection_reason is null"
        )
        assert self.project.query(staged).row(0) == self.project.query(summed).row(0)

    def assert_no_store_is_lost(self, stores: set[str]) -> None:
        """Exactly the stores with an accepted sale are segmented, once in every category."""
        segments = self.project.query(
            "select category, store_id, segment_id, segment_name from segments.store_segments"
        )
        assert set(segments["store_id"]) == stores
        assert segments.select("category", "store_id").is_unique().all()
        assert segments["segment_id"].null_count() == 0
        assert segments["segment_name"].null_count() == 0


def _money(amount: object) -> Decimal:
    """An amount of the input as money with four decimals; zero where it is none."""
    try:
        number = Decimal(str(amount).strip())
    except InvalidOperation:
        return Decimal(0)
    if not number.is_finite() or abs(number) >= _LARGEST_AMOUNT:
        return Decimal(0)
    return round(number, 4)


def outcome_of(project: Project, sales: pl.DataFrame, variables: Mapping[str, Any]) -> Outcome:
    """Build, which has to succeed without an exception on the terminal."""
    run = project.build(*OWN_INPUTS, variables=variables)
    assert "Traceback" not in run.shown
    return Outcome(project, run, sales)
