with models as (
    {{ all_cluster_models() | indent(4) }}
),

decisions as (
    select
        lane,
        scope,
        model_id,
        unnest(features) as feature
    from models
)

select
    -- ids
    lane,
    scope,
    model_id,
    feature.name as feature,

    -- text
    feature.reason,
    feature.partner,

    -- numbers
    feature.statistic,
    feature.threshold,
    feature.missing_share,
    feature.imputed as imputed_value,
    feature.center,
    feature.scale,

    -- booleans
    feature.kept as is_kept
from decisions
order by lane, scope, model_id, feature.name
