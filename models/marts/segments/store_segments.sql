select *
from {{ ref('int_store_segments') }}
order by category, store_id
