select
    lane,
    place,
    phrase,
    sentence,
    difference_in_sd,
    effect_size
from {{ ref('segment_traits') }}
where category = {{ argument('category_name', 'Snacks') }} and segment_id = {{ argument('segment', '3-3') }}
order by abs(difference_in_sd) desc, lane asc, place asc
