select
    -- ids
    category,
    store_id,

    -- text
    need_state,

    -- numbers
    expected_share,
    share_low,
    share_high
from {{ ref('int_new_stores') }}
where need_state is not null
order by category, store_id, need_state
