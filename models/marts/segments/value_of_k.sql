select *
from {{ ref('int_value_of_k') }}
order by category, n_segments
