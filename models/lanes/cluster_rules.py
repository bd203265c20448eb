"""A few if-then rules that approximate the clusters of both lanes."""

from segmentation.segments.rules import cluster_rules
from segmentation.settings import Settings


def model(dbt, session):  # noqa: ARG001 (dbt's interface)
    """Read clusters and what the models use, return one row per lane, scope and rule."""
    columns = "scope, store_id, cluster"
    external_cells = dbt.ref("int_external_features")
    return cluster_rules(
        clusters={
            "internal": dbt.ref("internal_clusters").select(columns).pl(),
            "external": dbt.ref("external_clusters").select(columns).pl(),
        },
        shares=dbt.ref("feat_internal").select("scope, store_id, shares").pl(),
        external_values=external_cells.select("store_id, feature, raw_value as value").pl(),
        feature_usage=dbt.ref("int_feature_usage").pl(),
        scope_features=dbt.ref("scope_features").pl(),
        settings=Settings(dbt.config.get("segmentation")),
    )
