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
        when any_value(label) like '% = %' then 'indicator'
        else 'numeric'
    end as feature_type,

    -- numbers
    count(*) as n_stores,
    1 - count(coalesce(share, raw_value)) / count(*) as missing_share,
    count(distinct coalesce(share, raw_value)) as n_distinct,
    fsum(coalesce(share, raw_value) order by store_id)
    / nullif(count(coalesce(share, raw_value)), 0) as mean_value,
    min(coalesce(share, raw_value)) as min_value,
    quantile_cont(coalesce(share, raw_value), 0.25) as first_quartile,
    median(coalesce(share, raw_value)) as median_value,
    quantile_cont(coalesce(share, raw_value), 0.75) as third_quartile,
    max(coalesce(share, raw_value)) as max_value
from {{ ref('feature_values') }}
group by lane, scope, feature
order by lane, scope, feature
