with validated as (
    {{ validated_products() | indent(4) }}
)

select
    -- ids
    product_id,

    -- text
    product_name,
    category,
    need_state
from validated
where _rejection_reason is null
