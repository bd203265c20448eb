select
    store_id,
    store_group,
    agreement
from {{ ref('int_store_groups') }}
where store_id is not null
order by store_id
