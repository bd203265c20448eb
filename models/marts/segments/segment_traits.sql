select *
from {{ ref('int_segment_traits') }}
order by category, segment_id, lane, place
