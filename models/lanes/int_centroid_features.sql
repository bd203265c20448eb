-- A centroid is a point in the space of the components, each in units of its deviation within the
-- clusters. Loadings are orthonormal, so a centroid can be turned back into features.
with all_models as (
    {{ all_cluster_models() | indent(4) }}
),

kept_features as (
    select
        lane,
        scope,
        model_id,
        unnest(list_filter(features, lambda f: f.kept)) as feature,
        unnest(means) as mean
    from all_models
    where len(components) > 0
),

deviations as (
    select
        centroids.lane,
        centroids.model_id,
        centroids.cluster,
        loadings.feature,
        any_value(centroids.n_stores) as n_stores,
        fsum(
            centroids.coordinate * loadings.within_deviation * loadings.loading order by loadings.component
        ) as deviation,
        fsum(
            centroids.coordinate / loadings.within_deviation * loadings.loading order by loadings.component
        ) as pull_weight
    from {{ ref('int_cluster_centroids') }} as centroids
    inner join {{ ref('int_pca_loadings') }} as loadings
        on
            centroids.lane = loadings.lane
            and centroids.model_id = loadings.model_id
            and centroids.component = loadings.component
    group by all
)

select
    -- ids
    deviations.lane,
    kept_features.scope,
    deviations.model_id,
    deviations.cluster,
    deviations.feature,

    -- numbers
    deviations.n_stores,
    deviations.deviation,
    deviations.pull_weight,
    kept_features.mean + deviations.deviation as scaled_value,
    kept_features.feature.center
    + kept_features.feature.scale * (kept_features.mean + deviations.deviation) as transformed_value
from deviations
inner join kept_features
    on
        deviations.lane = kept_features.lane
        and deviations.model_id = kept_features.model_id
        and deviations.feature = kept_features.feature.name
order by deviations.lane, kept_features.scope, deviations.model_id, deviations.cluster, deviations.feature
