with models as (
    {{ all_cluster_models() | indent(4) }}
),

uses as (
    select
        lane,
        model_id,
        count(*) as n_runs,
        min(run_started_at) as first_used_at,
        max(run_started_at) as last_used_at
    from {{ ref('model_uses') }}
    group by all
)

select
    -- ids
    models.model_id,
    models.lane,
    models.scope,

    -- text
    models.status,
    models.reason,
    models.training_data_sha256,
    models.fitted_by,
    models.content_sha256,
    models.settings,
    models.versions,

    -- numbers
    models.in_force_order,
    models.n_stores,
    models.n_outliers,
    len(models.features) as n_features,
    len(list_filter(models.features, lambda f: f.kept)) as n_features_kept,
    len(models.components) as n_components,
    list_sum(list_transform(models.components, lambda c: c.explained_variance_share)) as explained_variance_share,
    models.k,
    chosen.silhouette,
    chosen.calinski_harabasz,
    chosen.davies_bouldin,
    chosen.stability,
    coalesce(uses.n_runs, 0) as n_runs,

    -- booleans
    in_force.model_id is not null as is_in_force,
    coalesce(in_force.is_pinned, false) as is_pinned,

    -- timestamps
    uses.first_used_at,
    uses.last_used_at
from models
left join uses on models.lane = uses.lane and models.model_id = uses.model_id
left join {{ ref('current_cluster_models') }} as in_force
    on models.lane = in_force.lane and models.scope = in_force.scope and models.model_id = in_force.model_id
left join {{ ref('cluster_search') }} as chosen
    on models.lane = chosen.lane and models.model_id = chosen.model_id and chosen.is_chosen
order by models.lane, models.scope, models.in_force_order
