select *
from {{ ref('int_segment_budget') }}
order by category, segment_id
