{#- Hook at the end, after the run log: a build of all marts without a failure is copied into a file
    that readers open while the next build runs. Any other run leaves that file as it is. -#}
{% macro publish(results) -%}
    {%- if execute and flags.WHICH in ['build', 'run'] -%}
        {%- set bad = results | rejectattr('status', 'in', ['success', 'pass', 'warn', 'no-op']) | list -%}
        {%- set built = results | selectattr('status', 'equalto', 'success') | map(attribute='node.unique_id') | list -%}
        {%- set tables = published_tables() -%}
        {%- if not bad and tables.nodes | reject('in', built) | list == [] -%}
            {%- set query -%}
                select segmentation_publish(
                    {{ sql_text(tojson(tables.names)) }},
                    {{ sql_text(target.path) }},
                    {{ sql_text(env_var('STORE_SEGMENTS_PUBLISHED', '')) }}
                )
            {%- endset -%}
            {%- set outcome = fromjson(run_query(query).rows[0][0]) -%}
            {%- if outcome.problem -%}
                {%- do exceptions.raise_compiler_error('the build is complete and was not published: ' ~ outcome.problem) -%}
            {%- elif outcome.path -%}
                {%- do log('  Published: ' ~ outcome.path, info=true) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}


{#- What is published: schema and name of all marts, the history and the run log, and the ids of the
    nodes that make them. -#}
{% macro published_tables() -%}
    {%- set names, nodes = [], [] -%}
    {%- for node in graph.nodes.values() | sort(attribute='unique_id')
        if node.resource_type in ['model', 'snapshot'] and node.schema in ['segments', 'governance'] -%}
        {%- do names.append([node.schema, node.alias]) -%}
        {%- do nodes.append(node.unique_id) -%}
    {%- endfor -%}
    {%- for source in graph.sources.values() | sort(attribute='unique_id') if source.source_name == 'run_log' -%}
        {%- do names.append([source.schema, source.identifier]) -%}
    {%- endfor -%}
    {{ return({'names': names, 'nodes': nodes}) }}
{%- endmacro %}
