-- Ids are tidied once per different one. A sum over sales needs no finer grain than the set of need states.
with given as (
    select distinct product_id as given_id
    from {{ ref('sales_rows') }}
    where product_id is not null
),

tidied as (
    select
        given_id,
        {{ meaning_of_id(tidy_text('given_id')) | indent(8) }} as product_id
    from given
),

product_groups as (
    {{ product_groups() | indent(4) }}
)

select
    -- ids
    tidied.given_id,
    tidied.product_id,

    -- numbers
    product_groups.product_group
from tidied
left join product_groups on tidied.product_id = product_groups.product_id
order by tidied.given_id
