select *
from {{ ref('int_segment_moves') }}
order by category, step, from_cell, into_cell
