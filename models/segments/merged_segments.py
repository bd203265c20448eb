"""Internal and external clusters of every category joined, small cells dissolved."""

from segmentation.segments.merging import merge_lanes
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read clusters and components of both lanes, return one row per category and store."""
    return merge_lanes(
        sells=dbt.ref("int_category_stores").select("category, store_id").pl(),
        internal_clusters=dbt.ref("internal_clusters").select("scope, store_id, cluster").pl(),
        external_clusters=dbt.ref("external_clusters").select("scope, store_id, cluster").pl(),
        internal_components=dbt.ref("internal_components").select("scope, store_id, z").pl(),
        external_components=dbt.ref("external_components").select("scope, store_id, z").pl(),
        precedence=dbt.ref("cell_precedence").pl(),
        in_force=dbt.ref("int_current_cluster_models").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
