select
    segment_id,
    n_stores,
    sales_amount,
    room,
    null_bound,
    explanation
from {{ ref('segment_room') }}
where category = {{ argument('category_name', 'Snacks') }}
order by segment_id nulls first
