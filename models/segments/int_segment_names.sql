-- A name is made of the two need states and the one external feature in which the segment differs most
-- from all stores of its category; a name that people gave in `segment_name_overrides` comes first. Two
-- segments with the same name are told apart by their id.
{% set overrides = ref('segment_name_overrides') %}

with phrases as (
    select
        category,
        segment_id,
        string_agg(phrase, ' · ' order by place) filter (where lane = 'internal' and place <= 2) as internal_phrase,
        string_agg(phrase, ' · ' order by place) filter (where lane = 'external' and place <= 1) as external_phrase
    from {{ ref('int_segment_traits') }}
    group by all
),

segments as (
    select
        category,
        segment_id,
        count(distinct segment_id) over (partition by category) as n_segments
    from (
        select distinct
            category,
            segment_id
        from {{ ref('merged_segments') }}
    )
),

given_names as (
    {%- if overrides.is_cte or all_exist([overrides]) %}
        select
            category,
            segment_id,
            max(trim(segment_name)) as segment_name
        from {{ overrides }}
        where trim(segment_name) <> ''
        group by all
    {%- else %}
        select
            null::varchar as category,
            null::varchar as segment_id,
            null::varchar as segment_name
        where false
    {%- endif %}
),

named as (
    select
        segments.category,
        segments.segment_id,
        case
            when segments.n_segments = 1 then 'All stores'
            {%- if has_input('sales') %}
                else coalesce(phrases.internal_phrase, 'average mix') || coalesce(' | ' || phrases.external_phrase, '')
            {%- else %}
            else coalesce(phrases.external_phrase, 'average surroundings')
            {%- endif %}
        end as computed_name,
        coalesce(given_names.segment_name, computed_name) as name,
        given_names.segment_name is not null as is_given
    from segments
    left join phrases
        on segments.category = phrases.category and segments.segment_id = phrases.segment_id
    left join given_names
        on segments.category = given_names.category and segments.segment_id = given_names.segment_id
)

select
    -- ids
    category,
    segment_id,

    -- text
    case
        when count(*) over (partition by category, name) = 1 then name
        else name || ' (' || segment_id || ')'
    end as segment_name,
    computed_name,

    -- booleans
    is_given
from named
order by category, segment_id
