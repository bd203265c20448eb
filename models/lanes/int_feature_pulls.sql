{{ config(materialized='view') }}

with pulls as (
    {{ feature_pulls('internal') | indent(4) }}
    union all
    {{ feature_pulls('external') | indent(4) }}
)

select
    -- ids
    lane,
    scope,
    store_id,
    feature,
    model_id,

    -- numbers
    cluster,
    second_cluster,
    imputed_value,
    cluster_value,
    second_cluster_value,
    pull,
    pull / nullif(total_pull, 0) as pull_share,

    -- booleans
    was_imputed
from pulls
