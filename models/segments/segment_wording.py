"""Default names of segments, and what their descriptions say."""

from segmentation.segments.wording import segment_wording


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read segments and traits, return one row per category and segment."""
    stores = dbt.ref("int_category_stores")
    sold = stores.filter("sales_amount is not null").select("category").distinct().pl()
    return segment_wording(
        segments=dbt.ref("merged_segments").select("category, segment_id").distinct().pl(),
        traits=dbt.ref("int_segment_traits").pl(),
        with_sales=set(sold["category"]),
    )
