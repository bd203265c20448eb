select
    product_name,
    advice,
    evidence,
    round(reach, 2) as reach,
    round(sales_index) as sales_index,
    n_stores_selling
from {{ ref('segment_products') }} as segment_products
where category = {{ argument('category_name', 'Snacks') }} and segment_id = {{ argument('segment', '2-3') }}
order by segment_products.advice = 'keep' asc, segment_products.sales_amount desc, product_id asc
