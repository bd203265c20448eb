select
    category,
    segment_id,
    segment_name,
    n_stores,
    round(sales_amount, 2) as sales_amount,
    round(sales_per_store, 2) as sales_per_store,
    round(share_of_sales, 3) as share_of_sales
from {{ ref('segment_summary') }} as segment_summary
order by category asc, segment_summary.sales_amount desc, segment_id asc
