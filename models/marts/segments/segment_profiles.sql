select *
from {{ ref('int_segment_profiles') }}
order by category, segment_id, lane, feature
