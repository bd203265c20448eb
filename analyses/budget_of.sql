with budget as (
    select *
    from {{ ref('segment_budget') }}
    where category = {{ argument('category_name', 'Snacks') }}
)

select
    segment_id,
    joined_segment_id,
    n_segments,
    n_segments_in_budget,
    explanation
from budget
union all
select
    null as segment_id,
    null as joined_segment_id,
    null as n_segments,
    null as n_segments_in_budget,
    'no budget; max_segments_total shares a number of segments among all categories' as explanation
where not exists (select 1 from budget)
order by segment_id
