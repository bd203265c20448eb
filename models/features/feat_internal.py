"""Need-state shares of every category and store, as one vector each."""

from segmentation.features.vectors import INTERNAL_SCHEMA, internal_features
from segmentation.settings import Settings
from segmentation.warehouse.parts import RowsBy, collected


def model(dbt, session):
    """Read the long table, shape it with Polars, return one row per category and store.

    One category is read and written after the other, as all of them may not fit in memory.
    """
    columns = "store_id, category, need_state, sales_amount, n_rows"
    sales = RowsBy(dbt.ref("int_sales_by_need_state").select(columns), "category")
    scope_features = dbt.ref("scope_features").pl()
    settings = Settings(dbt.config.get("segmentation"))
    vectors = (internal_features(part, scope_features, settings) for part in sales.values())
    return collected(session, "feat_internal_parts", vectors, INTERNAL_SCHEMA)
