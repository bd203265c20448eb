select
    store_id,
    need_state,
    round(expected_share, 3) as expected_share,
    round(share_low, 3) as share_low,
    round(share_high, 3) as share_high
from {{ ref('new_store_mix') }} as mix
where category = {{ argument('category_name', 'Snacks') }}
order by store_id asc, mix.expected_share desc, need_state asc
