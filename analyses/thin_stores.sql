select
    category,
    store_id,
    segment_id,
    round(margin, 3) as margin
from {{ ref('store_segments') }}
where is_thin_history
order by category, store_id
