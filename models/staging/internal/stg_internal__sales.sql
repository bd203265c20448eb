-- Of rows that repeat each other exactly one is accepted.
with validated as (
    {{ validated_sales() | indent(4) }}
),

accepted as (
    select *
    from validated
    where _value_problem is null and _place_problem is null
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
