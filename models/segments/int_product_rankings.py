"""Whether the products of a group sell later in the order in which they sold before."""

from segmentation.evaluation.tables import ranking_table
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read sales of products in both halves and the clusters of the first, return the verdicts."""
    return ranking_table(
        sales=dbt.ref("int_sales_by_period"),
        products=dbt.ref("int_product_halves"),
        validity=dbt.ref("int_segment_validity")
        .filter("predictor = 'internal clusters'")
        .select("category, verdict, split_on, explanation")
        .pl(),
        models=dbt.ref("first_half_models").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
