{#- While dbt parses there is no connection to ask; the value does not matter then. -#}
{% macro setting(name, lane='internal', scope='') -%}
    {%- if not execute -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set given = tojson(var('segmentation') or {}) -%}
    {{ return(fromjson(ask_package('segmentation_setting', [given, lane, scope, name]))) }}
{%- endmacro %}


{% macro given_settings() -%}
    {{ return(sql_text(tojson(var('segmentation') or {}))) }}
{%- endmacro %}


{% macro sql_text(value) -%}
    {{ return("'" ~ (value | string | replace("'", "''")) ~ "'") }}
{%- endmacro %}


{#- Read while dbt parses, before the settings are checked. -#}
{% macro severity_of_failures() -%}
    {%- set given = var('segmentation') -%}
    {{ return('error' if given is mapping and given.get('strict') is true else 'warn') }}
{%- endmacro %}


{% macro argument(name, example) -%}
    {{ return(sql_text(example)) }}
{%- endmacro %}
