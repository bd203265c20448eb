-- Of rows that repeat each other exactly one is accepted.
with typed as (
    {{ typed_sales() | indent(4) }}
),

accepted as (
    select *
    from typed
    where
        {{ value_problem() | indent(8) }} is null
        and {{ place_problem() | indent(8) }} is null
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
from accepted
where not _is_repeated
union all
select
    store_id,
    product_id,
    sales_amount,
    units,
    sold_on
from accepted
where _is_repeated
group by store_id, product_id, sales_amount, units, sold_on, _row
