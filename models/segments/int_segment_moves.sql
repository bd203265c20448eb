select
    -- ids
    category,
    coalesce(step, max(step) over (partition by category) + 1, 1)::integer as step,

    -- text
    cell_id as from_cell,
    into_cell,
    any_value(segment_id) as into_segment_id,

    -- numbers
    count(*) as n_stores,
    max(n_cell_stores) as n_cell_stores,
    fsum(distance order by store_id) / count(*) as distance
from {{ ref('merged_segments') }}
where was_reassigned
group by category, step, cell_id, into_cell
order by category, step, from_cell, into_cell
