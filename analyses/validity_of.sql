select
    predictor,
    verdict,
    round(skill, 3) as skill,
    round(skill_standard_error, 3) as skill_standard_error,
    explanation
from {{ ref('segment_validity') }}
where category = {{ argument('category_name', 'Snacks') }}
order by skill desc nulls last, predictor asc
