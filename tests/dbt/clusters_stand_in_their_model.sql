-- A store that a model scored has a cluster, and the cluster is one of that model's centroids.
with centroids as (
    select
        lane,
        scope,
        model_id,
        unnest(centroids).cluster as cluster
    from ({{ all_cluster_models() }})
),

scored as (
    {% for lane in ['internal', 'external'] %}
        select
            '{{ lane }}' as lane,
            scope,
            store_id,
            model_id,
            cluster
        from {{ ref(lane ~ '_clusters') }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    scored.lane,
    scored.scope,
    scored.store_id,
    scored.model_id,
    scored.cluster
from scored
left join centroids
    on
        scored.lane = centroids.lane
        and scored.scope = centroids.scope
        and scored.model_id = centroids.model_id
        and scored.cluster = centroids.cluster
where (scored.model_id is not null or scored.cluster is not null) and centroids.cluster is null
