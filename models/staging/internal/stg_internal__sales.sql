with validated as (
    {{ validated_sales() | indent(4) }}
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
from validated
where _rejection_reason is null
