"""Hashes that more than one row of the sales input has."""

import segmentation.libraries  # noqa: F401 (first, see there)
from segmentation.repetitions import repeated_hashes


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read the hash of every sales row, return those that come more than once."""
    return repeated_hashes(dbt.ref("sales_row_hashes"))
