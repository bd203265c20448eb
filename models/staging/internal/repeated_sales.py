"""Hashes that more than one row of the sales input has."""

from segmentation.inputs.repetitions import repeated_hashes
from segmentation.settings import Settings


def model(dbt, session):
    """Hash every sales row, return the hashes that come more than once (none if all are kept)."""
    sales = dbt.ref("stg_internal__sales_rows").set_alias("_input")
    if Settings(dbt.config.get("segmentation")).project.duplicate_sales == "keep":
        sales = sales.limit(0)
    return repeated_hashes(sales.select("hash(_input) as row_hash"), session)
