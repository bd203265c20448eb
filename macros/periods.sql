{#- DuckDB counts blocks of days from Monday, January 3, 2000, so every build cuts time in the same places. -#}
{% macro period_start(day) -%}
    {%- set widths = {'day': '1 day', 'week': '7 days', 'two_weeks': '14 days', 'month': '1 month'} -%}
    time_bucket(interval '{{ widths[setting('period') or 'two_weeks'] }}', {{ day }})::date
{%- endmacro %}
