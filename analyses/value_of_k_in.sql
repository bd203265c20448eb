select
    n_segments,
    round(skill, 3) as skill,
    round(skill_standard_error, 3) as skill_standard_error,
    holds,
    round(sales_better_placed) as sales_better_placed,
    round(room) as room,
    upkeep,
    round(net_value) as net_value,
    round(net_value_standard_error) as net_value_standard_error,
    is_best,
    explanation
from {{ ref('value_of_k') }}
where category = {{ argument('category_name', 'Snacks') }}
order by n_segments
