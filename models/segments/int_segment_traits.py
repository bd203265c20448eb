"""What sets each segment apart, strongest first, in the words of planners."""

from segmentation.segments.wording import segment_traits
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read the profiles, return one row per category, segment, lane and trait."""
    return segment_traits(
        profiles=dbt.ref("int_segment_profiles").pl(),
        scope_features=dbt.ref("scope_features").pl(),
        in_force=dbt.ref("int_current_cluster_models").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
