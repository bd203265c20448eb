{#- One setting in force, parsed by the package: a project setting, or with `scope` one of a scope.
    While dbt parses there is no connection to ask; the value is of no consequence then. -#}
{% macro setting(name, lane='internal', scope='') -%}
    {%- if not execute -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set query -%}
        select segmentation_setting(
            {{ given_settings() }},
            {{ sql_text(lane) }}, {{ sql_text(scope) }}, {{ sql_text(name) }}
        )
    {%- endset -%}
    {{ return(fromjson(run_query(query).rows[0][0])) }}
{%- endmacro %}


{#- The var `segmentation` as SQL literal, as the functions of the package take it. -#}
{% macro given_settings() -%}
    {{ return(sql_text(tojson(var('segmentation') or {}))) }}
{%- endmacro %}


{#- A text as SQL literal. -#}
{% macro sql_text(value) -%}
    {{ return("'" ~ (value | string | replace("'", "''")) ~ "'") }}
{%- endmacro %}


{#- Before anything runs: settings, inputs and pinned models are checked by the package; all
    problems are told at once, one line each, and the build stops. -#}
{% macro check_project() -%}
    {%- if execute and flags.WHICH in logged_commands() -%}
        {%- set readers = {} -%}
        {%- set problems = [] -%}
        {%- set unread = {} -%}
        {%- for name, location in given_inputs().items() if location -%}
            {%- if location is not string -%}
                {%- do problems.append('inputs.' ~ name ~ ': ' ~ location ~ ' is not allowed; it is a location as text') -%}
            {%- elif is_file(location) -%}
                {%- do readers.update({name: {
                    'sql': input_reader(location),
                    'path': input_path(location),
                    'is_text': is_delimited_text(location),
                }}) -%}
            {%- elif is_table_name(location) -%}
                {%- set missing = table_problem(location) -%}
                {%- if missing and name in known_external_sources() -%}
                    {%- do unread.update({name: missing}) -%}
                {%- elif missing -%}
                    {%- do problems.append('inputs.' ~ name ~ ': ' ~ missing) -%}
                {%- endif -%}
            {%- else -%}
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
        {%- set found = fromjson(run_query(query).rows[0][0]) -%}
        {%- do problems.extend(found.problems) -%}
        {%- do unread.update(found.unread) -%}
        {%- do problems.extend(empty_build_problems()) -%}
        {%- do problems.extend(missing_seed_problems()) -%}
        {%- if not problems -%}
            {%- do problems.extend(tampered_model_problems()) -%}
            {%- do problems.extend(pinned_model_problems()) -%}
            {%- do problems.extend(kept_model_problems('internal', ['transform', 'zero_replacement'])) -%}
            {%- do problems.extend(kept_model_problems('external', ['max_categories', 'log_skewness_threshold'])) -%}
        {%- endif -%}
        {%- if problems -%}
            {%- set shown = 'the build cannot start:\n  ' ~ problems | join('\n  ') -%}
            {%- set message = run_query('select segmentation_without_secrets(' ~ sql_text(shown) ~ ')').rows[0][0] -%}
            {%- do close_run('failed', message) -%}
            {%- do exceptions.raise_compiler_error(message) -%}
        {%- endif -%}
        {%- do log_unread_inputs(unread) -%}
        {%- do log_reader_options(found.options, found.n_lines) -%}
        {%- for name in ['memory_limit', 'temp_directory'] if setting(name) -%}
            {%- do run_query('set ' ~ name ~ ' = ' ~ sql_text(setting(name))) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}


{#- Severity of the tests that name what a build went on without. (Read while dbt parses, before
    the settings are checked.) -#}
{% macro severity_of_failures() -%}
    {%- set given = var('segmentation') -%}
    {{ return('error' if given is mapping and given.get('strict') is true else 'warn') }}
{%- endmacro %}


{#- What to say of a location that names a table which is not there; empty if it is. -#}
{% macro table_problem(location) -%}
    {%- set parts = location.split('.') -%}
    {%- set query -%}
        select count(*)
        from information_schema.tables
        where
            lower(table_name) = lower({{ sql_text(parts[-1]) }})
            {%- if parts | length > 1 %}
            and lower(table_schema) = lower({{ sql_text(parts[-2]) }})
            {%- endif %}
            {%- if parts | length > 2 %}
            and lower(table_catalog) = lower({{ sql_text(parts[-3]) }})
            {%- endif %}
    {%- endset -%}
    {%- if run_query(query).rows[0][0] == 0 -%}
        {{ return("there is no table '" ~ location ~ "'; give database.schema.table of an attached database") }}
    {%- endif -%}
    {{ return('') }}
{%- endmacro %}


{#- `--empty` would empty the segments, and with them end every period of the history. -#}
{% macro empty_build_problems() -%}
    {%- set history = adapter.get_relation(target.database, 'segments', 'store_segments_history') -%}
    {%- if flags.EMPTY and history and run_query('select count(*) from ' ~ history).rows[0][0] > 0 -%}
        {{ return([
            "--empty: it would empty the tables of " ~ target.path ~ " and end every row of the history;"
            ~ " name another file in STORE_SEGMENTS_DB for a build without data"
        ]) }}
    {%- endif -%}
    {{ return([]) }}
{%- endmacro %}


{#- `dbt run` loads no seeds; without them and without own inputs there is nothing to read. -#}
{% macro missing_seed_problems() -%}
    {%- if flags.WHICH == 'run' and not has_own_inputs() and not adapter.get_relation(target.database, 'raw', 'raw_sales') -%}
        {{ return(['the example seeds are not in the database yet: dbt build, or dbt seed before dbt run']) }}
    {%- endif -%}
    {{ return([]) }}
{%- endmacro %}


{#- Models whose row was changed after it was written. -#}
{% macro tampered_model_problems() -%}
    {%- set problems = [] -%}
    {%- for lane in ['internal', 'external'] -%}
        {%- for scope, model_id in fromjson(run_query("select segmentation_tampered_models('" ~ lane ~ "')").rows[0][0]) -%}
            {%- do problems.append(
                'model ' ~ model_id ~ ' of ' ~ scope ~ ': its row in lanes.' ~ lane ~ '_cluster_models is not as it was'
                ~ ' written; bring the row back from a copy of the database, or delete it and let the scope be fitted'
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(problems) }}
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


{#- Settings that shape the features differently than a model expects that is kept by a pin or by
    `retrain: never`. Such a model would be scored with numbers it does not know. -#}
{% macro kept_model_problems(lane, feature_settings) -%}
    {%- set problems = [] -%}
    {%- set pins = [] -%}
    {%- for model_id in setting('pinned_models').values() -%}
        {%- do pins.append(sql_text(model_id)) -%}
    {%- endfor -%}
    {%- set is_pinned = 'list_contains([' ~ pins | join(', ') ~ ']::varchar[], model_id)' -%}
    {%- set never = setting('retrain') == 'never' -%}
    {%- set models = adapter.get_relation(target.database, 'lanes', lane ~ '_cluster_models') -%}
    {%- if models and (pins or never) -%}
        {%- set query -%}
            with kept as (
                select
                    scope,
                    model_id,
                    unnest(settings) as given
                from {{ models }}
                where status <> 'failed' and ({{ never }} or {{ is_pinned }})
                qualify row_number() over (
                    partition by scope
                    order by {{ is_pinned }} desc, in_force_order desc
                ) = 1
            )

            select
                scope,
                model_id,
                given.name as name,
                given.value as fitted_with,
                trim(segmentation_setting(
                    {{ given_settings() }}, '{{ lane }}', scope, given.name
                ), '"') as today
            from kept
            where list_contains({{ feature_settings }}, given.name) and fitted_with <> today
            order by scope, name
        {%- endset -%}
        {%- for row in run_query(query).rows -%}
            {%- do problems.append(
                'segmentation.' ~ row['name'] ~ ': ' ~ row['today'] ~ ' is not what the kept model ' ~ row['model_id']
                ~ ' of ' ~ row['scope'] ~ ' was fitted with (' ~ row['fitted_with'] ~ '); set it so, or let the scope be fitted again'
            ) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(problems) }}
{%- endmacro %}
