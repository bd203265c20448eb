-- A product in several need states gives each an even part of its sales. Money is summed as
-- DECIMAL, which is exact in any order; only the few sums are divided.
with product_need_states as (
    select
        product_id,
        category,
        need_state,
        count(*) over (partition by product_id) as n_need_states
    from {{ ref('stg_internal__products') }}
),

sales_by_divisor as (
    select
        sales.store_id,
        product_need_states.category,
        product_need_states.need_state,
        product_need_states.n_need_states,
        sum(sales.sales_amount) as sales_amount,
        sum(sales.units) as units,
        count(*) as n_rows,
        min(sales.sold_on) as first_sold_on,
        max(sales.sold_on) as last_sold_on
    from {{ ref('stg_internal__sales') }} as sales
    inner join product_need_states on sales.product_id = product_need_states.product_id
    group by all
)

select
    -- ids
    store_id,

    -- text
    category,
    need_state,

    -- numbers
    sum((sales_amount / n_need_states)::decimal(38, 10)) as sales_amount,
    sum((units / n_need_states)::decimal(38, 10)) as units,
    sum(n_rows)::bigint as n_rows,

    -- dates
    min(first_sold_on) as first_sold_on,
    max(last_sold_on) as last_sold_on
from sales_by_divisor
group by all
order by category, store_id, need_state
