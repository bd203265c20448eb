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
),

external_columns as (
    select
        scope_features.feature,
        external_columns.aggregation
    from {{ ref('scope_features') }} as scope_features
    inner join {{ ref('int_external_columns') }} as external_columns
        on
            scope_features.source = external_columns.source
            and coalesce(
                scope_features.category_column, scope_features.source || '.' || scope_features.label
            ) = external_columns.source || '.' || external_columns.column_name
    where scope_features.lane = 'external'
),

-- columns that never became features, beside those of the newest model
identifiers as (
    select
        newest.lane,
        newest.scope,
        newest.model_id,
        external_columns.source || '.' || external_columns.column_name as feature,
        'different in every store' as reason,
        null as partner,
        external_columns.aggregation,
        external_columns.n_values::double as statistic,
        null as threshold,
        1 - external_columns.n_values / (
            select count(*) from {{ ref('dim_stores') }}
            where has_external
        ) as missing_share,
        null as imputed_value,
        null as center,
        null as scale,
        null as separation_share,
        false as is_kept
    from {{ ref('int_external_columns') }} as external_columns
    cross join (
        select
            lane,
            scope,
            model_id
        from all_models
        where lane = 'external'
        qualify row_number() over (order by in_force_order desc) = 1
    ) as newest
    where external_columns.is_identifier
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
    external_columns.aggregation,

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
left join external_columns on decisions.lane = 'external' and decisions.feature.name = external_columns.feature
union all
select
    lane,
    scope,
    model_id,
    feature,
    reason,
    partner,
    aggregation,
    statistic,
    threshold,
    missing_share,
    imputed_value,
    center,
    scale,
    separation_share,
    is_kept
from identifiers
order by lane, scope, model_id, feature
