"""How well each store fits its clusters and its segment."""

import segmentation.libraries  # noqa: F401 (first, see there)
from segmentation.cohesion import cohesion
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read segments, clusters and components, return one row per lane, scope and store."""
    return cohesion(
        merged=dbt.ref("merged_segments").pl(),
        clusters={
            "internal": dbt.ref("internal_clusters").pl(),
            "external": dbt.ref("external_clusters").pl(),
        },
        components={
            "internal": dbt.ref("internal_components").pl(),
            "external": dbt.ref("external_components").pl(),
        },
        settings=Settings(dbt.config.get("segmentation")),
    )
