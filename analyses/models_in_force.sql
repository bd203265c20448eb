select
    lane,
    scope,
    status,
    k,
    round(silhouette, 2) as silhouette,
    round(stability, 2) as stability,
    n_stores,
    n_outliers,
    model_id,
    is_pinned
from {{ ref('model_registry') }}
where is_in_force
order by lane, scope
