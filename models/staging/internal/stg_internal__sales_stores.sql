-- Ids are tidied once per different one. The numbers are dense, so that sums by store can be held in an array.
with tidied as (
    {{ ids_of_sales('store_id') | indent(4) }}
)

select
    -- ids
    given_id,
    store_id,

    -- numbers
    if(store_id is null, null, dense_rank() over (order by store_id))::integer as store_number
from tidied
order by given_id
