{#- Long form of all external sources: one row per store, source and column, value as text.

    A column of its own keeps the query valid for a source that has nothing but ids. -#}
{% macro external_cells() -%}
    {%- for source_name in external_sources() %}
    select
        store_id,
        '{{ source_name }}' as source,
        column_name,
        {{ tidy_text('cell') }} as cell
    from (
        select
            store_id,
            columns(* exclude (store_id))::varchar
        from (select null as _no_column, * from {{ ref('stg_external__' ~ source_name) }})
    )
    unpivot include nulls (cell for column_name in (columns(* exclude (store_id))))
    where column_name <> '_no_column'
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- else %}
    select
        null::varchar as store_id,
        null::varchar as source,
        null::varchar as column_name,
        null::varchar as cell
    where false
    {%- endfor %}
{%- endmacro %}
