select *
from {{ ref('int_segment_names') }}
order by category, segment_id
