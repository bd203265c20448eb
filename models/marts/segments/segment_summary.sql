select *
from {{ ref('int_segment_summary') }}
order by category, segment_id
