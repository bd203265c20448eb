"""Default names of segments by today's figures, and what their descriptions say."""

from segmentation.segments.wording import segment_wording


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read segments and traits, return one row per category and segment."""
    return segment_wording(
        segments=dbt.ref("merged_segments").select("category, segment_id").distinct().pl(),
        traits=dbt.ref("int_segment_traits").pl(),
        in_force=dbt.ref("int_current_cluster_models").pl(),
    )
