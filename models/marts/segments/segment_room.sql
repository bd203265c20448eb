select
    -- ids
    category,
    segment_id,

    -- text
    explanation,

    -- numbers
    n_stores,
    sales_amount,
    room,
    room_low,
    room_high,
    null_bound,
    (room / nullif(sales_amount, 0))::double as room_share,
    (null_bound / nullif(sales_amount, 0))::double as null_bound_share
from {{ ref('int_segment_room') }}
where store_id is null
order by category, segment_id nulls last
