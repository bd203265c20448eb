-- Segments have no model of their own: the baseline is the first run of those, up to today's, that had
-- the two models in force and the minimum size of today. What another rule does to them is no drift.
{% set history = ref('store_segments_history') %}

with runs as (
    select
        category,
        run_started_at,
        (internal_model_id, external_model_id, min_segment_size) as made_of
    from {{ ref('int_segment_changes') }}
),

today as (
    select
        category,
        max_by(made_of, run_started_at) as made_of
    from runs
    group by all
),

made_otherwise as (
    select
        runs.category,
        max(runs.run_started_at) as run_started_at
    from runs
    inner join today on runs.category = today.category
    where runs.made_of is distinct from today.made_of
    group by all
),

baselines as (
    select
        runs.category,
        min(runs.run_started_at) as run_started_at
    from runs
    left join made_otherwise on runs.category = made_otherwise.category
    where made_otherwise.run_started_at is null or runs.run_started_at > made_otherwise.run_started_at
    group by all
),

training_segments as (
    select
        today.category,
        today.segment_id,
        count(*) as n_stores
    from {{ ref('int_store_segments') }} as today
    inner join baselines on today.category = baselines.category
    where baselines.run_started_at = {{ run_started() }}
    group by all
    {%- if history.is_cte or all_exist([history]) %}
        union all
        select
            history.category,
            history.segment_id,
            count(*) as n_stores
        from {{ history }} as history
        inner join baselines on history.category = baselines.category
        where
            baselines.run_started_at < {{ run_started() }}
            and baselines.run_started_at >= history.dbt_valid_from
            and (history.dbt_valid_to is null or baselines.run_started_at < history.dbt_valid_to)
        group by all
    {%- endif %}
)

select
    -- ids
    category,
    segment_id,

    -- numbers
    n_stores
from training_segments
order by category, segment_id
