{#- Operation of `make verify`: copies of the inputs with their rows in another order, one Parquet file
    per input, in a folder. Identical rows stay together, which changes nothing. -#}
{% macro copy_inputs_shuffled(folder) -%}
    {%- for name in ['sales', 'products'] + external_sources() if given_inputs().get(name) or not has_own_inputs() -%}
        {%- set query -%}
            copy (
                select rows_of_input.*
                from {{ input(name) }} as rows_of_input
                order by hash(rows_of_input, 'another order')
            ) to {{ sql_text(folder ~ '/' ~ name ~ '.parquet') }} (format parquet)
        {%- endset -%}
        {%- do run_query(query) -%}
    {%- endfor -%}
{%- endmacro %}
