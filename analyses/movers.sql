-- A row of the history begins and ends with a run. The first run moved nobody.
with last_run as (
    select run_started_at
    from {{ ref('segment_changes') }}
    group by run_started_at
    having sum(n_stores_before) > 0
    order by run_started_at desc
    limit 1
)

select
    history.category,
    history.store_id,
    max(history.segment_id) filter (where history.dbt_valid_to = last_run.run_started_at) as from_segment_id,
    max(history.segment_id) filter (where history.dbt_valid_from = last_run.run_started_at) as to_segment_id
from {{ ref('store_segments_history') }} as history
inner join last_run on last_run.run_started_at in (history.dbt_valid_from, history.dbt_valid_to)
group by history.category, history.store_id
having from_segment_id is distinct from to_segment_id
order by history.category, history.store_id
