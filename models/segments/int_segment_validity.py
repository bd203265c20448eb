"""Whether groups of the first half of the sales predict the mix of the second."""

from segmentation.evaluation.tables import validity_table
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read sales, groups, attributes and history, return one row per category and predictor."""
    return validity_table(
        sales=dbt.ref("int_sales_by_period"),
        segments=dbt.ref("merged_segments").select("category, store_id").pl(),
        attributes=dbt.ref("int_external_cells")
        .filter("not is_numeric and not is_identifier")
        .select("store_id, source || '.' || column_name as attribute, cell as level")
        .pl(),
        history=dbt.ref("store_segments_history"),
        models=dbt.ref("first_half_models").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
