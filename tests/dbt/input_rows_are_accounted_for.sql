-- Sales, which are many, have a test of their own.
{% set staging = {'products': 'stg_internal__products'} %}
{% for source_name in external_sources() %}
    {%- do staging.update({source_name: 'stg_external__' ~ source_name}) -%}
{% endfor %}

with counts as (
    {%- for name, model in staging.items() %}
        select
            '{{ name }}' as input,
            (select count(*) from {{ input(name) }})
            + (
                select count(*) from {{ source('run_log', 'unreadable_lines') }}
                where input = '{{ name }}'
            ) as n_given,
            (select count(*) from {{ ref(model) }}) as n_accepted,
            (
                select count(*) from {{ ref('rejected_rows') }}
                where input = '{{ name }}' and is_whole_row
            ) as n_rejected
        {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select *
from counts
where n_given <> n_accepted + n_rejected
