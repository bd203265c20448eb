-- Of rows that repeat each other exactly one is accepted.
with typed as (
    {{ typed_sales(ref('stg_internal__sales_rows')) | indent(4) }}
),

looked_at as (
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
from typed
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
from looked_at
where
    _is_repeated
    and {{ value_problem() | indent(4) }} is null
    and {{ place_problem() | indent(4) }} is null
group by store_id, product_id, sales_amount, units, sold_on, _row
