select
    -- ids
    category,
    store_id,
    segment_id,

    -- numbers
    probability,
    share_of_stores,

    -- lists
    like_stores
from {{ ref('int_new_stores') }}
where segment_id is not null
order by category, store_id, segment_id
