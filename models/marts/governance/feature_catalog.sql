with cells as (
    select
        feature_values.lane,
        feature_values.scope,
        feature_values.store_id,
        feature_values.feature,
        feature_values.label,
        feature_values.source,
        scope_features.category_column,
        coalesce(feature_values.share, feature_values.raw_value) as value
    from {{ ref('feature_values') }} as feature_values
    inner join {{ ref('scope_features') }} as scope_features
        on
            feature_values.lane = scope_features.lane
            and feature_values.scope = scope_features.scope
            and feature_values.feature = scope_features.feature
),

means as (
    select
        lane,
        scope,
        feature,
        fsum(value order by store_id) / nullif(count(value), 0) as mean_value
    from cells
    group by all
)

select
    -- ids
    cells.lane,
    cells.scope,
    cells.feature,

    -- text
    any_value(cells.label) as label,
    any_value(cells.source) as source,
    case
        when cells.lane = 'internal' then 'share'
        when any_value(cells.category_column) is not null then 'indicator'
        else 'numeric'
    end as feature_type,

    -- numbers
    count(*) as n_stores,
    1 - count(cells.value) / count(*) as missing_share,
    count(distinct cells.value) as n_distinct,
    any_value(means.mean_value) as mean_value,
    sqrt(
        fsum((cells.value - means.mean_value) ** 2 order by cells.store_id) / nullif(count(cells.value) - 1, 0)
    ) as standard_deviation,
    min(cells.value) as min_value,
    quantile_cont(cells.value, 0.25) as first_quartile,
    median(cells.value) as median_value,
    quantile_cont(cells.value, 0.75) as third_quartile,
    max(cells.value) as max_value
from cells
inner join means on cells.lane = means.lane and cells.scope = means.scope and cells.feature = means.feature
group by cells.lane, cells.scope, cells.feature
order by cells.lane, cells.scope, cells.feature
