{#- What makes a row of an input acceptable is said once, here. Each macro returns a query over the
    input with typed columns, `_rejection_reason` (null for an accepted row) and `_input_row` (the
    row as JSON); the staging model takes the accepted rows, `rejected_rows` the others. Sales, which
    are many, come as the parts of this, so that reasons and JSON are written of few rows. The input is
    called `_input` because a column of that name would otherwise stand for the row. -#}


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


{#- A tidy text, null where it says nothing. (One function of one column: DuckDB evaluates it once per
    different value of a Parquet file, not once per row.) -#}
{% macro meaning(column, nothing=['nan', 'null', 'none', 'n/a', 'na', '#n/a']) -%}
    nullif(regexp_replace({{ column }}, '^(?i:{{ nothing | join('|') }})$', ''), '')
{%- endmacro %}


{#- A tidy id, null where it says nothing; "unknown" is no id. -#}
{% macro meaning_of_id(column) -%}
    {{ meaning(column, ['nan', 'null', 'none', 'n/a', 'na', '#n/a', 'unknown']) }}
{%- endmacro %}


{#- A row as JSON text. DuckDB writes NaN and Infinity bare, which no JSON reader takes. -#}
{% macro row_as_json(row) -%}
    regexp_replace(to_json({{ row }})::varchar, ':(-?Infinity|-?NaN|-?inf|nan)([,}])', ':"\1"\2', 'g')
{%- endmacro %}


{#- A date: a column of dates as it is, any other through its text, which is tidied where it is none as it stands.
    (`typeof` is known before the first row is read, so that the branch not taken costs nothing.) -#}
{% macro as_date(column) -%}
    case
        when typeof({{ column }}) = 'DATE' then try_cast({{ column }} as date)
        else coalesce(try_cast({{ column }}::varchar as date), try_cast({{ tidy_text(column) }} as date))
    end
{%- endmacro %}


{#- An amount with four decimals: exact numbers as they are, any other through its text. A double that
    lies closer to four decimals than to where rounding turns needs no text for the same result. -#}
{% macro as_amount(column) -%}
    case
        when
            starts_with(typeof({{ column }}), 'DECIMAL')
            or typeof({{ column }}) in ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT')
            then try_cast({{ column }} as decimal(18, 4))
        when typeof({{ column }}) = 'DOUBLE'
            then case
                when
                    abs(try_cast({{ column }} as double)) < 1e8
                    and abs(try_cast({{ column }} as double) * 1e4 - round(try_cast({{ column }} as double) * 1e4)) < 1e-3
                    then try_cast({{ column }} as decimal(18, 4))
                else try_cast({{ tidy_text(column) }} as decimal(18, 4))
            end
        else coalesce(
            try_cast({{ column }}::varchar as decimal(18, 4)), try_cast({{ tidy_text(column) }} as decimal(18, 4))
        )
    end
{%- endmacro %}


{#- Whether an amount is above zero. A number of up to 14 digits before the point and 4 behind it is compared as it is,
    which a Parquet file answers by its statistics; its type says so before the first row is read. (`coalesce` gives a
    column of nothing a type.) -#}
{% macro is_above_zero(column) -%}
    case
        when
            regexp_matches(
                typeof({{ column }}),
                '^(DECIMAL.((\d|1[0-4]),[0-4]|15,[1-4]|16,[2-4]|17,[34]|18,4).|TINYINT|SMALLINT|INTEGER)$'
            )
            then {{ column }} > cast_to_type('0', coalesce({{ column }}, '0'))
        else {{ as_amount(column) }} > 0
    end
{%- endmacro %}


{#- The sales input with its optional columns, whatever the input brings. -#}
{% macro sales_rows() -%}
    select * from {{ input('sales') }}
    union all by name
    select null as sold_on, null as units where false
{%- endmacro %}


{#- The different ids in a column of the sales, as they stand there (`given_id`) and tidied. -#}
{% macro ids_of_sales(column) -%}
    select
        given_id,
        {{ meaning_of_id(tidy_text('given_id')) | indent(8) }} as {{ column }}
    from (
        select distinct {{ column }} as given_id
        from {{ ref('stg_internal__sales_rows') }}
        where {{ column }} is not null
    )
{%- endmacro %}


{#- Whether a row of `stg_internal__sales_rows` has an amount and a date that count; null is no. Asked of every row,
    so that the rest is asked of few. With a known store and product it is true of just the rows without a
    `value_problem` and a `place_problem`: those are summed, the others are rejected. -#}
{% macro has_sound_values() -%}
    {%- set window = setting('sales_window') or {} -%}
    {%- set start, end = window.get('start'), window.get('end') -%}
    {{ is_above_zero('sales_amount') }}
    {%- if start %}
    and {{ as_date('sold_on') }} >= date '{{ start }}'
    {%- endif %}
    {%- if end %}
    and {{ as_date('sold_on') }} <= date '{{ end }}'
    {%- endif %}
    {%- if not (start or end) %}
    and {{ is_date_or_nothing('sold_on') }}
    {%- endif %}
{%- endmacro %}


{#- Whether a value is a date, or says nothing. -#}
{% macro is_date_or_nothing(column) -%}
    ({{ as_date(column) }} is not null or {{ meaning(tidy_text(column)) }} is null)
{%- endmacro %}


{#- Whether a row of `stg_internal__sales_rows` has a hash that comes more than once. -#}
{% macro may_be_repeated() -%}
    hash(_input) in (select row_hash from {{ ref('repeated_sales') }})
{%- endmacro %}


{#- The rows of `stg_internal__sales_rows` that do not only add to a sum: those without sound values or without a known
    store and product, and those that may repeat another one. -#}
{% macro sales_to_look_at() -%}
    select _input.*
    from {{ ref('stg_internal__sales_rows') }} as _input
    where
        store_id is null
        or store_id in (select given_id from {{ ref('stg_internal__sales_stores') }} where store_id is null)
        or product_id is null
        or product_id in (select given_id from {{ ref('stg_internal__sales_products') }} where product_group is null)
        or ({{ has_sound_values() | indent(8) }}) is not true
        or {{ may_be_repeated() }}
{%- endmacro %}


{#- Rows of `stg_internal__sales_rows` with their columns typed; what is wrong with one says `value_problem`, why a
    sound one does not count all the same `place_problem` (see `has_sound_values`). -#}
{% macro typed_sales(rows_of_sales) -%}
    select
        sales_stores.store_id,
        sales_products.product_id,
        sales_products.product_group,
        {{ as_amount('_input.sales_amount') | indent(8) }} as sales_amount,
        try_cast(_input.units as decimal(18, 4)) as units,
        {{ as_date('_input.sold_on') | indent(8) }} as sold_on,
        {{ is_date_or_nothing('_input.sold_on') | indent(8) }} as _is_date_or_nothing,
        {{ may_be_repeated() }} as _is_repeated,
        _input as _row
    from {{ rows_of_sales }} as _input
    left join {{ ref('stg_internal__sales_stores') }} as sales_stores on _input.store_id = sales_stores.given_id
    left join {{ ref('stg_internal__sales_products') }} as sales_products on _input.product_id = sales_products.given_id
{%- endmacro %}


{#- What is wrong with a row of `typed_sales`; null if nothing is. -#}
{% macro value_problem() -%}
    case
        when store_id is null then 'store_id is missing'
        when product_id is null then 'product_id is missing'
        when sales_amount is null
            then case
                when {{ meaning(tidy_text('_row.sales_amount')) }} is null then 'sales_amount is missing'
                when try_cast({{ tidy_text('_row.sales_amount') }} as double) is null then 'sales_amount is not a number'
                when not isfinite(try_cast({{ tidy_text('_row.sales_amount') }} as double)) then 'sales_amount is not finite'
                else 'sales_amount is too large'
            end
        when sales_amount < 0 then 'sales_amount is negative'
        when sales_amount = 0 then 'sales_amount is zero'
    end
{%- endmacro %}


{#- Why a row of `typed_sales` without a problem of its own does not count; null if it does. A further copy
    of a row is told so before this. -#}
{% macro place_problem() -%}
    {%- set window = setting('sales_window') or {} -%}
    {%- set start, end = window.get('start'), window.get('end') -%}
    case
        when not _is_date_or_nothing then 'sold_on is not a date'
        {%- if start or end %}
        when sold_on is null then 'sold_on is missing and a sales_window is set'
        {%- endif %}
        {%- if start %}
        when sold_on < date '{{ start }}' then 'sold_on is before the sales_window'
        {%- endif %}
        {%- if end %}
        when sold_on > date '{{ end }}' then 'sold_on is after the sales_window'
        {%- endif %}
        when product_group is null then '{{ unknown_product() }}'
    end
{%- endmacro %}


{#- The reason of a product without need states, which is the last that a row is asked for. -#}
{% macro unknown_product() -%}
    product_id has no accepted row in products
{%- endmacro %}


{#- What a build says that would lose rows, since their ids came in after the ids were tidied. -#}
{% macro sales_have_changed() -%}
    the sales have ids that were not there when stg_internal__sales_stores and stg_internal__sales_products were built: build these as well (dbt build --select +int_sales_outcomes), while nothing writes to the input
{%- endmacro %}


{#- A row of `typed_sales` as JSON text; the optional columns as text, as they are where an input lacks them. -#}
{% macro sale_as_json() -%}
    {{ row_as_json('struct_update(_row, sold_on := _row.sold_on::varchar, units := _row.units::varchar)') }}
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
