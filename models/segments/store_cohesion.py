"""How well each store fits its clusters and its segment."""

from segmentation.segments.cohesion import cohesion
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read segments, clusters and components, return one row per lane, scope and store."""
    known = "scope, store_id, cluster, is_outlier, is_thin_history"
    return cohesion(
        merged=dbt.ref("merged_segments").select("category, store_id, segment_id").pl(),
        clusters={
            "internal": dbt.ref("internal_clusters").select(known).pl(),
            "external": dbt.ref("external_clusters").select(known).pl(),
        },
        components={
            "internal": dbt.ref("internal_components").select("scope, store_id, z").pl(),
            "external": dbt.ref("external_components").select("scope, store_id, z").pl(),
        },
        settings=Settings(dbt.config.get("segmentation")),
    )
