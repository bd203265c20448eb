-- Sizes when the map was filled: later on stores come and go, and the map stays.
select
    category,
    segment_id,
    n_stores,
    min_segment_size
from {{ ref('training_segments') }}
qualify count(*) over (partition by category) > 1 and n_stores < min_segment_size
