select
    -- text
    category,

    -- numbers
    n_stores,
    n_segments,
    chain_mix_error,
    segment_mix_error,
    group_mix_error,
    sales_amount,
    loss
from {{ ref('int_store_groups') }}
where category is not null
order by category
