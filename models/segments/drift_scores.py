"""Population stability index of every feature and of the sizes of clusters and segments."""

from segmentation.segments.drift import lane_drift
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read the counts per bin, return one row per subject with index and threshold."""
    return lane_drift(
        bins=dbt.ref("int_drift_bins").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
