{{ config(severity='warn') }}

-- Every category keeps a segment, so a budget below the number of categories is exceeded.
select
    count(distinct category) as n_categories,
    'keep a segment each, which is more than max_segments_total; raise it' as advice
from {{ ref('segment_budget') }}
where contains(explanation, 'is exceeded')
having count(*) > 0
