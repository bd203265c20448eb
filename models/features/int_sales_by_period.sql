-- A pass over the sales of its own. `int_sales_outcomes` has far fewer rows without periods, and everything else waits
-- for it (docs/decisions/0406). A need state that adds up to nothing in the end has rows here: nobody knew that while
-- the first half was sold.
-- depends_on: {{ ref('int_input_gate') }}
{% call over_sales({'sales_amount': 'sum', 'n_rows': 'sum'}) -%}
with group_need_states as (
    {{ group_need_states() }}
)

select
    -- ids
    sales.store_id,

    -- text
    group_need_states.category,
    group_need_states.need_state,

    -- numbers
    sum((sales.sales_amount / group_need_states.n_need_states)::decimal(38, 10)) as sales_amount,
    count(*) as n_rows,

    -- dates
    {{ period_start('sales.sold_on') }} as period_start
from {{ ref('stg_internal__sales') }} as sales
inner join group_need_states on sales.product_group = group_need_states.product_group
where sales.rejection_reason is null and sales.sold_on is not null
group by all
{%- endcall %}
