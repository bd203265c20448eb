select
    -- ids
    scores.lane,
    scores.scope,
    scores.subject,
    scores.feature,
    in_force.model_id,

    -- numbers
    scores.stability_index,
    scores.threshold,
    scores.n_training,
    scores.n_today,

    -- booleans
    coalesce(scores.stability_index > scores.threshold, false) as has_drifted
from {{ ref('drift_scores') }} as scores
left join {{ ref('current_cluster_models') }} as in_force
    on scores.lane = in_force.lane and scores.scope = in_force.scope
order by scores.lane, scores.scope, scores.subject, scores.feature
