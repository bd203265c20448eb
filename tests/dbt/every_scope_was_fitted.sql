-- A scope that cannot be fitted stops nothing; here it is named. Its older model scores it, if there is one.
{{ config(severity=severity_of_failures()) }}

with models as (
    {{ all_cluster_models() | indent(4) }}
),

scopes as (
    select distinct
        lane,
        scope
    from {{ ref('scope_features') }}
)

select
    models.lane,
    models.scope,
    models.reason
from models
inner join scopes
    on models.lane = scopes.lane and models.scope = scopes.scope
qualify
    models.status = 'failed'
    and models.in_force_order = max(models.in_force_order) over (partition by models.lane, models.scope)
