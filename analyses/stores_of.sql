select
    store_id,
    round(margin, 3) as margin,
    was_reassigned,
    is_outlier,
    is_thin_history
from {{ ref('store_segments') }} as store_segments
where category = {{ argument('category_name', 'Snacks') }} and segment_id = {{ argument('segment', '2-3') }}
order by store_segments.margin desc, store_id asc
