-- A name that people gave in `segment_name_overrides` replaces the default name, which is fixed with the map. If two
-- segments have the same name, their ids follow it.
{% set overrides = ref('segment_name_overrides') %}

with given_names as (
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
        wording.category,
        wording.segment_id,
        coalesce(default_names.default_name, wording.computed_name) as computed_name,
        coalesce(given_names.segment_name, default_names.default_name, wording.computed_name) as name,
        given_names.segment_name is not null as is_given
    from {{ ref('segment_wording') }} as wording
    left join {{ ref('training_segments') }} as training
        on wording.category = training.category and wording.segment_id = training.segment_id
    left join {{ ref('default_names') }} as default_names
        on
            training.category = default_names.category
            and training.map_id = default_names.map_id
            and training.segment_id = default_names.segment_id
    left join given_names
        on wording.category = given_names.category and wording.segment_id = given_names.segment_id
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
