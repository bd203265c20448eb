select *
from {{ ref('int_expected_shares') }}
order by category, store_id, need_state
