-- Ids are tidied once per different one. A sum over sales needs no finer grain than the set of need states.
with tidied as (
    {{ ids_of_sales('product_id') | indent(4) }}
),

products as (
    select
        product_id,
        list(
            struct_pack(category := category, need_state := need_state) order by category, need_state
        ) as need_states
    from {{ ref('stg_internal__products') }}
    group by all
),

product_groups as (
    select
        product_id,
        need_states,
        dense_rank() over (order by need_states)::integer as product_group
    from products
)

select
    -- ids
    tidied.given_id,
    tidied.product_id,

    -- numbers
    product_groups.product_group,

    -- lists
    product_groups.need_states
from tidied
left join product_groups on tidied.product_id = product_groups.product_id
order by tidied.given_id
