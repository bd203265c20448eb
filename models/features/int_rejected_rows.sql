{{ config(materialized='view') }}

-- The complement of staging, by the same rules: what was not accepted, and why.
with sales as (
    select *
    from {{ ref('int_sales_outcomes') }}
    where reason is not null
),

products as (
    {{ validated_products() | indent(4) }}
),

{% for source_name in external_sources() %}
    {{ source_name }} as (
        {{ validated_external(source_name) | indent(4) }}
    ),

{% endfor %}

rejected as (
    select
        'sales' as input,
        store_id,
        null::varchar as column_name,
        reason,
        sales_amount,
        input_row
    from sales
    union all
    select
        'products' as input,
        null as store_id,
        null as column_name,
        _rejection_reason as reason,
        null as sales_amount,
        _input_row as input_row
    from products
    where _rejection_reason is not null
    {%- for source_name in external_sources() %}
        union all
        select
            '{{ source_name }}' as input,
            store_id,
            null as column_name,
            _rejection_reason as reason,
            null as sales_amount,
            _input_row as input_row
        from {{ source_name }}
        where _rejection_reason is not null
    {%- endfor %}
    union all
    select
        source as input,
        store_id,
        column_name,
        rejection_reason as reason,
        null as sales_amount,
        json_object('store_id', store_id, column_name, cell)::varchar as input_row
    from {{ ref('int_external_cells') }}
    where rejection_reason is not null
    union all
    select
        input,
        null as store_id,
        null as column_name,
        reason,
        null as sales_amount,
        json_object('line', text)::varchar as input_row
    from {{ source('run_log', 'unreadable_lines') }}
)

select
    -- text
    input,
    store_id,
    column_name,
    reason,
    input_row,

    -- numbers
    sales_amount::decimal(18, 4) as sales_amount,

    -- booleans
    column_name is null as is_whole_row
from rejected
