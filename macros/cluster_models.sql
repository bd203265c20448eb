{#- Fitted models of both lanes, one row per model. -#}
{% macro all_cluster_models() -%}
select
    'internal' as lane,
    *
from {{ ref('internal_cluster_models') }}
union all
select
    'external' as lane,
    *
from {{ ref('external_cluster_models') }}
{%- endmacro %}


{#- Drop the work tables that dbt-duckdb's incremental materialisation leaves behind for Python models
    (it takes them for temporary ones). A post-hook of the models concerned. -#}
{% macro drop_work_tables() -%}
    {%- if execute -%}
        {%- set query -%}
            select table_schema, table_name
            from information_schema.tables
            where
                table_catalog = {{ sql_text(target.database) }}
                and starts_with(table_name, {{ sql_text(this.identifier ~ '__dbt_tmp') }})
        {%- endset -%}
        {%- for row in run_query(query).rows -%}
            {%- do run_query(
                'drop table if exists ' ~ adapter.quote(target.database) ~ '.' ~ adapter.quote(row[0]) ~ '.' ~ adapter.quote(row[1])
            ) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
