{#- What makes a row of an input acceptable is written once. For products and external inputs that is here: each
    macro returns a query over the input with typed columns, `_rejection_reason` (null for an accepted row) and
    `_input_row` (the row as JSON); the staging model takes the accepted rows, `rejected_rows` the others. For sales
    it is the view `stg_internal__sales`. The input is called `_input` because a column of that name would otherwise
    hide the row. -#}


{#- A value as text in one Unicode form, without blanks and invisible characters around it. Whole numbers that arrive
    as floating point ("12.0") lose the decimals that were never part of an id, and texts that Excel is to leave as
    they are (`="0012"`) what protects them. DuckDB's normalization ends at a NUL, so it works from NUL to NUL. -#}
{% macro tidy_text(column) -%}
    regexp_replace(regexp_replace(array_to_string(list_transform(string_split(
        case
            when typeof({{ column }}) in ('DOUBLE', 'FLOAT') then regexp_replace({{ column }}::varchar, '\.0$', '')
            else {{ column }}::varchar
        end,
        chr(0)
    ), lambda part: nfc_normalize(part)), chr(0)), '^[\s\pZ\p{Cc}\p{Cf}]*="([^"]*)"[\s\pZ\p{Cc}\p{Cf}]*$', '\1'), '^[\s\pZ\p{Cc}\p{Cf}]+|[\s\pZ\p{Cc}\p{Cf}]+$', '', 'g')
{%- endmacro %}


{#- Names reach pictures and terminals, and no SVG file may hold a control character or one of the two that XML forbids. -#}
{% macro tidy_name(column) -%}
    regexp_replace({{ tidy_text(column) }}, '[\p{Cc}\x{FFFE}\x{FFFF}]+', ' ', 'g')
{%- endmacro %}


{#- A text, null where it says nothing; the errors of spreadsheets, such as `#REF!`, never say anything. -#}
{% macro meaning(column, nothing=['nan', 'null', 'none', 'n/a', 'na']) -%}
    {%- set errors = ['#n/a', '#ref!', '#value!', '#div/0!', '#name[?]', '#num!', '#null!'] -%}
    nullif(regexp_replace({{ column }}, '^(?i:{{ (nothing + errors) | join('|') }})$', ''), '')
{%- endmacro %}


{#- A tidy id, null where it says nothing; "unknown" is no id. `12.0` is the id 12 of a program that keeps ids as
    floating point. `ignore_in_ids` names further differences that make no other id. -#}
{% macro meaning_of_id(column) -%}
    {%- set ignored = setting('ignore_in_ids') or [] -%}
    {%- set id = "regexp_replace(" ~ column ~ ", '^(\\d+)\\.0+$', '\\1')" -%}
    {%- if 'case' in ignored -%}
        {%- set id = 'upper(' ~ id ~ ')' -%}
    {%- endif -%}
    {%- if 'leading_zeros' in ignored -%}
        {%- set id = "regexp_replace(" ~ id ~ ", '^0+(.)', '\\1')" -%}
    {%- endif -%}
    {{ meaning(id, ['nan', 'null', 'none', 'n/a', 'na', 'unknown']) }}
{%- endmacro %}


{% macro usual_spelling(column) -%}
    first_value({{ column }}) over (
        partition by lower(regexp_replace({{ column }}, '\s', '', 'g')) order by n_{{ column }} desc, {{ column }}
    )
{%- endmacro %}


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


{% macro sales_rows() -%}
    select * from {{ input('sales') }}
    union all by name
    select null as sold_on, null as units where false
{%- endmacro %}


{% macro ids_of_sales(column) -%}
    select
        given_id,
        {{ meaning_of_id(tidy_text('given_id')) | indent(8) }} as {{ column }}
    from (
        {% call over_sales(merge={}) -%}
        select distinct {{ column }} as given_id
        from {{ ref('stg_internal__sales_rows') }}
        where {{ column }} is not null
        {%- endcall %}
    )
{%- endmacro %}


{% macro group_need_states() -%}
    select distinct
        product_group,
        unnest(need_states).category as category,
        unnest(need_states).need_state as need_state,
        len(need_states) as n_need_states
    from {{ ref('stg_internal__sales_products') }}
{%- endmacro %}


{% macro sales_have_changed() -%}
    the sales have ids that were not there when stg_internal__sales_stores and stg_internal__sales_products were built: build these as well (dbt build --select +int_sales_outcomes), while nothing writes to the input
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
            {{ tidy_name('product_name') }} as product_name,
            {{ tidy_name('category') }} as category,
            {{ tidy_name('need_state') }} as need_state,
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

    counted as (
        select
            *,
            count(*) over (partition by category) as n_category,
            count(*) over (partition by need_state) as n_need_state
        from typed
    ),

    spelled as (
        select
            product_id,
            product_name,
            {{ usual_spelling('category') }} as category,
            {{ usual_spelling('need_state') }} as need_state,
            category as given_category,
            need_state as given_need_state,
            _input_row
        from counted
    ),

    numbered as (
        select
            *,
            row_number() over (
                partition by product_id, category, need_state order by product_name, _input_row
            ) as _copy
        from spelled
    )

    select
        product_id,
        product_name,
        category,
        need_state,
        given_category,
        given_need_state,
        _input_row,
        case
            when product_id is null then 'product_id is missing'
            when category is null then 'category is missing'
            when need_state is null then 'need_state is missing'
            when _copy > 1 then 'product and need state repeat an earlier row'
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
    )

    select
        store_id,
        _input_row,
        _row,
        if(store_id is null, 'store_id is missing', null) as _rejection_reason
    from typed
{%- endmacro %}


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
