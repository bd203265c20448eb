-- The one place that says which position of a vector is which feature.
with features as (
    select distinct
        'internal' as lane,
        category as scope,
        need_state as feature,
        'sales' as source,
        need_state as label,
        null::varchar as category_column
    from {{ ref('int_sales_by_need_state') }}
    union all
    select distinct
        'external' as lane,
        'external' as scope,
        feature,
        source,
        label,
        category_column
    from {{ ref('int_external_features') }}
)

select
    -- text
    lane,
    scope,
    feature,
    source,
    label,
    category_column,

    -- numbers
    row_number() over (partition by lane, scope order by feature)::integer as position
from features
order by lane, scope, position
