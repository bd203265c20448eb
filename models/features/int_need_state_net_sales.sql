-- A product in several need states gives each an even part of its sales. Only sums are divided, so
-- that nothing depends on the order of the rows.
with group_need_states as (
    {{ group_need_states() }}
),

sales_by_divisor as (
    select
        sales.store_id,
        group_need_states.category,
        group_need_states.need_state,
        group_need_states.n_need_states,
        sum(sales.sales_amount) as sales_amount,
        sum(sales.units) as units,
        sum(sales.n_rows) as n_rows,
        min(sales.first_sold_on) as first_sold_on,
        max(sales.last_sold_on) as last_sold_on
    from {{ ref('int_sales_outcomes') }} as sales
    inner join group_need_states on sales.product_group = group_need_states.product_group
    where sales.rejection_reason is null
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
