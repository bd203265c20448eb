select
    -- text
    category,
    explanation,

    -- numbers
    n_stores,
    log_loss,
    log_loss_of_shares,
    mean_top_probability,
    top_is_right,
    interval_coverage,

    -- booleans
    uses_surroundings
from {{ ref('int_new_stores') }}
where explanation is not null
order by category
