select
    category,
    n_stores,
    round(mean_top_probability, 2) as mean_top_probability,
    round(top_is_right, 2) as top_is_right,
    round(interval_coverage, 2) as interval_coverage,
    uses_surroundings
from {{ ref('new_store_calibration') }}
order by category
