{% for lane in ['internal', 'external'] %}
    select
        '{{ lane }}' as lane,
        coalesce(features.scope, clusters.scope) as scope,
        coalesce(features.store_id, clusters.store_id) as store_id,
        clusters.n_rows
    from {{ ref('feat_' ~ lane) }} as features
    full outer join (
        select
            scope,
            store_id,
            count(*) as n_rows
        from {{ ref(lane ~ '_clusters') }}
        group by all
    ) as clusters
        on features.scope = clusters.scope and features.store_id = clusters.store_id
    where features.store_id is null or clusters.n_rows is distinct from 1
    {{ 'union all' if not loop.last }}
{% endfor %}
