-- The complement of staging, by the same rules: what was not accepted, and why. Rows of a text file are shown
-- exactly as in the file; only these rows are looked up.
with converted_sales as (
    {% call over_sales() -%}
    select *
    from {{ ref('stg_internal__sales') }}
    where rejection_reason is not null or unread_date is not null
    {%- endcall %}
),

sales as (
    {%- if is_loaded('sales') %}
        select
            converted_sales.* exclude (input_row),
            coalesce({{ row_as_json('given') }}, converted_sales.input_row) as input_row
        from converted_sales
        -- a file that has changed since staging was built has other rows at these places
        left join {{ loaded_texts('sales') }} as given
            on
                converted_sales.row_number = given.rowid
                and json_extract_string(converted_sales.input_row, '$.store_id') is not distinct from given.store_id
                and json_extract_string(converted_sales.input_row, '$.product_id') is not distinct from given.product_id
    {%- else %}
        select *
        from converted_sales
    {%- endif %}
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
        if(rejection_reason is null, 'sold_on', null) as column_name,
        coalesce(rejection_reason, 'sold_on is not a date') as reason,
        if(rejection_reason is null, null, sales_amount) as sales_amount,
        input_row
    from sales
    union all
    -- money that no feature holds: the sums of need states that are set to zero
    select
        'sales' as input,
        store_id,
        'sales_amount' as column_name,
        'the need state has no sales left after returns' as reason,
        sales_amount,
        json_object('category', category, 'need_state', need_state, 'n_rows', n_rows)::varchar as input_row
    from {{ ref('int_need_state_net_sales') }}
    where sales_amount <= 0
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
    union all
    select
        'products' as input,
        null as store_id,
        unnest(
            if(given_category <> category, ['category'], []) || if(given_need_state <> need_state, ['need_state'], [])
        ) as column_name,
        'most rows spell the name differently' as reason,
        null as sales_amount,
        _input_row as input_row
    from products
    where _rejection_reason is null
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
    from {{ ref('int_external_values') }}
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
    sales_amount::decimal(38, 4) as sales_amount,

    -- booleans
    column_name is null as is_whole_row
from rejected
