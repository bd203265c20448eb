{{ config(materialized='view') }}

with models as (
    {{ all_cluster_models() | indent(4) }}
),

centroids as (
    select
        lane,
        scope,
        model_id,
        unnest(centroids) as centroid
    from models
),

coordinates as (
    select
        lane,
        scope,
        model_id,
        centroid.cluster,
        centroid.n_stores,
        unnest(centroid.center) as coordinate,
        generate_subscripts(centroid.center, 1) as component
    from centroids
)

select
    -- ids
    lane,
    scope,
    model_id,
    cluster,
    component::integer as component,

    -- numbers
    coordinate,
    n_stores
from coordinates
