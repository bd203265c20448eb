-- A need state that a store sold nothing of after returns is a zero like one it never sold; `rejected_rows` lists it.
-- depends_on: {{ ref('int_input_gate') }}
select
    -- ids
    store_id,

    -- text
    category,
    need_state,

    -- numbers
    sales_amount,
    units,
    n_rows,

    -- dates
    first_sold_on,
    last_sold_on
from {{ ref('int_need_state_net_sales') }}
where sales_amount > 0
order by category, store_id, need_state
