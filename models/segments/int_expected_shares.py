"""Mix that should be expected of each store."""

from segmentation.evaluation.tables import expected_shares_table
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read sales by period, return one row per category, store and need state."""
    return expected_shares_table(
        sales=dbt.ref("int_sales_by_period"),
        segments=dbt.ref("merged_segments").select("category, store_id").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
