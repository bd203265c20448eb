-- Today's segments against those before this run, as the history has them. A row per category is added
-- by each run that builds this table; `full_refresh: false` keeps the earlier ones.
-- What a split and a merger are follows MONIC (Spiliopoulou et al. 2006).
{% set part_of_a_split = 0.25 %}
{% set part_of_a_merger = 0.5 %}
{% set history = ref('store_segments_history') %}
{# A database built by version 0.1 has the earlier runs in the published table only: they are copied once. -#}
{% set earlier_runs = none if is_incremental() or history.is_cte
    else adapter.get_relation(this.database, 'segments', 'segment_changes') %}

with today as (
    select
        category,
        store_id,
        segment_id,
        internal_model_id,
        external_model_id
    from {{ ref('int_store_segments') }}
),

before_this_run as (
    {%- if history.is_cte or all_exist([history]) %}
        select
            category,
            store_id,
            segment_id
        from {{ history }}
        where
            dbt_valid_from < {{ run_started() }}
            and (dbt_valid_to is null or dbt_valid_to >= {{ run_started() }})
    {%- else %}
        select
            category,
            store_id,
            segment_id
        from today
        where false
    {%- endif %}
),

stores as (
    select
        coalesce(today.category, before_this_run.category) as category,
        today.store_id as store_today,
        before_this_run.store_id as store_before,
        today.segment_id as segment_today,
        before_this_run.segment_id as segment_before,
        today.internal_model_id,
        today.external_model_id
    from today
    full outer join before_this_run
        on today.category = before_this_run.category and today.store_id = before_this_run.store_id
),

categories as (
    select
        category,
        max(internal_model_id) as internal_model_id,
        max(external_model_id) as external_model_id,
        count(store_today) as n_stores,
        count(store_before) as n_stores_before,
        count(*) filter (where segment_before is null) as n_new_stores,
        count(*) filter (where segment_today is null) as n_gone_stores,
        count(*) filter (where segment_today <> segment_before) as n_moved_stores,
        count(*) filter (where segment_today = segment_before) as n_kept_stores,
        count(distinct segment_today) as n_segments
    from stores
    group by all
),

segments_today as (
    select distinct
        category,
        segment_id
    from today
),

segments_before as (
    select distinct
        category,
        segment_id
    from before_this_run
),

flows as (
    select
        category,
        segment_before,
        segment_today,
        count(*) as n_stores
    from stores
    where segment_before is not null and segment_today is not null
    group by all
),

flow_shares as (
    select
        *,
        n_stores / sum(n_stores) over (partition by category, segment_before) as share_of_before
    from flows
),

events as (
    select
        segments_today.category,
        segments_today.segment_id,
        'born' as event
    from segments_today
    semi join before_this_run on segments_today.category = before_this_run.category
    anti join segments_before
        on segments_today.category = segments_before.category and segments_today.segment_id = segments_before.segment_id
    union all
    select
        segments_before.category,
        segments_before.segment_id,
        'died' as event
    from segments_before
    anti join segments_today
        on segments_before.category = segments_today.category and segments_before.segment_id = segments_today.segment_id
    union all
    select
        category,
        segment_before as segment_id,
        'split' as event
    from flow_shares
    where share_of_before >= {{ part_of_a_split }}
    group by all
    having count(*) > 1
    union all
    select
        category,
        segment_today as segment_id,
        'merged' as event
    from flow_shares
    where share_of_before >= {{ part_of_a_merger }}
    group by all
    having count(*) > 1
),

event_lists as (
    select
        category,
        list(segment_id order by segment_id) filter (where event = 'born') as born,
        list(segment_id order by segment_id) filter (where event = 'died') as died,
        list(segment_id order by segment_id) filter (where event = 'split') as split,
        list(segment_id order by segment_id) filter (where event = 'merged') as merged
    from events
    group by all
),

-- a segment that has ended is followed by the one that received most of its stores
successors as (
    select
        category,
        list(
            format('{} -> {} ({} of {} stores)', segment_before, segment_today, n_stores, n_remaining)
            order by segment_before
        ) as successors
    from (
        select
            flows.*,
            sum(flows.n_stores) over (partition by flows.category, flows.segment_before) as n_remaining
        from flows
        anti join segments_today
            on flows.category = segments_today.category and flows.segment_before = segments_today.segment_id
        qualify row_number() over (
            partition by flows.category, flows.segment_before
            order by flows.n_stores desc, flows.segment_today asc
        ) = 1
    ) as largest
    group by all
),

minimums as (
    select
        category,
        max(min_segment_size) as min_segment_size
    from {{ ref('training_segments') }}
    group by all
)

select
    -- ids
    {{ sql_text(invocation_id) }} as run_id,
    categories.category,
    categories.internal_model_id,
    categories.external_model_id,

    -- numbers
    categories.n_stores,
    categories.n_stores_before,
    categories.n_new_stores,
    categories.n_gone_stores,
    categories.n_moved_stores,
    categories.n_kept_stores / nullif(categories.n_kept_stores + categories.n_moved_stores, 0) as retention,
    categories.n_segments,
    minimums.min_segment_size,

    -- lists
    coalesce(event_lists.born, []) as born_segments,
    coalesce(event_lists.died, []) as died_segments,
    coalesce(event_lists.split, []) as split_segments,
    coalesce(event_lists.merged, []) as merged_segments,
    coalesce(successors.successors, []) as successors,

    -- timestamps
    {{ run_started() }} as run_started_at
from categories
left join event_lists on categories.category = event_lists.category
left join successors on categories.category = successors.category
left join minimums on categories.category = minimums.category
{%- if earlier_runs %}
union all by name
select *
from {{ earlier_runs }}
where run_id <> {{ sql_text(invocation_id) }}
{%- endif %}
