select
    -- ids
    lane,
    scope,
    rule,
    model_id,
    cluster,

    -- text
    format('if {} then cluster {}', condition, cluster) as rule_text,
    sql,

    -- numbers
    n_stores,
    n_right,
    n_right / n_stores as precision,
    n_right / cluster_stores as coverage,
    fidelity
from {{ ref('cluster_rules') }}
order by lane, scope, rule
