{{ config(materialized='view') }}

with models as (
    {{ all_cluster_models() | indent(4) }}
),

candidates as (
    select
        lane,
        scope,
        model_id,
        status,
        k as chosen_k,
        unnest(search) as candidate
    from models
)

select
    -- ids
    lane,
    scope,
    model_id,
    candidate.k,

    -- text
    candidate.verdict,

    -- numbers
    candidate.silhouette,
    candidate.calinski_harabasz,
    candidate.davies_bouldin,
    candidate.inertia,
    candidate.smallest_cluster,
    candidate.stability,
    candidate.least_stable_cluster,
    candidate.rank_sum,
    candidate.gap as gap_over_one_cluster,
    candidate.gap_standard_error,

    -- booleans
    status = 'fitted' and candidate.k = chosen_k as is_chosen
from candidates
