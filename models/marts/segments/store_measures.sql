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
    category_stores.sales_amount,

    -- booleans
    store_segments.was_reassigned,
    store_segments.is_outlier,
    store_segments.is_thin_history,

    -- timestamps
    last_run.as_of
from {{ ref('store_segments') }} as store_segments
inner join {{ ref('int_category_stores') }} as category_stores
    on store_segments.category = category_stores.category and store_segments.store_id = category_stores.store_id
cross join last_run
