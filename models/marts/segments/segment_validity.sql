select *
from {{ ref('int_segment_validity') }}
order by category, predictor
