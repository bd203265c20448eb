{#- Long form of all external sources: one row per row and column of the input, value as text.

    A column of its own keeps the query valid for a source that has nothing but ids. -#}
{% macro external_values() -%}
    {%- for source_name in external_sources() %}
    select
        store_id,
        '{{ source_name }}' as source,
        _row_number as row_number,
        column_name,
        {{ meaning(tidy_name('cell'), ['nan', 'null', 'n/a', 'na']) }} as cell
    from (
        select
            store_id,
            _row_number,
            columns(* exclude (store_id, _row_number))::varchar
        from (
            select
                null as _no_column,
                row_number() over () as _row_number,
                *
            from {{ ref('stg_external__' ~ source_name) }}
        )
    )
    unpivot include nulls (cell for column_name in (columns(* exclude (store_id, _row_number))))
    where column_name <> '_no_column'
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- else %}
    select
        null::varchar as store_id,
        null::varchar as source,
        null::bigint as row_number,
        null::varchar as column_name,
        null::varchar as cell
    where false
    {%- endfor %}
{%- endmacro %}


{% macro external_aggregation(column, is_numeric) -%}
    {%- set given = setting('external_aggregation') or {} -%}
    case
        {%- for pattern, aggregation in given.items() %}
        when {{ column }} glob {{ sql_text(pattern) }}
            {%- if aggregation in ['sum', 'mean'] %} and {{ is_numeric }}{% endif %} then '{{ aggregation }}'
        {%- endfor %}
        when {{ is_numeric }} then 'mean'
        else 'most frequent'
    end
{%- endmacro %}
