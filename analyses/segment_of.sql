select
    category,
    segment_id,
    segment_name,
    margin,
    is_outlier,
    is_thin_history
from {{ ref('store_segments') }}
where store_id = {{ argument('store', 'T0042') }}
order by category
