{#- The relation of an input: the example seed, or the location in `vars.inputs`.

    Either way the lineage is true: the seed is referenced, or the declared source is. -#}
{% macro input(name) -%}
    {%- set location = given_inputs().get(name) -%}
    {%- if location is string and location -%}
        {%- do source('inputs', name) -%}
        {%- if name in unread_inputs() -%}
            {{ return('(select null::varchar as store_id where false)') }}
        {%- endif -%}
        {{ return(input_reader(location, reader_options(name))) }}
    {%- elif not has_own_inputs() and name in example_inputs() -%}
        {{ return(ref('raw_' ~ name)) }}
    {%- else -%}
        {#- told by check_project() in words; at parse time the source stands for it -#}
        {{ return(source('inputs', name)) }}
    {%- endif -%}
{%- endmacro %}


{#- The var `inputs`; without any where it is none, or nothing that has names: check_project() says so in words. -#}
{% macro given_inputs() -%}
    {{ return(var('inputs') if var('inputs') is mapping else {}) }}
{%- endmacro %}


{#- Whether any input is the user's own: the example seeds are not enabled then. (Their properties say it again,
    where no macro can be asked.) -#}
{% macro has_own_inputs() -%}
    {{ return(given_inputs().values() | select | list != []) }}
{%- endmacro %}


{#- Inputs that the project brings example seeds for. -#}
{% macro example_inputs() -%}
    {{ return(['sales', 'products', 'demographics', 'foot_traffic', 'competition']) }}
{%- endmacro %}


{#- External inputs in use. A name without a staging model is left out here: the project can then be parsed, and
    check_project() reports the name. -#}
{% macro external_sources() -%}
    {%- set given = var('external_sources') -%}
    {{ return((given if given is iterable else []) | select('in', known_external_sources()) | list) }}
{%- endmacro %}


{#- External inputs that have a staging model, in use or not. dbt knows no other models while it parses one, so the
    var has the list. -#}
{% macro known_external_sources() -%}
    {{ return(var('known_external_sources', [])) }}
{%- endmacro %}


{#- SQL that reads a location. CSV is read as text: staging decides what is a number and says in
    `rejected_rows` what is not; a line that is too short has nulls where it ends. `options` are more options of the
    reader, found out by the check of the inputs. Dispatched, so that another engine can bring its own
    readers. -#}
{% macro input_reader(location, options='') -%}
    {{ return(adapter.dispatch('input_reader')(location, options)) }}
{%- endmacro %}


{% macro duckdb__input_reader(location, options='') -%}
    {%- set quoted = "'" ~ input_path(location) | replace("'", "''") ~ "'" -%}
    {%- if is_parquet(location) -%}
        {{ return('read_parquet(' ~ quoted ~ ', union_by_name = true)') }}
    {%- elif is_delimited_text(location) -%}
        {%- set reader = 'read_csv(' ~ quoted ~ ', all_varchar = true, header = true, null_padding = true, union_by_name = true' ~ (', ' ~ options if options) ~ ')' -%}
        {%- if 'ignore_errors' in options -%}
            {#- DuckDB leaves a line out only where it looks at the value that is wrong: look at all -#}
            {{ return('(select * from ' ~ reader ~ ' as _line where hash(_line) is not null)') }}
        {%- endif -%}
        {{ return(reader) }}
    {%- else -%}
        {{ return(location) }}
    {%- endif -%}
{%- endmacro %}


{#- Relative paths start at the project root, so that the working directory does not matter. -#}
{% macro input_path(location) -%}
    {%- if location.startswith('/') or '://' in location or location[1:2] == ':' -%}
        {{ return(location) }}
    {%- else -%}
        {{ return(invocation_args_dict.project_dir ~ '/' ~ location) }}
    {%- endif -%}
{%- endmacro %}


{#- Whether an input is read from files: DuckDB tells their format by their names. -#}
{% macro is_file(location) -%}
    {{ return(location is string and (is_parquet(location) or is_delimited_text(location))) }}
{%- endmacro %}


{% macro is_parquet(location) -%}
    {{ return(modules.re.search('\\.(parquet|pq)$', location | lower) is not none) }}
{%- endmacro %}


{% macro is_delimited_text(location) -%}
    {{ return(modules.re.search('\\.(csv|tsv|txt)(\\.(gz|zst))?$', location | lower) is not none) }}
{%- endmacro %}


{#- A location that names a table: database.schema.table, schema.table or table. -#}
{% macro is_table_name(location) -%}
    {{ return(modules.re.search('^\\w+(\\.\\w+){0,2}$', location) is not none) }}
{%- endmacro %}
