{#- What makes a row of an input acceptable is said once, here. Each macro returns a query over the
    input with typed columns, `_rejection_reason` (null for an accepted row) and `_input_row` (the
    row as JSON); the staging model takes the accepted rows, `rejected_rows` the others. The input is called `_input` because a
    column of that name would otherwise stand for the row. -#}


{#- A value as text: trimmed and in one Unicode form. Whole numbers that arrive as floating point
    ("12.0") lose the decimals that were never part of an id. What is trimmed looks like nothing: blanks,
    the no-break and the zero-width one, line ends and the byte order mark. -#}
{% macro tidy_text(column) -%}
    trim(nfc_normalize(
        case
            when typeof({{ column }}) in ('DOUBLE', 'FLOAT') then regexp_replace({{ column }}::varchar, '\.0$', '')
            else {{ column }}::varchar
        end
    ), ' ' || chr(9) || chr(10) || chr(13) || chr(160) || chr(8203) || chr(65279))
{%- endmacro %}


{#- A tidy text, null where it says nothing. (Comparisons one by one: DuckDB turns a longer list
    into a join for each column.) -#}
{% macro meaning(column, nothing=['', 'nan', 'null', 'none', 'n/a', 'na', '#n/a']) -%}
    case when not (
        {%- for word in nothing %}
        lower({{ column }}) = '{{ word }}'{{ ' or' if not loop.last }}
        {%- endfor %}
    ) then {{ column }} end
{%- endmacro %}


{#- A tidy id, null where it says nothing; "unknown" is no id. -#}
{% macro meaning_of_id(column) -%}
    {{ meaning(column, ['', 'nan', 'null', 'none', 'n/a', 'na', '#n/a', 'unknown']) }}
{%- endmacro %}


{#- A row as JSON text. DuckDB writes NaN and Infinity bare, which no JSON reader takes. -#}
{% macro row_as_json(row) -%}
    regexp_replace(to_json({{ row }})::varchar, ':(-?Infinity|-?NaN|-?inf|nan)([,}])', ':"\1"\2', 'g')
{%- endmacro %}


{% macro validated_sales() -%}
    {%- set window = setting('sales_window') or {} -%}
    {%- set start, end = window.get('start'), window.get('end') -%}
    with _input as (
        -- optional columns exist from here on, whatever the input brings
        select * from {{ input('sales') }}
        union all by name
        select null::varchar as sold_on, null::varchar as units where false
    ),

    {%- if setting('duplicate_sales') != 'keep' %}

    -- rows are compared in full only where their hashes meet
    repeated_hashes as (
        select hash(_input) as _hash
        from _input
        group by all
        having count(*) > 1
    ),

    repetitions as (
        select
            _input as _row,
            row_number() over (partition by _input) as _copy
        from _input
        where hash(_input) in (select repeated_hashes._hash from repeated_hashes)
    ),

    numbered as (
        select
            _input as _row,
            1 as _copy
        from _input
        where hash(_input) not in (select repeated_hashes._hash from repeated_hashes)
        union all
        select * from repetitions
    ),
    {%- else %}

    numbered as (
        select
            _input as _row,
            1 as _copy
        from _input
    ),
    {%- endif %}

    tidied as (
        select
            {{ tidy_text('_row.store_id') }} as store_id,
            {{ tidy_text('_row.product_id') }} as product_id,
            {{ tidy_text('_row.sold_on') }} as sold_on,
            {{ tidy_text('_row.sales_amount') }} as sales_amount,
            try_cast(_row.units as decimal(18, 4)) as units,
            _copy,
            _row
        from numbered
    ),

    typed as (
        select
            {{ meaning_of_id('store_id') }} as store_id,
            {{ meaning_of_id('product_id') }} as product_id,
            try_cast(sold_on as date) as sold_on,
            {{ meaning('sold_on') }} is not null as _has_date,
            try_cast(sales_amount as decimal(18, 4)) as sales_amount,
            try_cast(sales_amount as double) as _number,
            {{ meaning('sales_amount') }} is not null as _has_amount,
            units,
            _copy,
            _row
        from tidied
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
        {{ row_as_json('typed._row') }} as _input_row,
        case
            when typed.store_id is null then 'store_id is missing'
            when typed.product_id is null then 'product_id is missing'
            when not typed._has_amount then 'sales_amount is missing'
            when typed._number is null then 'sales_amount is not a number'
            when not isfinite(typed._number) then 'sales_amount is not finite'
            when typed.sales_amount is null then 'sales_amount is too large'
            when typed.sales_amount < 0 then 'sales_amount is negative'
            when typed.sales_amount = 0 then 'sales_amount is zero'
            when typed._copy > 1 then 'row repeats another one exactly'
            when typed._has_date and typed.sold_on is null then 'sold_on is not a date'
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
    with _input as (
        select * from {{ input('products') }}
        union all by name
        select null::varchar as product_name where false
    ),

    tidied as (
        select
            {{ tidy_text('product_id') }} as product_id,
            {{ tidy_text('product_name') }} as product_name,
            {{ tidy_text('category') }} as category,
            {{ tidy_text('need_state') }} as need_state,
            {{ row_as_json('_input') }} as _input_row
        from _input
    ),

    typed as (
        select
            {{ meaning_of_id('product_id') }} as product_id,
            {{ meaning('product_name') }} as product_name,
            {{ meaning('category') }} as category,
            {{ meaning('need_state') }} as need_state,
            _input_row
        from tidied
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
    with _input as (
        select * from {{ input(source_name) }}
    ),

    tidied as (
        select
            {{ tidy_text('_input.store_id') }} as store_id,
            {{ row_as_json('_input') }} as _input_row,
            _input as _row
        from _input
    ),

    typed as (
        select
            {{ meaning_of_id('store_id') }} as store_id,
            _input_row,
            _row
        from tidied
    ),

    numbered as (
        select
            *,
            row_number() over (partition by store_id order by _input_row) as _copy,
            first_value(_input_row) over (partition by store_id order by _input_row) as _first_row
        from typed
    )

    select
        store_id,
        _input_row,
        _row,
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
        _row.* exclude (store_id)
    from validated
    where _rejection_reason is null
{%- endmacro %}
