-- Of rows that repeat each other exactly one is accepted.
with once as (
    {{ typed_sales(ref('sales_rows')) | indent(4) }}
),

repeated as (
    {{ typed_sales('(' ~ sales_to_look_at() ~ ')') | indent(4) }}
)

select
    -- ids
    store_id,
    product_id,

    -- numbers
    sales_amount,
    units,

    -- dates
    sold_on
from once
where
    not _is_repeated
    and {{ value_problem() | indent(4) }} is null
    and {{ place_problem() | indent(4) }} is null
union all
select
    store_id,
    product_id,
    sales_amount,
    units,
    sold_on
from repeated
where
    _is_repeated
    and {{ value_problem() | indent(4) }} is null
    and {{ place_problem() | indent(4) }} is null
group by store_id, product_id, sales_amount, units, sold_on, _row
