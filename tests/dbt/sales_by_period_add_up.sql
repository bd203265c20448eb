-- Without a pass over the sales: where every row has a date, the periods have all of the rows and of the money.
with summed as (
    select
        store_id,
        category,
        need_state,
        sum(sales_amount) as sales_amount,
        sum(n_rows) as n_rows
    from {{ ref('int_sales_by_period') }}
    group by all
)

select
    summed.store_id,
    summed.category,
    summed.need_state,
    summed.sales_amount as amount_by_period,
    whole.sales_amount,
    summed.n_rows as rows_by_period,
    whole.n_rows
from summed
left join {{ ref('int_need_state_net_sales') }} as whole
    on
        summed.store_id = whole.store_id
        and summed.category = whole.category
        and summed.need_state = whole.need_state
where
    whole.n_rows is null
    or summed.n_rows > whole.n_rows
    or (summed.n_rows = whole.n_rows and abs(summed.sales_amount - whole.sales_amount) >= 0.01)
