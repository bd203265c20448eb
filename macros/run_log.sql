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
                        '{"git_revision": "VARCHAR", "is_clean": "BOOLEAN", "code_sha256": "VARCHAR", "versions": [{"name": "VARCHAR", "value": "VARCHAR"}], "vars": "VARCHAR"}'
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
                {{ made_from() | indent(16) }} as made_from,
                {{ run_started() }} as started_at
            from facts
        {%- endset -%}
        {%- do run_query(query) -%}
    {%- endif -%}
{%- endmacro %}


{#- SQL expression: hash of all that this run's tables are made from. NULL if it does not make every table, or if the
    changes of an input cannot be told: a file has a stamp, a table or an address would have to be read. (Without own
    inputs the example is read, which is part of the code.) -#}
{% macro made_from() -%}
    {%- set models = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | map(attribute='unique_id') -%}
    {%- set is_part = flags.WHICH != 'build' or invocation_args_dict.get('empty') or invocation_args_dict.get('sample') -%}
    {%- if is_part or models | reject('in', selected_resources) | list -%}
        {{ return('null') }}
    {%- endif -%}
    {#- seeds and the history may be left out; what reads them then has those of an earlier run -#}
    {%- set loaded = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type in ['seed', 'snapshot'] and node.unique_id in selected_resources -%}
        {%- do loaded.append(node.unique_id) -%}
    {%- endfor -%}
    if(
        len(json_keys(input_stamps)) = {{ given_inputs().values() | select | list | length }},
        sha256(concat_ws(
            chr(10),
            target_name,
            {{ sql_text(loaded | sort | join(' ')) }},
            input_stamps,
            facts.vars,
            {{ sql_text(tojson(invocation_args_dict.get('vars') or {}, sort_keys=true)) }},
            facts.versions::varchar,
            facts.code_sha256,
            (select "value" from duckdb_settings() where "name" = 'TimeZone')
        )),
        null
    )
{%- endmacro %}


{#- Let this run keep what an earlier one made, if that one succeeded, was made from the same, and nothing but data
    tests that passed has run since: each other run takes away what the ones before were made from. Not after an input
    could not be read or a fit failed, which may go well now, nor after a row of a model was deleted by hand. -#}
{% macro keep_unchanged_tables() -%}
    {%- set database = adapter.quote(target.database) -%}
    {%- set models = [] -%}
    {%- for schema, name in [
        ('governance', 'model_registry'), ('lanes', 'internal_cluster_models'), ('lanes', 'external_cluster_models')
    ] -%}
        {%- do models.append(api.Relation.create(database=target.database, schema=schema, identifier=name)) -%}
    {%- endfor -%}
    {%- set is_same -%}
        select true
        from {{ database }}.governance.runs as earlier
        inner join {{ database }}.governance.runs as this_run on earlier.made_from = this_run.made_from
        where
            this_run.run_id = {{ sql_text(invocation_id) }}
            and earlier.run_id <> this_run.run_id
            and earlier.status = 'success'
            and not exists (
                select 1
                from {{ database }}.governance.unread_inputs as unread
                where unread.run_id in (this_run.run_id, earlier.run_id)
            )
    {%- endset -%}
    {%- set has_other_models -%}
        with registered as (
            select lane, scope, model_id, in_force_order, status
            from {{ models[0] }}
        ),

        today as (
            select 'internal' as lane, scope, model_id, in_force_order, status
            from {{ models[1] }}
            union all
            select 'external' as lane, scope, model_id, in_force_order, status
            from {{ models[2] }}
        )

        (from registered except from today)
        union all
        (from today except from registered)
        union all
        select lane, scope, max(model_id), max(in_force_order), 'failed'
        from today
        group by lane, scope
        having arg_max(status, in_force_order) = 'failed'
    {%- endset -%}
    {%- set is_asked = not flags.FULL_REFRESH and all_exist(models) -%}
    {%- if is_asked and run_query(is_same).rows and not run_query(has_other_models).rows -%}
        {%- do run_query(
            'update ' ~ database ~ '.governance.runs set keeps_tables = true where run_id = ' ~ sql_text(invocation_id)
        ) -%}
    {%- endif -%}
    {%- if flags.WHICH != 'test' -%}
        {%- do forget_what_tables_are_made_from() -%}
    {%- endif -%}
{%- endmacro %}


{#- Let no later run keep the tables of a run before this one. -#}
{% macro forget_what_tables_are_made_from() -%}
    {%- do run_query(
        'update ' ~ adapter.quote(target.database) ~ '.governance.runs set made_from = null'
        ~ ' where made_from is not null and run_id <> ' ~ sql_text(invocation_id)
    ) -%}
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
        {%- if message and flags.WHICH == 'test' -%}
            {#- tables may have been changed by hand -#}
            {%- do forget_what_tables_are_made_from() -%}
        {%- endif -%}
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
        reader_options varchar,
        made_from varchar,
        keeps_tables boolean
    );

    alter table {{ database }}.governance.runs add column if not exists input_stamps varchar;

    alter table {{ database }}.governance.runs add column if not exists reader_options varchar;

    alter table {{ database }}.governance.runs add column if not exists made_from varchar;

    alter table {{ database }}.governance.runs add column if not exists keeps_tables boolean;

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
