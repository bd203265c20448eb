-- Segments of the run before this one, which ids of new segments follow. The history is read by its address and not
-- by `ref`: it is recorded from the segments of this run, further to the right.
{% set recorded = graph.nodes.values() | selectattr('name', 'equalto', 'store_segments_history') | first if execute %}
{% set history = adapter.get_relation(recorded.database, recorded.schema, recorded.alias) if execute %}

with before_this_run as (
    {%- if history %}
        select
            category,
            store_id,
            segment_id
        from {{ history }}
        where dbt_valid_to is null
    {%- else %}
        select
            null::varchar as category,
            null::varchar as store_id,
            null::varchar as segment_id
        where false
    {%- endif %}
)

select
    -- ids
    category,
    store_id,
    segment_id
from before_this_run
order by category, store_id
