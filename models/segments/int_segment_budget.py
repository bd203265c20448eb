"""Segments to join so that all categories together keep to a budget."""

from segmentation.evaluation.tables import budget_table
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read sales and segments, return one row per category and segment."""
    return budget_table(
        sales=dbt.ref("int_sales_by_need_state"),
        dated=dbt.ref("int_sales_by_period"),
        segments=dbt.ref("merged_segments").select("category, store_id, segment_id").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
