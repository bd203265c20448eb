-- Segments have no model of their own: they count from the run on that brought in the younger of the two
-- models in force; in that run, today's segments are the ones.
{% set history = ref('store_segments_history') %}

with other_models as (
    select
        uses.lane,
        uses.scope,
        max(uses.run_started_at) as last_used_at
    from {{ ref('model_uses') }} as uses
    inner join {{ ref('current_cluster_models') }} as models
        on uses.lane = models.lane and uses.scope = models.scope
    where uses.model_id <> models.model_id
    group by all
),

in_force_since as (
    select
        uses.lane,
        uses.scope,
        min(uses.run_started_at) as run_started_at
    from {{ ref('model_uses') }} as uses
    inner join {{ ref('current_cluster_models') }} as models
        on uses.lane = models.lane and uses.model_id = models.model_id
    left join other_models on uses.lane = other_models.lane and uses.scope = other_models.scope
    where other_models.last_used_at is null or uses.run_started_at > other_models.last_used_at
    group by all
),

categories as (
    select
        scope as category,
        greatest(
            run_started_at,
            (
                select max(external.run_started_at)
                from in_force_since as external
                where external.lane = 'external'
            )
        ) as run_started_at
    from in_force_since
    where lane = 'internal'
),

training_segments as (
    select
        today.category,
        today.segment_id,
        count(*) as n_stores
    from {{ ref('store_segments') }} as today
    inner join categories on today.category = categories.category
    where categories.run_started_at = {{ run_started() }}
    group by all
    {%- if history.is_cte or all_exist([history]) %}
        union all
        select
            history.category,
            history.segment_id,
            count(*) as n_stores
        from {{ history }} as history
        inner join categories on history.category = categories.category
        where
            categories.run_started_at < {{ run_started() }}
            and categories.run_started_at >= history.dbt_valid_from
            and (history.dbt_valid_to is null or categories.run_started_at < history.dbt_valid_to)
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
