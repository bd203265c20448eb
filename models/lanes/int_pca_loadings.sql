{{ config(materialized='view') }}

with models as (
    {{ all_cluster_models() | indent(4) }}
),

components as (
    select
        lane,
        scope,
        model_id,
        list_transform(list_filter(features, lambda f: f.kept), lambda f: f.name) as names,
        unnest(components) as component
    from models
),

loadings as (
    select
        lane,
        scope,
        model_id,
        component,
        unnest(names) as feature,
        unnest(component.loadings) as loading
    from components
)

select
    -- ids
    lane,
    scope,
    model_id,
    component.component,
    feature,

    -- numbers
    loading,
    component.explained_variance,
    component.explained_variance_share
from loadings
