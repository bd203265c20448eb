"""Nearest stores in the same segment."""

from segmentation.segments.peers import segment_peers


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read segments and components of both lanes, return one row per category and store."""
    return segment_peers(
        merged=dbt.ref("merged_segments").select("category, store_id, segment_id").pl(),
        internal_components=dbt.ref("internal_components").select("scope, store_id, z").pl(),
        external_components=dbt.ref("external_components").select("scope, store_id, z").pl(),
    )
