"""Need-state shares of every category and store, as one vector each."""

from segmentation.features.vectors import internal_features
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read the long table, shape it with Polars, return one row per category and store."""
    columns = "store_id, category, need_state, sales_amount, n_rows"
    return internal_features(
        sales=dbt.ref("int_sales_by_need_state").select(columns).pl(),
        scope_features=dbt.ref("scope_features").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
