select *
from {{ ref('int_segment_changes') }}
order by run_started_at, category
