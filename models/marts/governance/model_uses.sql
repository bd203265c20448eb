-- A row is added by each run that builds this table; `full_refresh: false` keeps the earlier ones.
select
    -- ids
    {{ sql_text(invocation_id) }} as run_id,
    lane,
    scope,
    model_id,

    -- booleans
    is_pinned,

    -- timestamps
    {{ run_started() }} as run_started_at
from {{ ref('current_cluster_models') }}
order by lane, scope
