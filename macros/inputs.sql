{#- The relation of an input: the example seed, or the location in `vars.inputs`.

    Either way the lineage is true: the seed is referenced, or the declared source is. -#}
{% macro input(name) -%}
    {%- set location = given_inputs().get(name) -%}
    {%- if location is string and location -%}
        {%- set declared = source('inputs', name) -%}
        {{ return(ask_package('segmentation_input', [invocation(), name]) if execute else declared) }}
    {%- elif not has_own_inputs() and name in example_inputs() -%}
        {{ return(ref('raw_' ~ name)) }}
    {%- else -%}
        {#- sales and products without a location, while external inputs have one, are empty; the check of the
            inputs reports anything else before a model reads it -#}
        {%- set declared = source('inputs', name) -%}
        {{ return(empty_inputs()[name] if execute and name in empty_inputs() else declared) }}
    {%- endif -%}
{%- endmacro %}


{#- Sales and products without rows. -#}
{% macro empty_inputs() -%}
    {{ return({
        'sales': '(select null::varchar as store_id, null::varchar as product_id, null::decimal(18, 4) as sales_amount'
            ~ ' where false)',
        'products': '(select null::varchar as product_id, null::varchar as category, null::varchar as need_state'
            ~ ' where false)'
    }) }}
{%- endmacro %}


{% macro given_inputs() -%}
    {{ return(var('inputs') if var('inputs') is mapping else {}) }}
{%- endmacro %}


{#- Whether any input is the user's own: the example seeds are not enabled then. (Their properties say it again,
    where no macro can be asked.) -#}
{% macro has_own_inputs() -%}
    {{ return(given_inputs().values() | select | list != []) }}
{%- endmacro %}


{% macro has_input(name) -%}
    {%- set location = given_inputs().get(name) -%}
    {{ return((location is string and location != '') or not has_own_inputs()) }}
{%- endmacro %}


{% macro example_inputs() -%}
    {{ return(['sales', 'products', 'demographics', 'foot_traffic', 'competition']) }}
{%- endmacro %}


{#- External inputs in use. A name without a staging model is left out here: the project can then be parsed, and
    the check of the inputs reports the name. -#}
{% macro external_sources() -%}
    {%- set given = var('external_sources') -%}
    {{ return((given if given is iterable else []) | select('in', known_external_sources()) | list) }}
{%- endmacro %}


{#- External inputs that have a staging model, in use or not. dbt knows no other models while it parses one, so the
    var has the list. -#}
{% macro known_external_sources() -%}
    {{ return(var('known_external_sources', [])) }}
{%- endmacro %}


{% macro is_loaded(name) -%}
    {%- set location = given_inputs().get(name) or '' -%}
    {{ return(modules.re.search('\\.(csv|tsv|txt|xlsx)(\\.(gz|zst))?([?].*)?$', location | lower) is not none) }}
{%- endmacro %}


{% macro loaded_texts(name) -%}
    {{ this.database }}.intake.{{ adapter.quote(name) }}
{%- endmacro %}


{#- A query that reads the sales, called around its SQL: the SQL itself, or the merged results of the tasks of an
    engine that has the sales (`segmentation/engine/sales.py`). -#}
{% macro over_sales(merge=none, beside={}) -%}
    {%- if execute and var('engine') and given_inputs().get('sales') and flags.WHICH in logged_commands() -%}
        {%- set job = {'name': model.name, 'sql': caller(), 'merge': merge, 'beside': beside} -%}
        {%- set answer = fromjson(ask_package('segmentation_on_engine', [invocation(), tojson(job)])) -%}
        {%- if answer.problem -%}
            {%- do exceptions.raise_compiler_error(answer.problem) -%}
        {%- endif -%}
        select * from {{ answer.relation }}
    {%- else -%}
        {{ caller() }}
    {%- endif -%}
{%- endmacro %}


{% macro input_loaded_at(name) -%}
    segmentation_loaded_at({{ sql_text(invocation()) }}, {{ sql_text(name) }})::timestamptz
{%- endmacro %}
