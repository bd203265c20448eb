{#- After a build: what came out, in words, on the terminal. Printed when the tables it reads were part
    of the invocation and succeeded. -#}
{% macro print_summary(results) -%}
    {%- if execute and segments_were_built(results) -%}
        {%- for row in run_query(summary_query()).rows -%}
            {%- do log(row[0] or '', info=true) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}


{#- Hook at the end: the rows that tests warn of, a few per test, so that a warning names its cause. What
    the summary has said already is not said again. -#}
{% macro name_warnings(results, max_rows=5) -%}
    {%- set said = ['nothing_has_drifted'] if segments_were_built(results) else [] -%}
    {%- for result in results if result.status == 'warn' and result.node.name not in said -%}
        {%- set query -%}
            select * from (
                {{ result.node.compiled_code }}
            )
            limit {{ max_rows }}
        {%- endset -%}
        {%- set found = run_query(query) -%}
        {%- for row in found.rows -%}
            {%- set cells = [] -%}
            {%- for column, value in zip(found.column_names, row.values()) if value is not none -%}
                {%- do cells.append(column ~ ' ' ~ value) -%}
            {%- endfor -%}
            {%- do log('  WARN ' ~ result.node.name ~ ': ' ~ cells | join(', '), info=true) -%}
        {%- endfor -%}
        {%- if result.failures > max_rows -%}
            {%- do log('  ... and ' ~ (result.failures - max_rows) ~ ' more', info=true) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}


{#- Whether the last tables of the graph were built by this invocation. -#}
{% macro segments_were_built(results) -%}
    {%- set last = ['segment_summary', 'segment_changes', 'drift'] -%}
    {%- set built = results | selectattr('status', 'equalto', 'success') | map(attribute='node.name') | select('in', last) | list -%}
    {{ return(built | length == last | length) }}
{%- endmacro %}


{#- One row per line of the summary, in order. (Tables are named by hand: a hook has no refs.) -#}
{% macro summary_query(max_segments=40, max_drifted=5) -%}
{%- set database = adapter.quote(target.database) -%}
with models as (
    select * from {{ database }}.governance.model_registry
),

current_scopes as (
    select
        'internal' as lane,
        scope
    from {{ database }}.features.feat_internal
    union
    select
        'external' as lane,
        scope
    from {{ database }}.features.feat_external
),

-- the model in force of each scope, or the failure of a scope that has none
shown_models as (
    select models.*
    from models
    inner join current_scopes on models.lane = current_scopes.lane and models.scope = current_scopes.scope
    qualify row_number() over (
        partition by models.lane, models.scope order by models.is_in_force desc, models.in_force_order desc
    ) = 1
),

stores as (
    select
        count(*) as n_stores,
        count(*) filter (where has_sales) as n_with_sales,
        count(*) filter (where has_external) as n_with_external,
        min(store_id) filter (where has_sales) as example_id
    from {{ database }}.features.dim_stores
),

segments as (
    select
        *,
        row_number() over (order by category, segment_id) as place,
        count(*) over () as n_segments
    from {{ database }}.segments.segment_summary
),

drifted as (
    select
        *,
        row_number() over (order by stability_index / threshold desc, lane, scope, subject, feature) as place,
        count(*) over () as n_drifted
    from {{ database }}.governance.drift
    where has_drifted
),

lines (part, place, line) as (
    select 0, 0, ''
    union all
    select 1, 0, 'Store segments'
    union all
    select 2, 0, format(
        '  {} stores, {} with sales, {} with external data', n_stores, n_with_sales, n_with_external
    )
    from stores
    union all
    select 3, 0, format('  {} categories, {} segments', count(distinct category), count(*))
    from segments
    union all
    select 5, 0, ''
    union all
    select 6, 0, format(
        '  {:<30} {:>2}  {:>10}  {:>17}  {:>14}  {:>9}',
        'Model', 'k', 'silhouette', 'Calinski-Harabasz', 'Davies-Bouldin', 'stability'
    )
    union all
    select
        7,
        row_number() over (order by lane desc, scope),
        case
            when status = 'fitted' then format(
                '  {:<30} {:>2}  {:>10.2f}  {:>17.1f}  {:>14.2f}  {:>9.2f}',
                left(scope, 30), k, silhouette, calinski_harabasz, davies_bouldin, stability
            )
            else format('  {:<30} {:>2}  {}: {}', left(scope, 30), coalesce(k::varchar, '-'), status, reason)
        end
    from shown_models
    union all
    select 8, 0, ''
    union all
    select 9, 0, format(
        '  {:<26} {:<8} {:>6} {:>6}  {}', 'Category', 'Segment', 'Stores', 'Thin', 'Name'
    )
    union all
    select 10, place, format(
        '  {:<26} {:<8} {:>6} {:>6}  {}', left(category, 26), segment_id, n_stores, n_thin, segment_name
    )
    from segments
    where place <= {{ max_segments }}
    union all
    select distinct 11, 0, format('  ... and {} more in segments.segment_summary', n_segments - {{ max_segments }})
    from segments
    where n_segments > {{ max_segments }}
    union all
    select 12, 0, ''
    union all
    select 13, 0, format('  {} input rows or values set aside, each with its reason: governance.rejected_rows', count(*))
    from {{ database }}.governance.rejected_rows
    union all
    select 14, 0, format(
        '  Since the run before: {} of {} stores moved, {} segments born, {} died: segments.segment_changes',
        sum(n_moved_stores), sum(n_stores_before), sum(len(born_segments)), sum(len(died_segments))
    )
    from {{ database }}.segments.segment_changes
    where run_id = {{ sql_text(invocation_id) }}
    having sum(n_stores_before) > 0
    union all
    select 15, place, format(
        '  DRIFT: {}: stability index {:.2f} against the training data, by chance up to {:.2f}',
        concat_ws(': ', scope, coalesce(feature, subject)), stability_index, threshold
    )
    from drifted
    where place <= {{ max_drifted }}
    union all
    select distinct 16, 0, format('  ... and {} more in governance.drift', n_drifted - {{ max_drifted }})
    from drifted
    where n_drifted > {{ max_drifted }}
    union all
    select 17, 0, '  Database: ' || segmentation_without_secrets(path)
    from duckdb_databases()
    where database_name = {{ sql_text(target.database) }}
    union all
    select 18, 0, format(
        '  Try: select category, segment_name, margin from segments.store_segments where store_id = ''{}''', example_id
    )
    from stores
    where example_id is not null
    union all
    select 19, 0, ''
)

select line from lines
order by part, place
{%- endmacro %}
