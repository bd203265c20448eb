select
    -- ids
    category,
    store_id,
    segment_id,

    -- text
    need_state,

    -- numbers
    sales_amount,
    share,
    shrunken_share,
    target_share,
    room,
    room_low,
    room_high
from {{ ref('int_segment_room') }}
where store_id is not null
order by category, store_id, need_state
