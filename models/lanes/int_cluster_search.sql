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
        unnest(search) as candidate,
        criteria
    from models
),

described as (
    select
        *,
        list_filter(criteria, lambda c: c.k = candidate.k)[1] as mixture
    from candidates
)

select
    -- ids
    lane,
    scope,
    model_id,
    candidate.k,

    -- text
    candidate.verdict,
    mixture.family as covariance,

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
    mixture.criterion,
    mixture.gain,
    mixture.weakest_valley as weakest_valley_p,
    mixture.split as split_p,

    -- booleans
    status = 'fitted' and candidate.k = chosen_k as is_chosen
from described
