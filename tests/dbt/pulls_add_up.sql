-- The explanation of a store is exact: feature by feature it makes up the whole difference. Of each scope
-- the first thousand stores, in the order of a hash, are added up.
{% set stores_per_scope = 1000 %}
{% set tolerance = 1e-9 %}

with scored as (
    select
        'internal' as lane,
        *
    from {{ ref('internal_clusters') }}
    union all
    select
        'external' as lane,
        *
    from {{ ref('external_clusters') }}
),

sampled as (
    select *
    from scored
    where second_cluster is not null
    qualify row_number() over (partition by lane, scope order by md5(store_id)) <= {{ stores_per_scope }}
),

sums as (
    select
        lane,
        scope,
        store_id,
        sum(pull) as sum_of_pulls,
        sum(abs(pull)) as magnitude
    from {{ ref('feature_pulls') }}
    group by all
)

select
    sampled.lane,
    sampled.scope,
    sampled.store_id,
    sampled.second_distance ** 2 - sampled.distance ** 2 as difference,
    sums.sum_of_pulls
from sampled
left join sums
    on sampled.lane = sums.lane and sampled.scope = sums.scope and sampled.store_id = sums.store_id
where
    sums.sum_of_pulls is null
    or abs(sums.sum_of_pulls - (sampled.second_distance ** 2 - sampled.distance ** 2))
    > {{ tolerance }} * greatest(1, sums.magnitude)
