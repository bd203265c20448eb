"""Segment and mix to expect of stores without sales."""

from segmentation.evaluation.tables import new_stores_table
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read sales, segments and surroundings, return one row per probability and share."""
    return new_stores_table(
        sales=dbt.ref("int_sales_by_need_state"),
        segments=dbt.ref("merged_segments").select("category, store_id, segment_id").pl(),
        surroundings=dbt.ref("feat_external").select("store_id, x").pl(),
        stores=dbt.ref("dim_stores").select("store_id, has_sales").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
