"""Map from cells to segments; a pair of models that is in the table already keeps its map."""

from segmentation.segments.merging import map_cells, scored_stores
from segmentation.settings import Settings


def model(dbt, session):
    """Read what both lanes say about the stores, return the rows that are new."""
    return map_cells(
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
        previous=dbt.ref("previous_segments").pl(),
        existing=session.table(str(dbt.this)).pl() if dbt.is_incremental else None,
        settings=Settings(dbt.config.get("segmentation")),
    )
