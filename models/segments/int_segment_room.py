"""How far each store is below the upper quartile of its segment."""

from segmentation.evaluation.tables import room_table
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read sales and segments, return one row per store and need state, and their sums."""
    return room_table(
        sales=dbt.ref("int_sales_by_period"),
        segments=dbt.ref("merged_segments").select("category, store_id, segment_id").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
