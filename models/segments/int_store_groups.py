"""One grouping of the stores for all categories, and what it costs in each."""

from segmentation.evaluation.tables import store_groups_table
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read sales and segments, return one row per store, and one per category."""
    return store_groups_table(
        sales=dbt.ref("int_sales_by_need_state"),
        segments=dbt.ref("merged_segments").select("category, store_id, segment_id").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
