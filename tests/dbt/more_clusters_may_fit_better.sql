{{ config(severity='warn') }}

-- The chosen k is the largest that was tried because `max_clusters` ends there, and not because `n_clusters`, or
-- `min_clusters` equal to `max_clusters`, fixes it.
with models as (
    {{ all_cluster_models() | indent(4) }}
)

select
    models.scope,
    models.k,
    'is the largest number of clusters that was tried; raise max_clusters' as advice
from models
inner join {{ ref('int_current_cluster_models') }} as in_force
    on models.lane = in_force.lane and models.model_id = in_force.model_id
where
    models.status = 'fitted'
    and models.k = list_filter(models.settings, lambda s: s.name = 'max_clusters')[1].value::integer
    and list_filter(models.settings, lambda s: s.name = 'min_clusters')[1].value
    <> list_filter(models.settings, lambda s: s.name = 'max_clusters')[1].value
    and list_filter(models.settings, lambda s: s.name = 'n_clusters')[1].value = 'null'
order by models.scope
