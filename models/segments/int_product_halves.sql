-- A pass over the sales of its own, for categories whose first half falls into groups. Only the best-selling products
-- of the first half are ranked: nobody knew the others when it ended.
{% set categories -%}
with splits as (
    select
        category,
        any_value(split_on) as split_on
    from {{ ref('int_segment_validity') }}
    where predictor = 'internal clusters' and verdict <> 'not possible'
    group by category
),

product_categories as (
    select distinct
        products.product_id,
        products.category,
        splits.split_on
    from {{ ref('stg_internal__products') }} as products
    inner join splits on products.category = splits.category
)
{%- endset -%}
{{ categories }},

halves as materialized (
    {% call over_sales(
        {'first_half': 'sum', 'second_half': 'sum'}, {'product_categories': categories ~ ' from product_categories'}
    ) -%}
    select
        sales.store_id,
        sales.product_id,
        product_categories.category,
        sum(sales.sales_amount) filter (where sales.sold_on < product_categories.split_on) as first_half,
        sum(sales.sales_amount) filter (where sales.sold_on >= product_categories.split_on) as second_half
    from {{ ref('stg_internal__sales') }} as sales
    inner join product_categories on sales.product_id = product_categories.product_id
    where sales.rejection_reason is null and sales.sold_on is not null
    group by all
    {%- endcall %}
),

ranked as (
    select
        category,
        product_id
    from halves
    group by category, product_id
    having sum(first_half) > 0
    qualify row_number() over (partition by category order by sum(first_half) desc, product_id asc) <= 300
)

select
    -- ids
    halves.store_id,
    halves.product_id,

    -- text
    halves.category,

    -- numbers
    coalesce(halves.first_half, 0) as first_half,
    coalesce(halves.second_half, 0) as second_half
from halves
inner join ranked on halves.category = ranked.category and halves.product_id = ranked.product_id
