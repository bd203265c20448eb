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
)

select
    -- ids
    lane,
    scope,
    feature,

    -- text
    any_value(label) as label,
    any_value(source) as source,
    case
        when lane = 'internal' then 'share'
        when any_value(category_column) is not null then 'indicator'
        else 'numeric'
    end as feature_type,

    -- numbers
    count(*) as n_stores,
    1 - count(value) / count(*) as missing_share,
    count(distinct value) as n_distinct,
    fsum(value order by store_id) / nullif(count(value), 0) as mean_value,
    min(value) as min_value,
    quantile_cont(value, 0.25) as first_quartile,
    median(value) as median_value,
    quantile_cont(value, 0.75) as third_quartile,
    max(value) as max_value
from cells
group by lane, scope, feature
order by lane, scope, feature
