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
        unnest(components) as component,
        -- (a model from before there was a metric has none)
        unnest(coalesce(within_deviations, list_transform(components, lambda c: 1.0))) as within_deviation
    from models
),

loadings as (
    select
        lane,
        scope,
        model_id,
        component,
        within_deviation,
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
    within_deviation,
    component.explained_variance,
    component.explained_variance_share
from loadings
