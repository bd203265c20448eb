with lanes as (
    select
        'internal' as lane,
        internal_reason as reason,
        unnest(internal_pulls) as pull
    from {{ ref('store_explanations') }}
    where store_id = {{ argument('store', 'T0042') }} and category = {{ argument('category_name', 'Snacks') }}
    union all
    select
        'external' as lane,
        external_reason as reason,
        unnest(external_pulls) as pull
    from {{ ref('store_explanations') }}
    where store_id = {{ argument('store', 'T0042') }} and category = {{ argument('category_name', 'Snacks') }}
)

select
    lane,
    split_part(reason, ':', 1) as choice,
    pull.feature,
    pull.value,
    pull.pull_share,
    pull.was_imputed
from lanes
order by lane desc, abs(pull.pull) desc, pull.feature asc
