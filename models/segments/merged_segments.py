"""Segment of every store: the pair of its clusters, looked up in the map."""

from segmentation.segments.merging import merge_lanes, scored_stores
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read what both lanes say about the stores and the map, return one row per store."""
    return merge_lanes(
        scored=scored_stores(
            sells=dbt.ref("int_category_stores").select("category, store_id").pl(),
            clusters={
                "internal": dbt.ref("internal_clusters").pl(),
                "external": dbt.ref("external_clusters").pl(),
            },
            components={
                "internal": dbt.ref("internal_components").pl(),
                "external": dbt.ref("external_components").pl(),
            },
            centroids=dbt.ref("int_cluster_centroids").pl(),
            search=dbt.ref("int_cluster_search").pl(),
            in_force=dbt.ref("int_current_cluster_models").pl(),
        ),
        segment_map=dbt.ref("segment_map").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
