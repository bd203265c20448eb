{#- The run log: a row per invocation in `governance.runs`, written when it starts and completed when
    it ends, and a row per node of it in `governance.run_nodes`. Written by hooks, so that a failed run
    is logged as well; declared as source `run_log`. -#}


{#- Hook at the start: the row of this run. A run that was still open has been killed: nothing else
    can write to the database now. -#}
{% macro log_run_start() -%}
    {%- if execute and flags.WHICH in logged_commands() -%}
        {%- set database = adapter.quote(target.database) -%}
        {%- set project_vars = {
            'inputs': var('inputs'),
            'external_sources': var('external_sources'),
            'segmentation': var('segmentation'),
        } -%}
        {%- do run_query('create schema if not exists ' ~ database ~ '.governance') -%}
        {%- do run_query(run_log_tables(database)) -%}
        {%- set query -%}
            update {{ database }}.governance.runs
            set status = 'interrupted', message = 'the process ended before the run did'
            where status = 'running';

            insert into {{ database }}.governance.runs by name
            with facts as materialized (
                select
                    {{ input_stamps() }} as input_stamps,
                    from_json(
                        segmentation_run_facts({{ sql_text(invocation_args_dict.project_dir) }}, {{ sql_text(tojson(project_vars)) }}),
                        '{"git_revision": "VARCHAR", "is_clean": "BOOLEAN", "versions": [{"name": "VARCHAR", "value": "VARCHAR"}], "vars": "VARCHAR"}'
                    ) as facts
            )

            select
                {{ sql_text(invocation_id) }} as run_id,
                {{ sql_text(flags.WHICH) }} as command,
                {{ sql_text(target.name) }} as target_name,
                'running' as status,
                input_stamps,
                facts.git_revision,
                facts.vars,
                facts.versions,
                facts.is_clean,
                {{ run_started() }} as started_at
            from facts
        {%- endset -%}
        {%- do run_query(query) -%}
    {%- endif -%}
{%- endmacro %}


{#- Results that fail a run. -#}
{% macro failed_results(results) -%}
    {{ return(results | selectattr('status', 'in', ['error', 'fail', 'runtime error', 'partial success']) | list) }}
{%- endmacro %}


{#- Hook at the end: what became of the run and of each of its nodes. -#}
{% macro log_run_end(results) -%}
    {%- if execute and flags.WHICH in logged_commands() -%}
        {%- set bad = failed_results(results) -%}
        {%- set doubtful = results | selectattr('status', 'equalto', 'warn') | list -%}
        {%- do run_query(insert_run_nodes(results)) if results -%}
        {%- set message = bad[0].message if bad else changed_inputs_message() -%}
        {%- do close_run('failed' if message else 'success', message, results | length, bad | length, doubtful | length) -%}
    {%- endif -%}
{%- endmacro %}


{#- Hook at the end, after all is logged and said: files that changed while they were read fail the
    run. Each model reads them anew, so what one table says need not fit the other. -#}
{% macro refuse_changed_inputs() -%}
    {%- if execute and flags.WHICH in logged_commands() -%}
        {%- set message = changed_inputs_message() -%}
        {%- if message -%}
            {%- do exceptions.raise_compiler_error(message) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{#- What to say if files of the inputs are not what they were when the run started; else none. -#}
{% macro changed_inputs_message() -%}
    {%- set query -%}
        select
            input_stamps,
            {{ input_stamps() }} as stamps_now
        from {{ adapter.quote(target.database) }}.governance.runs
        where run_id = {{ sql_text(invocation_id) }}
    {%- endset -%}
    {%- set row = run_query(query).rows[0] -%}
    {%- set before, now = fromjson(row['input_stamps'] or '{}'), fromjson(row['stamps_now'] or '{}') -%}
    {%- set changed = [] -%}
    {%- for name, stamp in now.items() if before.get(name) != stamp -%}
        {%- do changed.append('inputs.' ~ name) -%}
    {%- endfor -%}
    {{ return(changed | join(', ') ~ ' changed while the build read it; let the files rest and build again' if changed else none) }}
{%- endmacro %}


{#- SQL: stamps of the files of the inputs as JSON text. -#}
{% macro input_stamps() -%}
    {%- set locations = {} -%}
    {%- for name, location in given_inputs().items() if is_file(location) -%}
        {%- do locations.update({name: input_path(location)}) -%}
    {%- endfor -%}
    segmentation_input_stamps({{ sql_text(tojson(locations)) }})
{%- endmacro %}


{#- Write down the external inputs that this run goes on without, by name, and say so. -#}
{% macro log_unread_inputs(unread) -%}
    {%- for name, reason in unread.items() -%}
        {%- set query -%}
            insert into {{ adapter.quote(target.database) }}.governance.unread_inputs by name
            select
                {{ sql_text(invocation_id) }} as run_id,
                {{ sql_text(name) }} as input,
                {{ sql_text(reason) }} as reason
        {%- endset -%}
        {%- do run_query(query) -%}
        {%- do log('WARNING inputs.' ~ name ~ ': ' ~ reason ~ '; the build goes on without it', info=true) -%}
    {%- endfor -%}
{%- endmacro %}


{#- Write down how text inputs are read beyond the usual, and say which have lines that cannot be. -#}
{% macro log_reader_options(options, n_lines) -%}
    {%- set query -%}
        update {{ adapter.quote(target.database) }}.governance.runs
        set reader_options = {{ sql_text(tojson(options)) }}
        where run_id = {{ sql_text(invocation_id) }}
    {%- endset -%}
    {%- do run_query(query) -%}
    {%- for name, n in n_lines.items() -%}
        {%- do log('WARNING inputs.' ~ name ~ ': ' ~ n ~ ' line(s) cannot be read; governance.rejected_rows has them', info=true) -%}
    {%- endfor -%}
{%- endmacro %}


{#- What the text files of an input are read with beyond the usual; empty for most. -#}
{% macro reader_options(name) -%}
    {%- if not execute or flags.WHICH not in logged_commands() -%}
        {{ return('') }}
    {%- endif -%}
    {%- set query -%}
        select reader_options
        from {{ adapter.quote(target.database) }}.governance.runs
        where run_id = {{ sql_text(invocation_id) }}
    {%- endset -%}
    {{ return(fromjson(run_query(query).rows[0][0] or '{}').get(name, '')) }}
{%- endmacro %}


{#- Names of the external inputs that this run goes on without. -#}
{% macro unread_inputs() -%}
    {%- if not execute or flags.WHICH not in logged_commands() -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set query -%}
        select input
        from {{ adapter.quote(target.database) }}.governance.unread_inputs
        where run_id = {{ sql_text(invocation_id) }}
    {%- endset -%}
    {{ return(run_query(query).columns[0].values() | list) }}
{%- endmacro %}


{#- Complete the row of this run. -#}
{% macro close_run(status, message, n_nodes=0, n_failed=0, n_warned=0) -%}
    {%- set query -%}
        update {{ adapter.quote(target.database) }}.governance.runs
        set
            status = {{ sql_text(status) }},
            message = segmentation_without_secrets({{ sql_text(message) if message else 'null' }}),
            n_nodes = {{ n_nodes }},
            n_failed = {{ n_failed }},
            n_warned = {{ n_warned }},
            finished_at = now() at time zone 'UTC'
        where run_id = {{ sql_text(invocation_id) }}
    {%- endset -%}
    {%- do run_query(query) -%}
{%- endmacro %}


{#- Statement that adds a row per node: rows of tables are counted, views would have to run again. -#}
{% macro insert_run_nodes(results) -%}
    insert into {{ adapter.quote(target.database) }}.governance.run_nodes by name
    {%- for result in results %}
    {%- set node = result.node %}
    {%- set is_table = (
        result.status == 'success'
        and node.resource_type in ['model', 'seed', 'snapshot']
        and node.config.materialized != 'view'
    ) %}
    select
        {{ sql_text(invocation_id) }} as run_id,
        {{ sql_text(node.unique_id) }} as node_id,
        {{ sql_text(node.name) }} as node_name,
        {{ sql_text(node.resource_type) }} as node_type,
        {{ sql_text(result.status) }} as status,
        segmentation_without_secrets({{ sql_text(result.message) if result.message else 'null' }}) as message,
        {{ '(select count(*) from ' ~ node.relation_name ~ ')' if is_table else 'null' }}::bigint as n_rows,
        {{ result.failures if result.failures is not none and node.resource_type == 'test' else 'null' }}::bigint as n_failures,
        {{ result.execution_time }}::double as seconds
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}


{#- Tables of the run log, made where they are not there yet. -#}
{% macro run_log_tables(database) -%}
    create table if not exists {{ database }}.governance.runs (
        run_id varchar not null,
        command varchar not null,
        target_name varchar not null,
        status varchar not null,
        message varchar,
        git_revision varchar,
        vars varchar not null,
        versions struct("name" varchar, "value" varchar)[] not null,
        n_nodes bigint,
        n_failed bigint,
        n_warned bigint,
        is_clean boolean,
        started_at timestamp not null,
        finished_at timestamp,
        input_stamps varchar,
        reader_options varchar
    );

    alter table {{ database }}.governance.runs add column if not exists input_stamps varchar;

    alter table {{ database }}.governance.runs add column if not exists reader_options varchar;

    alter table {{ database }}.governance.runs drop column if exists made_from;

    alter table {{ database }}.governance.runs drop column if exists keeps_tables;

    create table if not exists {{ database }}.governance.unread_inputs (
        run_id varchar not null,
        input varchar not null,
        reason varchar not null
    );

    create table if not exists {{ database }}.governance.run_nodes (
        run_id varchar not null,
        node_id varchar not null,
        node_name varchar not null,
        node_type varchar not null,
        status varchar not null,
        message varchar,
        n_rows bigint,
        n_failures bigint,
        seconds double not null
    );
{%- endmacro %}


{#- Commands that run hooks and write something. -#}
{% macro logged_commands() -%}
    {{ return(['build', 'run', 'test', 'snapshot', 'seed', 'retry']) }}
{%- endmacro %}


{#- Start of this run as SQL literal, UTC. All that a run dates carries this one time. -#}
{% macro run_started() -%}
    {{ return("'" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "'::timestamp") }}
{%- endmacro %}


{#- Snapshots date their rows by the start of the run, so that a row and its run meet exactly. -#}
{% macro duckdb__snapshot_get_time() -%}
    {{ return(run_started()) }}
{%- endmacro %}
