{{ config(materialized='view') }}

-- A filter on both runs makes this quick: nothing is computed for other pairs then.
with runs as (
    select distinct
        run_id,
        run_started_at
    from {{ ref('segment_changes') }}
),

pairs as (
    select
        earlier.run_id as from_run_id,
        later.run_id as to_run_id,
        earlier.run_started_at as from_run_started_at,
        later.run_started_at as to_run_started_at
    from runs as earlier
    inner join runs as later on earlier.run_started_at < later.run_started_at
),

history as (
    select
        category,
        store_id,
        segment_id,
        dbt_valid_from,
        coalesce(dbt_valid_to, 'infinity'::timestamp) as valid_to
    from {{ ref('store_segments_history') }}
),

either_side as (
    select
        pairs.*,
        history.category,
        history.store_id,
        history.segment_id as from_segment_id,
        null::varchar as to_segment_id
    from pairs
    inner join history
        on pairs.from_run_started_at >= history.dbt_valid_from and pairs.from_run_started_at < history.valid_to
    union all
    select
        pairs.*,
        history.category,
        history.store_id,
        null::varchar as from_segment_id,
        history.segment_id as to_segment_id
    from pairs
    inner join history
        on pairs.to_run_started_at >= history.dbt_valid_from and pairs.to_run_started_at < history.valid_to
),

stores as (
    select
        from_run_id,
        to_run_id,
        from_run_started_at,
        to_run_started_at,
        category,
        store_id,
        max(from_segment_id) as from_segment_id,
        max(to_segment_id) as to_segment_id
    from either_side
    group by all
)

select
    -- ids
    from_run_id,
    to_run_id,
    category,
    from_segment_id,
    to_segment_id,

    -- numbers
    count(*) as n_stores,

    -- timestamps
    from_run_started_at,
    to_run_started_at
from stores
group by all
