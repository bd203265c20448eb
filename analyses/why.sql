with stores as (
    select *
    from {{ ref('store_explanations') }}
    where store_id = {{ argument('store', 'T0042') }} and category = {{ argument('category_name', 'Snacks') }}
),

pulls as (
    select
        'internal' as lane,
        internal_cluster as cluster,
        internal_second_cluster as second_cluster,
        unnest(internal_pulls) as pull
    from stores
    union all
    select
        'external' as lane,
        external_cluster as cluster,
        external_second_cluster as second_cluster,
        unnest(external_pulls) as pull
    from stores
)

select
    lane,
    cluster,
    second_cluster,
    pull.feature,
    round(pull.value, 3) as feature_value,
    round(pull.pull_share, 3) as pull_share,
    pull.was_imputed
from pulls
order by lane desc, abs(pull.pull) desc, pull.feature asc
