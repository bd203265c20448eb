"""Which products the stores of a segment sell, should try, or could do without."""

from segmentation.evaluation.products import segment_products


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read the sums per segment and product, return the brief."""
    return segment_products(dbt.ref("int_product_sums").pl())
