select
    need_state,
    round(share, 3) as share,
    round(expected_share, 3) as expected_share,
    round(own_weight, 2) as own_weight
from {{ ref('expected_shares') }} as expected_shares
where store_id = {{ argument('store', 'T0042') }} and category = {{ argument('category_name', 'Snacks') }}
order by expected_shares.expected_share desc, need_state asc
