-- A model that is kept (pinned, or `retrain: never`) may ask for a feature that today's data has not;
-- it is imputed then for all stores, which someone should know.
{{ config(severity='warn') }}

select
    decisions.lane,
    decisions.scope,
    decisions.model_id,
    decisions.feature
from {{ ref('feature_decisions') }} as decisions
inner join {{ ref('current_cluster_models') }} as in_force
    on decisions.lane = in_force.lane and decisions.model_id = in_force.model_id
left join {{ ref('scope_features') }} as scope_features
    on
        decisions.lane = scope_features.lane
        and decisions.scope = scope_features.scope
        and decisions.feature = scope_features.feature
where
    decisions.is_kept
    and scope_features.feature is null
    and decisions.scope in (select known.scope from {{ ref('scope_features') }} as known)
