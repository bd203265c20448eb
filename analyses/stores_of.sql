select
    store_id,
    margin,
    was_reassigned,
    is_outlier,
    is_thin_history
from {{ ref('store_segments') }}
where category = {{ argument('category_name', 'Snacks') }} and segment_id = {{ argument('segment', '3-3') }}
order by margin desc, store_id asc
