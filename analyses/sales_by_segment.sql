select
    category,
    segment_id,
    segment_name,
    n_stores,
    sales_amount,
    sales_per_store,
    share_of_sales
from {{ ref('segment_summary') }}
order by category asc, sales_amount desc, segment_id asc
