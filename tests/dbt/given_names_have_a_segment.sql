-- A name that nobody sees: its category or segment is misspelt, or no longer there.
{{ config(severity='warn') }}

-- depends_on: {{ ref('segment_names') }}
{% set overrides = ref('segment_name_overrides') %}
{% if overrides.is_cte or all_exist([overrides]) %}
    select
        overrides.category,
        overrides.segment_id,
        overrides.segment_name
    from {{ overrides }} as overrides
    anti join {{ ref('segment_names') }} as segments
        on overrides.category = segments.category and overrides.segment_id = segments.segment_id
{% else %}
    select 1
    where false
{% endif %}
