"""Gain and upkeep of each number of clusters."""

from segmentation.evaluation.tables import value_table
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read sales and the models of the first half, return one row per category and number."""
    return value_table(
        sales=dbt.ref("int_sales_by_period"),
        segments=dbt.ref("merged_segments").select("category, store_id").pl(),
        models=dbt.ref("first_half_models").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
