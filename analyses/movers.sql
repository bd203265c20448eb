-- Rows of the history end and begin with a run; a row that begins at the first run of its category
-- is nobody's move.
with last_runs as (
    select
        category,
        max(run_started_at) as run_started_at
    from {{ ref('segment_changes') }}
    where n_stores_before > 0
    group by category
),

histories as (
    select
        history.category,
        history.store_id,
        max(history.segment_id) filter (where history.dbt_valid_to = last_runs.run_started_at) as from_segment_id,
        max(history.segment_id) filter (where history.dbt_valid_from = last_runs.run_started_at) as to_segment_id
    from {{ ref('store_segments_history') }} as history
    inner join last_runs
        on
            history.category = last_runs.category
            and last_runs.run_started_at in (history.dbt_valid_from, history.dbt_valid_to)
    group by history.category, history.store_id
)

select
    category,
    store_id,
    from_segment_id,
    to_segment_id
from histories
where from_segment_id is distinct from to_segment_id
order by category, store_id
