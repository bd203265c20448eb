-- Ids are tidied once per different one. The numbers are dense, so that sums by store can be held in an array.
with given as (
    select distinct store_id as given_id
    from {{ ref('stg_internal__sales_rows') }}
    where store_id is not null
),

tidied as (
    select
        given_id,
        {{ meaning_of_id(tidy_text('given_id')) | indent(8) }} as store_id
    from given
)

select
    -- ids
    given_id,
    store_id,

    -- numbers
    if(store_id is null, null, dense_rank() over (order by store_id))::integer as store_number
from tidied
order by given_id
