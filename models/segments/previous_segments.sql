-- Segments and clusters of the run before this one, which the map from cells to segments follows. Both tables are read
-- by their address and not by `ref`: they are made from the segments of this run, further to the right.
{% set recorded = graph.nodes.values() | selectattr('name', 'equalto', 'store_segments_history') | first if execute %}
{% set history = adapter.get_relation(recorded.database, recorded.schema, recorded.alias) if execute %}
{% set noted = graph.nodes.values() | selectattr('name', 'equalto', 'int_segment_changes') | first if execute %}
{% set changes = adapter.get_relation(noted.database, noted.schema, noted.alias) if execute %}

with before_this_run as (
    {%- if history %}
        select
            category,
            store_id,
            segment_id,
            internal_cluster,
            external_cluster
        from {{ history }}
        where dbt_valid_to is null
    {%- else %}
        select
            null::varchar as category,
            null::varchar as store_id,
            null::varchar as segment_id,
            null::integer as internal_cluster,
            null::integer as external_cluster
        where false
    {%- endif %}
),

-- a row of the history has the models of the time when it began, which may be longer ago
models as (
    {%- if changes %}
        select
            category,
            coalesce(internal_model_id, 'none') as internal_model_id,
            coalesce(external_model_id, 'none') as external_model_id
        from {{ changes }}
        where n_stores > 0
        qualify row_number() over (partition by category order by run_started_at desc) = 1
    {%- else %}
        select
            null::varchar as category,
            null::varchar as internal_model_id,
            null::varchar as external_model_id
        where false
    {%- endif %}
)

select
    -- ids
    before_this_run.category,
    before_this_run.store_id,
    before_this_run.segment_id,
    models.internal_model_id,
    models.external_model_id,

    -- numbers
    before_this_run.internal_cluster,
    before_this_run.external_cluster
from before_this_run
left join models on before_this_run.category = models.category
order by before_this_run.category, before_this_run.store_id
