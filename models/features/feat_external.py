"""Numeric columns and indicators of all external sources, as one vector per store."""

from segmentation.features.vectors import external_features
from segmentation.settings import EXTERNAL_SCOPE, Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read the long table, shape it with Polars, return one row per store."""
    settings = Settings(dbt.config.get("segmentation")).for_scope("external", EXTERNAL_SCOPE)
    return external_features(
        values=dbt.ref("int_external_features").select("store_id, feature, value").pl(),
        scope_features=dbt.ref("scope_features").pl(),
        stores=dbt.ref("dim_stores").select("store_id, sales_amount").pl(),
        min_training_sales=settings.min_training_sales,
    )
