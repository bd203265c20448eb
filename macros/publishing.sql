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
                    {{ sql_text(tojson(tables.tables)) }},
                    {{ sql_text(tojson(published_queries())) }},
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


{#- What is published: all marts, the history and the run log, each with its descriptions and its key;
    and the ids of the nodes that make them. -#}
{% macro published_tables() -%}
    {%- set tables, nodes = [], [] -%}
    {%- set generic_tests = graph.nodes.values() | selectattr('test_metadata', 'defined') -%}
    {%- set grains = generic_tests | selectattr('test_metadata.name', 'equalto', 'grain') | sort(attribute='unique_id') -%}
    {%- for node in graph.nodes.values() | sort(attribute='unique_id')
        if node.resource_type in ['model', 'snapshot'] and node.schema in ['segments', 'governance'] -%}
        {%- do tables.append(published_table(node, node.alias, grains)) -%}
        {%- do nodes.append(node.unique_id) -%}
    {%- endfor -%}
    {%- for source in graph.sources.values() | sort(attribute='unique_id') if source.source_name == 'run_log' -%}
        {%- do tables.append(published_table(source, source.identifier, grains)) -%}
    {%- endfor -%}
    {{ return({'tables': tables, 'nodes': nodes}) }}
{%- endmacro %}


{#- What the published file is told of a table. Its key is the one that the data tests say: the first
    of the `grains` that is made of columns alone. -#}
{% macro published_table(node, name, grains) -%}
    {%- set columns, key = {}, [] -%}
    {%- for column in node.columns.values() -%}
        {%- do columns.update({column.name: column.description}) -%}
    {%- endfor -%}
    {%- for test in grains if node.unique_id in test.depends_on.nodes -%}
        {%- set tested = test.test_metadata.kwargs.columns -%}
        {%- if not key and tested | reject('in', columns) | list == [] -%}
            {%- do key.extend(tested) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return({
        'schema': node.schema,
        'name': name,
        'description': node.description,
        'columns': columns,
        'key': key,
        'view': node.raw_code if node.config.materialized == 'view' else ''
    }) }}
{%- endmacro %}


{#- The analyses, which become macros of the published file. -#}
{% macro published_queries() -%}
    {%- set queries = [] -%}
    {%- for node in graph.nodes.values() | sort(attribute='unique_id') if node.resource_type == 'analysis' -%}
        {%- do queries.append({'name': node.name, 'description': node.description, 'template': node.raw_code}) -%}
    {%- endfor -%}
    {{ return(queries) }}
{%- endmacro %}


{#- SQL of an argument of an analysis: the example as a literal. In the published file the analysis is
    a macro, and this is its parameter. -#}
{% macro argument(name, example) -%}
    {{ return(sql_text(example)) }}
{%- endmacro %}
