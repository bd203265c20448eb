-- The largest k tried depends on how many different stores there are; below it none is left out,
-- and the chosen one is among them.
with models as (
    {{ all_cluster_models() | indent(4) }}
),

searches as (
    select
        lane,
        scope,
        model_id,
        status,
        k,
        list_transform(search, lambda c: c.k) as tried,
        list_filter(settings, lambda s: s.name = 'min_clusters')[1].value::integer as min_clusters,
        list_filter(settings, lambda s: s.name = 'max_clusters')[1].value::integer as max_clusters,
        nullif(list_filter(settings, lambda s: s.name = 'n_clusters')[1].value, 'null')::integer as n_clusters
    from models
    where len(search) > 0 or status = 'fitted'
)

select *
from searches
where
    list_sort(tried)
    is distinct from range(least(min_clusters, coalesce(n_clusters, min_clusters)), list_max(tried) + 1)
    or list_max(tried) > greatest(max_clusters, coalesce(n_clusters, max_clusters))
    or (status = 'fitted' and not list_contains(tried, k))
