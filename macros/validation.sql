{#- What makes a row of an input acceptable is said once, here. Each macro returns a query over the
    input with typed columns, `_rejection_reason` (null for an accepted row) and `_input_row` (the
    row as JSON); the staging model takes the accepted rows, `rejected_rows` the others. -#}


{#- An id: as clean_text, and "unknown" is no id. -#}
{% macro clean_id(column) -%}
    case when lower({{ clean_text(column) }}) <> 'unknown' then {{ clean_text(column) }} end
{%- endmacro %}


{#- A text: trimmed, normalised, and null where it says nothing. Whole numbers that arrive as
    floating point ("12.0") lose the decimals that were never part of an id. -#}
{% macro clean_text(column) -%}
    nullif(
        case
            when lower(trim({{ as_text(column) }}, {{ blanks() }}))
                in ('nan', 'null', 'none', 'n/a', 'na', '#n/a') then ''
            else trim(nfc_normalize({{ as_text(column) }}), {{ blanks() }})
        end,
        ''
    )
{%- endmacro %}


{% macro as_text(column) -%}
    case
        when typeof({{ column }}) in ('DOUBLE', 'FLOAT') then regexp_replace({{ column }}::varchar, '\.0$', '')
        else {{ column }}::varchar
    end
{%- endmacro %}


{% macro blanks() -%} ' ' || chr(9) || chr(10) || chr(13) || chr(160) {%- endmacro %}


{#- A row as JSON text. DuckDB writes NaN and Infinity bare, which no JSON reader takes. -#}
{% macro row_as_json(row) -%}
    regexp_replace(to_json({{ row }})::varchar, ':(-?Infinity|-?NaN|-?inf|nan)([,}])', ':"\1"\2', 'g')
{%- endmacro %}


{#- A number as DOUBLE, null where it is none; infinities and NaN pass and are judged by name. -#}
{% macro as_number(column) -%}
    try_cast(trim({{ column }}::varchar, {{ blanks() }}) as double)
{%- endmacro %}


{% macro validated_sales() -%}
    {%- set window = setting('sales_window') or {} -%}
    {%- set start, end = window.get('start'), window.get('end') -%}
    with source as (
        -- optional columns exist from here on, whatever the input brings
        select * from {{ input('sales') }}
        union all by name
        select null::varchar as sold_on, null::varchar as units where false
    ),

    typed as (
        select
            {{ clean_id('store_id') }} as store_id,
            {{ clean_id('product_id') }} as product_id,
            try_cast(sold_on as date) as sold_on,
            try_cast(sales_amount as decimal(18, 4)) as sales_amount,
            try_cast(units as decimal(18, 4)) as units,
            sales_amount as _given_amount,
            sold_on as _given_date,
            {%- if setting('duplicate_sales') == 'keep' %}
            1 as _copy,
            {%- else %}
            row_number() over (partition by source) as _copy,
            {%- endif %}
            {{ row_as_json('source') }} as _input_row
        from source
    ),

    known_products as (
        select distinct product_id from {{ ref('stg_internal__products') }}
    )

    select
        typed.store_id,
        typed.product_id,
        typed.sold_on,
        typed.sales_amount,
        typed.units,
        typed._input_row,
        case
            when typed.store_id is null then 'store_id is missing'
            when typed.product_id is null then 'product_id is missing'
            when {{ clean_text('typed._given_amount') }} is null then 'sales_amount is missing'
            when {{ as_number('typed._given_amount') }} is null then 'sales_amount is not a number'
            when not isfinite({{ as_number('typed._given_amount') }}) then 'sales_amount is not finite'
            when typed.sales_amount is null then 'sales_amount is too large'
            when typed.sales_amount < 0 then 'sales_amount is negative'
            when typed.sales_amount = 0 then 'sales_amount is zero'
            when typed._copy > 1 then 'row repeats another one exactly'
            when typed._given_date is not null and typed.sold_on is null then 'sold_on is not a date'
            {%- if start or end %}
            when typed.sold_on is null then 'sold_on is missing and a sales_window is set'
            {%- endif %}
            {%- if start %}
            when typed.sold_on < date '{{ start }}' then 'sold_on is before the sales_window'
            {%- endif %}
            {%- if end %}
            when typed.sold_on > date '{{ end }}' then 'sold_on is after the sales_window'
            {%- endif %}
            when known_products.product_id is null then 'product_id has no accepted row in products'
        end as _rejection_reason
    from typed
    left join known_products on typed.product_id = known_products.product_id
{%- endmacro %}


{% macro validated_products() -%}
    with source as (
        select * from {{ input('products') }}
        union all by name
        select null::varchar as product_name where false
    ),

    typed as (
        select
            {{ clean_id('product_id') }} as product_id,
            {{ clean_text('product_name') }} as product_name,
            {{ clean_text('category') }} as category,
            {{ clean_text('need_state') }} as need_state,
            {{ row_as_json('source') }} as _input_row
        from source
    ),

    numbered as (
        select
            *,
            row_number() over (
                partition by product_id, category, need_state order by product_name, _input_row
            ) as _copy
        from typed
    )

    select
        product_id,
        product_name,
        category,
        need_state,
        _input_row,
        case
            when product_id is null then 'product_id is missing'
            when category is null then 'category is missing'
            when need_state is null then 'need_state is missing'
            when _copy > 1 then 'product and need state stand in an earlier row'
        end as _rejection_reason
    from numbered
{%- endmacro %}


{% macro validated_external(source_name) -%}
    with source as (
        select * from {{ input(source_name) }}
    ),

    typed as (
        select
            source.* exclude (store_id),
            {{ clean_id('source.store_id') }} as store_id,
            {{ row_as_json('source') }} as _input_row
        from source
    ),

    numbered as (
        select
            *,
            row_number() over (partition by store_id order by _input_row) as _copy,
            first_value(_input_row) over (partition by store_id order by _input_row) as _first_row
        from typed
    )

    select
        * exclude (_copy, _first_row),
        case
            when store_id is null then 'store_id is missing'
            when _copy > 1 and _input_row = _first_row then 'row repeats another one exactly'
            when _copy > 1 then 'store stands in another row with other values'
        end as _rejection_reason
    from numbered
{%- endmacro %}


{#- The accepted rows of an external input, one per store; every column passes through. -#}
{% macro stage_external(source_name) -%}
    with validated as (
        {{ validated_external(source_name) | indent(8) }}
    )

    select
        store_id,
        * exclude (store_id, _input_row, _rejection_reason)
    from validated
    where _rejection_reason is null
{%- endmacro %}
