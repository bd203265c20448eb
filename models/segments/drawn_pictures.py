"""Pictures of clusters and segments, drawn into a folder."""

from segmentation.pictures.catalog import draw_all
from segmentation.pictures.tables import picture_tables
from segmentation.run.project import pictures_folder, project_folder
from segmentation.settings import Settings


def model(dbt, session):
    """Read what there is to show, return one row per picture."""
    tables = picture_tables(
        clusters={
            "internal": dbt.ref("internal_clusters").pl(),
            "external": dbt.ref("external_clusters").pl(),
        },
        components={
            "internal": dbt.ref("internal_components").pl(),
            "external": dbt.ref("external_components").pl(),
        },
        models=dbt.ref("int_current_cluster_models").pl(),
        search=dbt.ref("int_cluster_search").pl(),
        centroids=dbt.ref("int_cluster_centroids").pl(),
        loadings=dbt.ref("int_pca_loadings").pl(),
        cohesion=dbt.ref("store_cohesion").pl(),
        profiles=dbt.ref("int_segment_profiles").pl(),
        summary=dbt.ref("int_segment_summary").pl(),
        merged=dbt.ref("merged_segments").pl(),
        movements=dbt.ref("latest_movements").pl(),
    )
    formats = Settings(dbt.config.get("segmentation")).project.picture_formats
    folder = dbt.config.get("pictures_folder") or pictures_folder(project_folder(), session)
    return draw_all(tables, folder, formats)
