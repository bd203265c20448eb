select
    lane,
    place,
    phrase,
    sentence,
    round(difference_in_sd, 2) as difference_in_sd,
    round(effect_size, 2) as effect_size
from {{ ref('segment_traits') }} as segment_traits
where category = {{ argument('category_name', 'Snacks') }} and segment_id = {{ argument('segment', '2-3') }}
order by abs(segment_traits.difference_in_sd) desc, lane asc, place asc
