{{ config(materialized='view') }}

with last_run as (
    select max(run_started_at) as as_of
    from {{ ref('segment_changes') }}
)

select
    -- ids
    store_segments.store_id,
    store_segments.category,
    store_segments.segment_id,

    -- text
    store_segments.segment_name,

    -- numbers
    features.sales_amount::decimal(38, 4) as sales_amount,

    -- booleans
    store_segments.was_reassigned,
    store_segments.is_outlier,
    store_segments.is_thin_history,

    -- timestamps
    last_run.as_of
from {{ ref('store_segments') }} as store_segments
inner join {{ ref('feat_internal') }} as features
    on store_segments.category = features.scope and store_segments.store_id = features.store_id
cross join last_run
