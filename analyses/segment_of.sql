select
    category,
    segment_id,
    segment_name,
    round(margin, 3) as margin,
    is_outlier,
    is_thin_history
from {{ ref('store_segments') }}
where store_id = {{ argument('store', 'T0042') }}
order by category
