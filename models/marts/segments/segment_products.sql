with products as (
    select
        product_id,
        any_value(product_name order by product_name) as product_name
    from {{ ref('stg_internal__products') }}
    group by product_id
)

select
    -- ids
    brief.category,
    brief.segment_id,
    brief.product_id,

    -- text
    products.product_name,
    brief.advice,
    brief.evidence,

    -- numbers
    brief.sales_amount,
    brief.reach,
    brief.share_where_sold,
    brief.sales_index,
    brief.n_stores_selling,
    brief.n_periods_sold
from {{ ref('int_segment_products') }} as brief
left join products on brief.product_id = products.product_id
order by brief.category asc, brief.segment_id asc, brief.sales_amount desc, brief.product_id asc
