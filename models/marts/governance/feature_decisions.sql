with all_models as (
    {{ all_cluster_models() | indent(4) }}
),

decisions as (
    select
        lane,
        scope,
        model_id,
        unnest(features) as feature
    from all_models
),

-- the square of each centroid's way from the middle, shared out to the features it consists of
grand_means as (
    select
        lane,
        model_id,
        feature,
        fsum(n_stores * deviation order by cluster) / sum(n_stores) as deviation
    from {{ ref('centroid_features') }}
    group by all
),

between_clusters as (
    select
        centroids.lane,
        centroids.model_id,
        centroids.feature,
        fsum(
            centroids.n_stores * (centroids.deviation - grand_means.deviation) ** 2 order by centroids.cluster
        ) as sum_of_squares
    from {{ ref('centroid_features') }} as centroids
    inner join grand_means
        on
            centroids.lane = grand_means.lane
            and centroids.model_id = grand_means.model_id
            and centroids.feature = grand_means.feature
    group by all
    having count(*) > 1
),

totals as (
    select
        lane,
        model_id,
        fsum(sum_of_squares order by feature) as sum_of_squares
    from between_clusters
    group by all
),

separations as (
    select
        between_clusters.lane,
        between_clusters.model_id,
        between_clusters.feature,
        between_clusters.sum_of_squares / nullif(totals.sum_of_squares, 0) as separation_share
    from between_clusters
    inner join totals
        on between_clusters.lane = totals.lane and between_clusters.model_id = totals.model_id
)

select
    -- ids
    decisions.lane,
    decisions.scope,
    decisions.model_id,
    decisions.feature.name as feature,

    -- text
    decisions.feature.reason,
    decisions.feature.partner,

    -- numbers
    decisions.feature.statistic,
    decisions.feature.threshold,
    decisions.feature.missing_share,
    decisions.feature.imputed as imputed_value,
    decisions.feature.center,
    decisions.feature.scale,
    separations.separation_share,

    -- booleans
    decisions.feature.kept as is_kept
from decisions
left join separations
    on
        decisions.lane = separations.lane
        and decisions.model_id = separations.model_id
        and decisions.feature.name = separations.feature
order by decisions.lane, decisions.scope, decisions.model_id, decisions.feature.name
