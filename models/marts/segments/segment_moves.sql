with moves as (
    select distinct
        category,
        unnest(moves, recursive := true)
    from {{ ref('merged_segments') }}
)

select
    -- ids
    category,
    step,

    -- text
    from_cell,
    into_cell,

    -- numbers
    n_stores,
    distance
from moves
order by category, step
