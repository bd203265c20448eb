{#- One setting in force, parsed by the package: a project setting, or with `scope` one of a scope.
    While dbt parses there is no connection to ask; the value is of no consequence then. -#}
{% macro setting(name, lane='internal', scope='') -%}
    {%- if not execute -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set query -%}
        select segmentation_setting(
            {{ sql_text(tojson(var('segmentation') or {})) }},
            {{ sql_text(lane) }}, {{ sql_text(scope) }}, {{ sql_text(name) }}
        )
    {%- endset -%}
    {{ return(fromjson(run_query(query).rows[0][0])) }}
{%- endmacro %}


{#- A text as SQL literal. -#}
{% macro sql_text(value) -%}
    {{ return("'" ~ (value | string | replace("'", "''")) ~ "'") }}
{%- endmacro %}


{#- Before anything runs: settings, inputs and pinned models are checked by the package; all
    problems are told at once, one line each, and the build stops. -#}
{% macro check_project() -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'test', 'snapshot', 'seed') -%}
        {%- set readers = {} -%}
        {%- set problems = [] -%}
        {%- for name, location in (var('inputs') or {}).items() if location -%}
            {%- if location is not string -%}
                {%- do problems.append('inputs.' ~ name ~ ': ' ~ location ~ ' is not allowed; it is a location as text') -%}
            {%- elif is_parquet(location) or is_delimited_text(location) -%}
                {%- do readers.update({name: input_reader(location)}) -%}
            {%- elif not is_table_name(location) -%}
                {%- do problems.append("inputs." ~ name ~ ": '" ~ location ~ "' is not allowed; it is a .parquet, .csv, .tsv or .txt path, a glob, a URL or database.schema.table") -%}
            {%- endif -%}
        {%- endfor -%}
        {%- set project_vars = {
            'segmentation': var('segmentation'),
            'inputs': var('inputs'),
            'external_sources': var('external_sources'),
        } -%}
        {%- set query -%}
            select segmentation_problems(
                {{ sql_text(tojson(project_vars)) }},
                {{ sql_text(tojson(readers)) }},
                {{ sql_text(tojson(known_external_sources())) }}
            )
        {%- endset -%}
        {%- do problems.extend(fromjson(run_query(query).rows[0][0])) -%}
        {%- if not problems -%}
            {%- do problems.extend(pinned_model_problems()) -%}
        {%- endif -%}
        {%- if problems -%}
            {%- do exceptions.raise_compiler_error('the vars of this project cannot be used:\n  ' ~ problems | join('\n  ')) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{#- Pinned ids that no model of the scope has. -#}
{% macro pinned_model_problems() -%}
    {%- set problems = [] -%}
    {%- for scope, model_id in setting('pinned_models').items() -%}
        {%- set lane = 'external' if scope == 'external' else 'internal' -%}
        {%- set relation = adapter.get_relation(target.database, 'lanes', lane ~ '_cluster_models') -%}
        {%- set query -%}
            select model_id from {{ relation }}
            where scope = {{ sql_text(scope) }} and status <> 'failed' order by in_force_order
        {%- endset -%}
        {%- set known = run_query(query).columns[0].values() | list if relation else [] -%}
        {%- if model_id not in known -%}
            {%- do problems.append(
                "segmentation.pinned_models." ~ scope ~ ": '" ~ model_id
                ~ "' is not a model of this scope; it has: " ~ (known | join(', ') or 'none')
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(problems) }}
{%- endmacro %}
