select
    category,
    store_id,
    segment_id,
    margin
from {{ ref('store_segments') }}
where is_thin_history
order by category, store_id
