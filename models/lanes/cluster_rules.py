"""Clusters of both lanes said again as a few if-then rules."""

import segmentation.libraries  # noqa: F401 (first, see there)
from segmentation.rules import cluster_rules
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read clusters and what the models use, return one row per lane, scope and rule."""
    values = dbt.ref("feature_values").select(
        "lane, scope, store_id, feature, coalesce(share, raw_value) as value"
    )
    return cluster_rules(
        clusters={
            "internal": dbt.ref("internal_clusters").pl(),
            "external": dbt.ref("external_clusters").pl(),
        },
        feature_values=values.pl(),
        feature_usage=dbt.ref("feature_usage").pl(),
        scope_features=dbt.ref("scope_features").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
