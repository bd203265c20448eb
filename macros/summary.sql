{#- After a build: what came out, in words, on the terminal. Printed when the segment table was part
    of the invocation and succeeded. -#}
{% macro print_summary(results) -%}
    {%- if execute and segments_were_built(results) -%}
        {%- for line in summary_lines() -%}
            {%- do log(line, info=true) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}


{% macro segments_were_built(results) -%}
    {%- for result in results if result.node.name == 'segment_summary' and result.status == 'success' -%}
        {{ return(true) }}
    {%- endfor -%}
    {{ return(false) }}
{%- endmacro %}


{#- Each query gives the lines of one part of the summary, ready to print. -#}
{% macro summary_lines() -%}
    {%- set registry = api.Relation.create(database=target.database, schema='governance', identifier='model_registry') -%}
    {%- set summary = api.Relation.create(database=target.database, schema='segments', identifier='segment_summary') -%}
    {%- set stores = api.Relation.create(database=target.database, schema='features', identifier='dim_stores') -%}
    {%- set rejected = api.Relation.create(database=target.database, schema='governance', identifier='rejected_rows') -%}
    {%- set lines = ['', 'Store segments'] -%}
    {%- set queries = [
        "select '  ' || count(*) || ' stores, ' || count(*) filter (where has_sales) || ' with sales, '
            || count(*) filter (where has_external) || ' with external data' from " ~ stores,
        "select '  ' || count(distinct category) || ' categories, ' || count(*) || ' segments' from " ~ summary,
        "select ''",
        "select format('  {:<30} {:>2}  {:>10}  {:>17}  {:>14}  {:>9}', 'Model', 'k', 'silhouette',
            'Calinski-Harabasz', 'Davies-Bouldin', 'stability')",
        "select case when status = 'fitted' then format('  {:<30} {:>2}  {:>10.2f}  {:>17.1f}  {:>14.2f}  {:>9.2f}',
                left(scope, 30), k, silhouette, calinski_harabasz, davies_bouldin, stability)
            else format('  {:<30} {:>2}  {}: {}', left(scope, 30), coalesce(k::varchar, '-'), status, reason) end
            from " ~ registry ~ " where is_in_force or (status = 'failed' and in_force_order = (
                select max(other.in_force_order) from " ~ registry ~ " as other
                where other.scope = model_registry.scope and other.lane = model_registry.lane))
            order by lane desc, scope",
        "select ''",
        "select format('  {:<24} {:<8} {:>6} {:>6}  {}', 'Category', 'Segment', 'Stores', 'Thin', 'Name')",
        "select format('  {:<24} {:<8} {:>6} {:>6}  {}', left(category, 24), segment_id, n_stores, n_thin, segment_name)
            from " ~ summary ~ " order by category, segment_id limit " ~ 40,
        "select '  … and ' || (count(*) - 40) || ' more in segments.segment_summary' from " ~ summary ~ " having count(*) > 40",
        "select ''",
        "select '  ' || count(*) || ' rejected input rows or values, each with its reason, in governance.rejected_rows'
            from " ~ rejected,
        "select '  Database: ' || path from duckdb_databases() where database_name = current_database()",
        "select '  Try: select * from segments.store_segments where store_id = ''' || min(store_id) || ''''
            from " ~ stores ~ " where has_sales",
        "select ''",
    ] -%}
    {%- for query in queries -%}
        {%- for row in run_query(query).rows -%}
            {%- do lines.append(row[0]) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(lines) }}
{%- endmacro %}
