-- Before the first run of a category nothing is known, and nothing has moved.
{% set history = ref('store_segments_history') %}

with runs as (
    select
        run_started_at,
        row_number() over (order by run_started_at desc) as place
    from (select distinct run_started_at from {{ ref('int_segment_changes') }})
),

before_this_run as (
    {%- if history.is_cte or all_exist([history]) %}
        select
            history.category,
            history.store_id,
            history.segment_id
        from {{ history }} as history
        inner join runs
            on
                runs.place = 2
                and history.dbt_valid_from <= runs.run_started_at
                and (history.dbt_valid_to is null or history.dbt_valid_to > runs.run_started_at)
    {%- else %}
        select
            null::varchar as category,
            null::varchar as store_id,
            null::varchar as segment_id
        from runs
        where false
    {%- endif %}
)

select
    -- ids
    coalesce(now.category, earlier.category) as category,
    earlier.segment_id as from_segment_id,
    now.segment_id as to_segment_id,

    -- numbers
    count(*) as n_stores
from {{ ref('int_store_segments') }} as now
full outer join before_this_run as earlier
    on now.category = earlier.category and now.store_id = earlier.store_id
where
    exists (
        select 1
        from before_this_run as known
        where known.category = coalesce(now.category, earlier.category)
    )
group by all
order by category, from_segment_id, to_segment_id
