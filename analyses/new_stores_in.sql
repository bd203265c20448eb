select
    store_id,
    segment_id,
    round(probability, 2) as probability,
    round(share_of_stores, 2) as share_of_stores,
    array_to_string(like_stores, ', ') as like_stores
from {{ ref('new_store_segments') }} as new_stores
where category = {{ argument('category_name', 'Snacks') }}
qualify row_number() over (partition by store_id order by new_stores.probability desc, segment_id asc) = 1
order by store_id
