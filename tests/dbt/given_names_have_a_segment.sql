-- A name that nobody sees: its category or segment is misspelt, or no longer there. Where most of the stores of a
-- segment that has ended are now, its name may go too.
{{ config(severity='warn') }}

-- depends_on: {{ ref('segment_names') }}
-- depends_on: {{ ref('store_segments') }}
-- depends_on: {{ ref('store_segments_history') }}
{% set overrides = ref('segment_name_overrides') %}
{% if overrides.is_cte or all_exist([overrides]) %}
    with successors as (
        select
            earlier.category,
            earlier.segment_id,
            today.segment_id as proposed_segment_id
        from (
            select *
            from {{ ref('store_segments_history') }}
            qualify dbt_valid_to = max(dbt_valid_to) over (partition by category, segment_id)
        ) as earlier
        inner join {{ ref('store_segments') }} as today
            on earlier.category = today.category and earlier.store_id = today.store_id
        group by earlier.category, earlier.segment_id, today.segment_id
        qualify row_number() over (
            partition by earlier.category, earlier.segment_id
            order by count(*) desc, today.segment_id asc
        ) = 1
    )

    select
        overrides.category,
        overrides.segment_id,
        overrides.segment_name,
        successors.proposed_segment_id
    from {{ overrides }} as overrides
    anti join {{ ref('segment_names') }} as segments
        on overrides.category = segments.category and overrides.segment_id = segments.segment_id
    left join successors
        on overrides.category = successors.category and overrides.segment_id = successors.segment_id
{% else %}
    select 1
    where false
{% endif %}
