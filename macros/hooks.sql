{#- Hooks of the project: each is one call of the package (`segmentation/run/hooks.py`). What it knows of the run goes
    there as JSON; what comes back is shown, or fails the run. -#}


{% macro start_run() -%}
    {%- if execute and flags.WHICH in logged_commands() -%}
        {%- do show(ask_package('segmentation_start_run', [invocation(), tojson(expected_tables())])) -%}
    {%- endif -%}
{%- endmacro %}


{% macro end_run(results) -%}
    {%- if execute and flags.WHICH in logged_commands() -%}
        {%- do show(ask_package('segmentation_end_run', [invocation(), node_results(results), published_graph()])) -%}
    {%- endif -%}
{%- endmacro %}


{% macro show(answer) -%}
    {%- set outcome = fromjson(answer) -%}
    {%- for line in outcome.lines -%}
        {%- do print(line) -%}
    {%- endfor -%}
    {%- if outcome.problem -%}
        {%- do exceptions.raise_compiler_error(outcome.problem) -%}
    {%- endif -%}
{%- endmacro %}


{% macro ask_package(function, arguments) -%}
    {%- set literals = [] -%}
    {%- for argument in arguments -%}
        {%- do literals.append(sql_text(argument)) -%}
    {%- endfor -%}
    {{ return(run_query('select ' ~ function ~ '(' ~ literals | join(', ') ~ ')').rows[0][0]) }}
{%- endmacro %}


{% macro invocation() -%}
    {{ return(tojson({
        'run_id': invocation_id,
        'command': flags.WHICH,
        'started_at': run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f'),
        'target_name': target.name,
        'database': target.database,
        'path': target.path,
        'project_dir': invocation_args_dict.project_dir,
        'is_empty': flags.EMPTY,
        'published': env_var('STORE_SEGMENTS_PUBLISHED', ''),
        'variables': {
            'inputs': var('inputs'),
            'external_sources': var('external_sources'),
            'columns': var('columns'),
            'formats': var('formats'),
            'sheets': var('sheets'),
            'encodings': var('encodings'),
            'engine': var('engine'),
            'segmentation': var('segmentation')
        },
        'known_sources': known_external_sources(),
        'given_vars': (invocation_args_dict.vars or {}) | list
    })) }}
{%- endmacro %}


{% macro node_results(results) -%}
    {%- set found = [] -%}
    {%- for result in results -%}
        {%- set node = result.node -%}
        {%- do found.append({
            'node_id': node.unique_id,
            'name': node.name,
            'type': node.resource_type,
            'status': result.status,
            'seconds': result.execution_time,
            'message': result.message,
            'n_failures': result.failures,
            'table': none if node.config.materialized == 'view' else node.relation_name | default(none),
            'sql': node.compiled_code if result.status == 'warn' else none
        }) -%}
    {%- endfor -%}
    {{ return(tojson(found)) }}
{%- endmacro %}


{#- Seeds are left out: which of them are needed depends on the inputs (`missing_seed_problems`). -#}
{% macro expected_tables() -%}
    {%- set found = [] -%}
    {%- for node in graph.nodes.values() if node.unique_id in selected_resources and not flags.DEFER -%}
        {%- for parent in node.depends_on.nodes -%}
            {%- set made = graph.nodes.get(parent) -%}
            {%- if made and parent not in selected_resources and made.relation_name and made.resource_type != 'seed' -%}
                {%- do found.append((made.schema, made.alias)) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found | unique | sort) }}
{%- endmacro %}


{% macro published_graph() -%}
    {%- set nodes = graph.nodes.values() -%}
    {%- set marts = nodes | selectattr('schema', 'in', ['segments', 'governance']) -%}
    {%- set generic_tests = nodes | selectattr('test_metadata', 'defined') -%}
    {{ return(tojson({
        'nodes': marts | selectattr('resource_type', 'in', ['model', 'snapshot']) | list,
        'sources': graph.sources.values() | selectattr('source_name', 'equalto', 'run_log') | list,
        'grains': generic_tests | selectattr('test_metadata.name', 'equalto', 'grain') | list,
        'analyses': nodes | selectattr('resource_type', 'equalto', 'analysis') | list
    })) }}
{%- endmacro %}


{% macro logged_commands() -%}
    {{ return(['build', 'run', 'test', 'snapshot', 'seed', 'retry']) }}
{%- endmacro %}


{% macro run_started() -%}
    {{ return("'" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "'::timestamp") }}
{%- endmacro %}


{#- A row of history and its run have the same date: `dbt_valid_from` joins with `runs.started_at`. dbt's own macro gives
    the time of the statement instead. -#}
{% macro duckdb__snapshot_get_time() -%}
    {{ return(run_started()) }}
{%- endmacro %}
