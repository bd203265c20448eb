select
    scope as category,
    store_id,
    sum(share) as sum_of_shares
from {{ ref('feature_values') }}
where lane = 'internal'
group by all
having abs(sum(share) - 1) > 1e-9 or count(share) < count(*)
