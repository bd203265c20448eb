-- Ids are tidied once per different one, not once per sales row.
with tidied as (
    {{ ids_of_sales('store_id') | indent(4) }}
)

select
    -- ids
    given_id,
    store_id
from tidied
order by given_id
